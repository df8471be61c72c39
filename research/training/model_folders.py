"""Bits per byte of a model's folder, ours or Hugging Face's, over every byte of a text.

The text is cut into windows of as many tokens as the model was trained with (its context); a window
starts with BOS and sees nothing of the one before, so every token counts once and windows do not
overlap.

BOS and EOS of a Hugging Face model are somewhere in its tokenizer, or nowhere. A token store ends
each document with an id of its own, past the tokenizer's. That id, and the one that a window starts
with, become what the model knows: EOS and BOS, each standing in for the other where one is missing.
Without either, the place before a text is empty: no position sees it, and the token after it has no
prediction and is charged the uniform cost, ln(rows) nats.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from research import tokenizers
from research.codecs import lm_folder
from research.codecs.protocol import Codec
from research.errors import FreevocabError, UsageError
from research.models import pretrained
from research.tokenizers import Tokenizer
from research.training import parallelism
from research.training.config import ParallelismConfig
from research.training.data import batches
from research.training.data.batches import Batch
from research.training.data.token_store import TokenStore
from research.training.lm import LM
from research.training.parallelism import WHOLE, DataShard
from research.training.step import EvalTotals

BuildStore = Callable[[Codec | Tokenizer], TokenStore]
_ONE_DEVICE = ParallelismConfig()
_LONGEST = 2048  # tokens of a window where the model would take more


class FolderTotals(NamedTuple):
    """What a model costs on a text, and what it was measured with."""

    totals: EvalTotals
    store: TokenStore
    """The text in the model's ids."""
    codec: Codec | Tokenizer
    """What made them."""
    ids: str
    """How many ids there are, for people."""
    specials: str
    """Which special ids count as tokens, for people."""
    length: int
    """Tokens of a window."""
    foreign: bool
    """Whether it is a Hugging Face folder."""


def evaluate(
    folder: str | Path,
    build_store: BuildStore,
    *,
    tokenizer: str | None = None,
    batch_size: int = 16,
    length: int | None = None,
    config: ParallelismConfig = _ONE_DEVICE,
) -> FolderTotals:
    """Exact sums of a folder's model over a text.

    Args:
      build_store: codec or tokenizer -> the text in its ids; called once the model is opened.
      tokenizer: for a Hugging Face folder: another one than its own (a file or a folder).
      batch_size: windows at once; the nearest number below that divides over the devices.
      length: tokens of a window; None: what the model was trained with, else 512; of a Hugging
        Face folder its context, at most 2048.
      config: how the work is spread over devices.

    Raises:
      UsageError: for arguments that do not go together, or a masked language model.
      FreevocabError: if the loss is not finite.
    """
    if pretrained.is_hugging_face(folder):
        measured = _hugging_face(folder, build_store, tokenizer, batch_size, length, config)
    elif tokenizer is not None:
        raise UsageError("--tokenizer is for Hugging Face folders; this model has its own codec")
    else:
        measured = _own(folder, build_store, batch_size, length, config)
    if not math.isfinite(measured.totals.nats):
        raise FreevocabError(
            f"the loss of {folder} on this text is not finite: its weights are damaged, or its"
            " training went wrong"
        )
    return measured


def _own(
    folder: str | Path,
    build_store: BuildStore,
    batch_size: int,
    length: int | None,
    config: ParallelismConfig,
) -> FolderTotals:
    """A folder that was trained here."""
    params, model, codec, meta = lm_folder.load(folder)
    store = build_store(codec)
    length = length or int(meta.get("length", 512))
    lm = LM(model, parallelism.make_mesh(config), config)
    totals = lm.evaluate_store(
        params, store, batch_size=lm.rows_that_fit(batch_size), length=length
    )
    ids = f"{codec.vocab_size} ids and BOS, EOS"
    specials = "one EOS a document among them"
    return FolderTotals(totals, store, codec, ids, specials, length, foreign=False)


