"""What `freevocab prepare` writes: token stores of all splits of a corpus, in shards.

    index.json                  vocab_size, names, what it was made from, counts, digests of shards
    shard-00003-of-00016/       documents whose digest, as a number, is in the fourth sixteenth
      shard.json                counts; what could not be prepared
      train/ valid/ test/       token stores (`token_store`), documents in order of their digests
      .freevocab.json           SHA-256 of each of these files

So the shards of a split, one after the other, are its documents in the order of their digests,
however many shards there are. index.json comes last: without it the preparation has not ended.
"""

import dataclasses
import os
from pathlib import Path
from typing import Any, cast

import numpy as np

from research.artifact import Spec
from research.errors import FreevocabError, UsageError
from research.training.data import token_store
from research.training.data.joined_array import JoinedArray
from research.training.data.token_store import TokenStore

INDEX = Spec(
    "token shards",
    "index.json",
    missing="{folder} is no corpus that `freevocab prepare` has finished: it has no {file}",
)
COUNTS = ("documents", "tokens", "text_bytes")
"""Of a split, as meta.json of a token store has them."""


def open_split(
    directory: str | os.PathLike, split: str, *, max_bytes: int | None = None
) -> TokenStore:
    """Opens all shards of a split as one store.

    Args:
      directory: what `freevocab prepare` wrote.
      split: 'train', 'valid' or 'test'.
      max_bytes: take whole documents from the first on up to so much text, at least one.

    Raises:
      UsageError: if the folder is another one, not finished, or has no such split.
      FreevocabError: if a shard is missing or damaged.
    """
    index = INDEX.read(directory)
    try:
        counts = index["splits"].get(split)
        if counts is None:
            raise UsageError(
                f"{directory} has no {split} documents, only {', '.join(index['splits'])}"
            )
        names = [name for name, shard in index["shards"].items() if split in shard["splits"]]
        # As with one file: a large store is not read whole to be opened.
        most = token_store.CHECKED_BYTES
        checked = most if 4 * counts["tokens"] <= most else 0
        stores = _beginning(directory, split, names, checked, max_bytes)
        whole = max_bytes is None or counts["text_bytes"] <= max_bytes
        store = joined(stores, index["vocab_size"], _meta(index, split, max_bytes))
        if whole and _counts(store) != {name: counts[name] for name in COUNTS}:
            raise FreevocabError(f"the shards of {split} in {directory} are not those of its index")
    except (KeyError, TypeError, AttributeError) as error:
        path = Path(directory) / INDEX.file
        raise FreevocabError(f"{path} is damaged ({error}): prepare the corpus again") from error
    return store


def joined(stores: list[TokenStore], vocab_size: int, meta: dict[str, Any]) -> TokenStore:
    """One store of the documents of several, one after the other."""
    if len(stores) == 1:
        return dataclasses.replace(stores[0], meta=meta)
    tokens = np.cumsum([0, *(store.num_tokens for store in stores)]).tolist()
    num_bytes = np.cumsum([0, *(store.num_bytes for store in stores)]).tolist()
    return TokenStore(
        cast(np.ndarray, JoinedArray([store.ids for store in stores])),
        _joined_offsets([store.offsets for store in stores], tokens),
        _joined_offsets([store.byte_offsets for store in stores], num_bytes),
        vocab_size=vocab_size,
        meta=meta,
    )


def _joined_offsets(offsets: list[np.ndarray], bases: list[int]) -> np.ndarray:
    """Each shard's offsets start at 0 and end where the next shard starts, which counts once."""
    last = np.zeros(1, offsets[0].dtype)
    return cast(np.ndarray, JoinedArray([*(each[:-1] for each in offsets), last], bases))


def _beginning(
    directory: str | os.PathLike, split: str, names: list[str], checked: int, max_bytes: int | None
) -> list[TokenStore]:
    """The shards that `max_bytes` reaches, the last one cut behind a whole document."""
    stores, left = [], max_bytes
    for name in names:
        path = Path(directory) / name / split
        try:
            store = token_store.open_store(path, checked_bytes=checked)
        except FreevocabError as error:
            reason = str(error).removesuffix(": delete it, it will be built again")
            raise FreevocabError(f"{reason}: run `freevocab prepare` again") from error
        if left is not None and store.num_bytes > left:
            count = int(np.searchsorted(store.byte_offsets, left, side="right")) - 1
            count = count if stores else max(1, count)
            return [*stores, *([_first_documents(store, count)] if count else [])]
        stores.append(store)
        left = None if left is None else left - store.num_bytes
    return stores


def _first_documents(store: TokenStore, count: int) -> TokenStore:
    return dataclasses.replace(
        store,
        ids=store.ids[: store.offsets[count]],
        offsets=store.offsets[: count + 1],
        byte_offsets=store.byte_offsets[: count + 1],
    )


def _counts(store: TokenStore) -> dict[str, int]:
    counts = (store.num_documents, store.num_tokens, store.num_bytes)
    return dict(zip(COUNTS, counts, strict=True))


def _meta(index: dict[str, Any], split: str, max_bytes: int | None) -> dict[str, Any]:
    names = {name: index[name] for name in ("corpus_name", "codec_name", "vocab_size")}
    return names | {"source": {**index["source"], "split": split, "max_bytes": max_bytes}}
