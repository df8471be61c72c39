"""Windows of a text for a model whose BOS and EOS are somewhere in its tokenizer, or nowhere.

A token store ends each document with an id of its own, past the tokenizer's. Here that mark, and
the one that a window starts with, become what the model knows: EOS and BOS, each standing in for
the other where one is missing. Without either, the place before a text is empty: no position sees
it, and the token after it has no prediction. The caller charges those.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from research.tokenizers import Tokenizer
from research.training.data import batches
from research.training.data.token_store import TokenStore


class Marks(NamedTuple):
    """Ids of BOS and EOS in a model's vocabulary; None where it has none."""

    bos: int | None
    eos: int | None

    @property
    def start(self) -> int | None:
        """What stands before a window."""
        return self.eos if self.bos is None else self.bos

    @property
    def between(self) -> int | None:
        """What stands between documents."""
        return self.bos if self.eos is None else self.eos

    def words(self, name: Callable[[int], str]) -> str:
        """For people."""
        if self.start is None:
            return "no BOS or EOS: the first token of a window or document counts as any other id"
        counted = "no EOS"
        if self.eos is not None:
            counted = f"one {name(self.eos)} a document among them"
        return f"{counted}; {name(self.start)} before every window"


def marks(tokenizer: Tokenizer, raw: Mapping[str, Any]) -> Marks:
    """By the tokenizer's roles, else by config.json where that names a special token."""

    def find(role: str) -> int | None:
        if role in tokenizer.roles:
            return tokenizer.roles[role]
        found = raw.get(f"{role}_token_id")
        found = found[0] if isinstance(found, list) and found else found
        if not isinstance(found, int) or not 0 <= found < tokenizer.vocab_size:
            return None
        return found if tokenizer.special_V[found] else None

    return Marks(find("bos"), find("eos"))


def tokens(store: TokenStore, marks: Marks) -> int:
    """Tokens that count: all of the text, and EOS where there is one."""
    return store.num_tokens - (store.num_documents if marks.eos is None else 0)


def evaluation_batches(
    store: TokenStore,
    marks: Marks,
    *,
    batch_size: int,
    length: int,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[dict[str, np.ndarray]]:
    """As `batches.evaluation_batches`, in the model's ids.

    Without BOS and EOS there are segments_BxL and positions_BxL too, and weight 0 after a mark.
    """
    stream = batches.evaluation_batches(
        store,
        batch_size=batch_size,
        length=length,
        process_index=process_index,
        process_count=process_count,
    )
    for batch in stream:
        inputs_BxL, targets_BxL = batch["inputs_BxL"], batch["targets_BxL"]
        starts_BxL, ends_BxL = inputs_BxL == store.bos_id, inputs_BxL == store.eos_id
        weights_BxL = batch["weights_BxL"]
        if marks.eos is None:
            weights_BxL = weights_BxL * (targets_BxL != store.eos_id)
        made = {
            "inputs_BxL": _put(_put(inputs_BxL, starts_BxL, marks.start), ends_BxL, marks.between),
            "targets_BxL": _put(targets_BxL, targets_BxL == store.eos_id, marks.eos),
            "weights_BxL": weights_BxL.astype(np.float32),
        }
        if marks.start is None:
            made |= _without_marks(starts_BxL | ends_BxL)
            made["weights_BxL"] *= ~(starts_BxL | ends_BxL)
        yield made


def _put(ids_BxL: np.ndarray, here_BxL: np.ndarray, id_: int | None) -> np.ndarray:
    return np.where(here_BxL, 0 if id_ is None else id_, ids_BxL).astype(np.int32)


def _without_marks(empty_BxL: np.ndarray) -> dict[str, np.ndarray]:
    """Segments in which an empty place is alone, and positions that do not count the first."""
    segments_BxL = 2 * np.cumsum(empty_BxL, axis=1) + empty_BxL
    positions_BxL = np.maximum(np.arange(empty_BxL.shape[1])[None] - empty_BxL[:, :1], 0)
    return {
        "segments_BxL": segments_BxL.astype(np.int32),
        "positions_BxL": positions_BxL.astype(np.int32),
    }