def _hugging_face(
    folder: str | Path,
    build_store: BuildStore,
    tokenizer_path: str | None,
    batch_size: int,
    length: int | None,
    config: ParallelismConfig,
) -> FolderTotals:
    """A Hugging Face folder, with its own tokenizer or another one."""
    model = pretrained.load(folder, with_tokenizer=tokenizer_path is None)
    if model.masked:
        raise UsageError(
            f"{folder} is a masked language model ({model.family}): it has no bits per byte; "
            "give a model that predicts the next token"
        )
    tokenizer = tokenizers.load(tokenizer_path) if tokenizer_path else model.tokenizer
    if tokenizer is None:
        raise UsageError(f"{folder} holds no tokenizer: give --tokenizer FILE")
    rows = model.config.rows
    pretrained.check_ids(tokenizer, rows, folder)
    length = length or min(model.context, _LONGEST)
    if model.config.trunk.positions == "learned" and length > model.context:
        raise UsageError(f"--length {length}: this model has {model.context} positions")
    store = build_store(tokenizer)
    specials = special_ids(tokenizer, model.raw, rows)
    lm = LM(model.config, parallelism.make_mesh(config), config)
    stream = evaluation_batches(
        store, specials, batch_size=lm.rows_that_fit(batch_size), length=length, shard=lm.shard
    )
    totals = lm.evaluate(model.params, stream, store.num_bytes)
    # Tokens without context are charged the uniform cost.
    tokens = store.num_tokens - (store.num_documents if specials.eos is None else 0)
    nats = totals.nats + (tokens - totals.tokens) * float(np.log(rows))
    totals = totals._replace(nats=nats, tokens=tokens)
    ids = f"{tokenizer.vocab_size:,} ids, {rows:,} rows; {model.family}"
    names = tokenizer.special_names
    words = specials.words(lambda id_: f"{names.get(id_, 'id')} ({id_})")
    return FolderTotals(totals, store, tokenizer, ids, words, length, foreign=True)


class SpecialIds(NamedTuple):
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


def special_ids(tokenizer: Tokenizer, raw: Mapping[str, Any], rows: int) -> SpecialIds:
    """By the tokenizer's roles, else by config.json where that names a special token.

    A token beyond the table's last of `rows` is none that the model knows.
    """

    def find(role: str) -> int | None:
        if tokenizer.roles.get(role, rows) < rows:
            return tokenizer.roles[role]
        id_ = raw.get(f"{role}_token_id")
        id_ = id_[0] if isinstance(id_, list) and id_ else id_
        if not isinstance(id_, int) or not 0 <= id_ < min(rows, tokenizer.vocab_size):
            return None
        return id_ if tokenizer.special_V[id_] else None

    return SpecialIds(find("bos"), find("eos"))


def evaluation_batches(
    store: TokenStore,
    specials: SpecialIds,
    *,
    batch_size: int,
    length: int,
    shard: DataShard = WHOLE,
) -> Iterator[Batch]:
    """As `batches.evaluation_batches`, in the ids of a Hugging Face model.

    Without BOS and EOS there are segments_BxL and positions_BxL too, and weight 0 after a place
    where they would stand.
    """
    stream = batches.evaluation_batches(store, batch_size=batch_size, length=length, shard=shard)
    for batch in stream:
        inputs_BxL, targets_BxL = batch["inputs_BxL"], batch["targets_BxL"]
        starts_BxL, ends_BxL = inputs_BxL == store.bos_id, inputs_BxL == store.eos_id
        weights_BxL = batch["weights_BxL"]
        if specials.eos is None:
            weights_BxL = weights_BxL * (targets_BxL != store.eos_id)
        inputs_BxL = _put(inputs_BxL, starts_BxL, specials.start)
        windows = {
            "inputs_BxL": _put(inputs_BxL, ends_BxL, specials.between),
            "targets_BxL": _put(targets_BxL, targets_BxL == store.eos_id, specials.eos),
            "weights_BxL": weights_BxL.astype(np.float32),
        }
        if specials.start is None:
            windows |= _without_specials(starts_BxL | ends_BxL)
            windows["weights_BxL"] *= ~(starts_BxL | ends_BxL)
        yield windows


def _put(ids_BxL: np.ndarray, here_BxL: np.ndarray, id_: int | None) -> np.ndarray:
    return np.where(here_BxL, 0 if id_ is None else id_, ids_BxL).astype(np.int32)


def _without_specials(empty_BxL: np.ndarray) -> dict[str, np.ndarray]:
    """Segments in which an empty place is alone, and positions that do not count the first."""
    segments_BxL = 2 * np.cumsum(empty_BxL, axis=1) + empty_BxL
    positions_BxL = np.maximum(np.arange(empty_BxL.shape[1])[None] - empty_BxL[:, :1], 0)
    return {
        "segments_BxL": segments_BxL.astype(np.int32),
        "positions_BxL": positions_BxL.astype(np.int32),
    }
