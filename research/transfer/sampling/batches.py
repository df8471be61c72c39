"""What a step of training gets: a tokenizer, sampled or fixed, and a batch of text in its ids.

A sampled tokenizer is a pure function of the texts, the seed and the step.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import numpy as np

from research.errors import UsageError
from research.tokenizers import Tokenizer
from research.transfer.sampling import kinds
from research.transfer.sampling.config import (
    BPE,
    Codebook,
    Kind,
    Pretokens,
    Sampling,
    Substrings,
    UnigramEM,
    WordPiece,
)
from research.transfer.sampling.sampled_tokenizer import SampledTokenizer, Segmenter
from research.transfer.sampling.texts import Queue, Row, TextWindows, draw_batches

KINDS = {
    "substrings": Substrings,
    "unigram": UnigramEM,
    "bpe": BPE,
    "wordpiece": WordPiece,
    "codebook": Codebook,
}
_TOKENIZER_STREAM = 0x70C  # sets these draws apart from others of the same seed and step
_SOURCE_STREAM = 0x50C


def sample(
    config: Sampling, queue: Queue, *, seed: int, step: int, first: int | None = None
) -> SampledTokenizer:
    """The tokenizer of a step.

    The queue only remembers what it has counted; the result does not depend on what it was asked
    before.

    Args:
      first: the queue's first batch; by default the step.

    Raises:
      UsageError: no kind to choose from, or a vocabulary below 256.
    """
    if config.vocab_size < 256:
        raise UsageError(f"a sampled tokenizer holds all 256 bytes, not {config.vocab_size}")
    rng = np.random.default_rng([seed, step, _TOKENIZER_STREAM])
    kind = _drawn(config.kinds, "kinds", rng)
    cut = Pretokens(digits=_drawn(config.digits, "digits", rng), marks=config.marks)
    if isinstance(kind, Codebook):
        cut = Pretokens(whole=True)
    first = step if first is None else first
    tokens, segmenter = _entries(kind, queue, first, cut, config.vocab_size, rng)
    return SampledTokenizer(
        tokens,
        segmenter,
        cut,
        pieces=config.vocab_size,
        special=config.special,
        name=f"sampled {type(kind).__name__}",
    )


def mixture(spec: str) -> tuple[tuple[Kind, float], ...]:
    """`Sampling.kinds` by name: "substrings", or with weights "substrings=3,bpe=1".

    Raises:
      UsageError: another kind than those of KINDS, or a weight that is not a number.
    """
    weighted = []
    for part in spec.split(","):
        name, _, weight = part.strip().partition("=")
        if name not in KINDS or not weight.replace(".", "", 1).isdigit() and weight:
            raise UsageError(
                f"{part.strip()!r} is no kind of tokenizer: use {', '.join(KINDS)}, with weights"
                " as in substrings=3,bpe=1"
            )
        weighted.append((KINDS[name](), float(weight or 1)))
    return tuple(weighted)


def _entries(
    kind: Kind, queue: Queue, first: int, cut: Pretokens, pieces: int, rng: np.random.Generator
) -> tuple[list[bytes], Segmenter]:
    if isinstance(kind, Codebook):
        return kinds.sample_codebook(kind, pieces, rng)
    if isinstance(kind, Substrings):
        counts, _ = queue.at(first, cut, kind.candidates)
        return kinds.sample_substrings(kind, counts, pieces, rng)
    chosen = draw_batches(kind.batches, queue.size, rng)
    if isinstance(kind, UnigramEM):
        counts, batches = queue.at(first, cut, kind.candidates)
        batches = [batches[number] for number in chosen]
        seeds, weight_N = kinds.unigram_seeds(counts.compacted(batches)[0], kind.seeds * pieces)
        return kinds.train_unigram(kind, *counts.words_of(batches), seeds, weight_N, pieces)
    texts = (text for number in chosen for text in queue.texts(first + number))
    ways = {BPE: kinds.train_bpe, WordPiece: kinds.train_wordpiece}
    return ways[type(kind)](texts, cut, pieces)


def _drawn(choices, what: str, rng: np.random.Generator):
    """One of (value, weight) pairs."""
    weights = np.array([weight for _, weight in choices], np.float64)
    if not len(weights) or weights.min() < 0 or not weights.sum() > 0:
        raise UsageError(f"{what} to sample need weights above 0, not {weights.tolist()}")
    return choices[rng.choice(len(weights), p=weights / weights.sum())][0]


class SampledBatch(NamedTuple):
    """A step's tokenizer and text."""

    tokenizer: Tokenizer
    """Sampled from the queue, or the one of `FixedBatches`."""
    batch: dict[str, np.ndarray]
    """"inputs_BxL" and "targets_BxL" int32, "weights_BxL" float32 (1 = counted), as of
    `training.data.batches.sequence_batch`: inputs are BOS and the targets but the last, documents
    are joined by EOS."""
    rows: list[Row]
    """The texts of the rows, longer than what the ids cover: each in parts, EOS between them."""


class SampledBatches:
    """Batches as a pure function of (seed, step); steps in order are quick, any order is right.

    Args:
      sampling: how tokenizers are drawn.
      sources: texts and how often each comes, in proportion; a step takes one of them (a
        language, say), and each has its own queue. All give equally many rows.
      length: L, tokens of a row.
      seed: of the tokenizers, and of which source a step takes; windows have their own.

    Raises:
      UsageError: sources with different numbers of rows, or no BOS and EOS to set between
        documents.
    """

    def __init__(
        self,
        sampling: Sampling,
        sources: Sequence[tuple[TextWindows, float]],
        *,
        length: int,
        seed: int,
    ):
        rows = {windows.rows for windows, _ in sources}
        if len(rows) != 1:
            raise UsageError(f"sources have batches of {sorted(rows)} rows: give all the same")
        if not {"bos", "eos"} <= set(sampling.special):
            raise UsageError("sampling.special needs bos and eos: rows begin with one, documents"
                             " end with the other")
        self._sampling, self._length, self._seed = sampling, length, seed
        self._sources = [windows for windows, _ in sources]
        self._weights = np.array([weight for _, weight in sources], np.float64)
        self._queues = [
            Queue(lambda number, w=windows: _texts(w.batch(number)), sampling.queue)
            for windows in self._sources
        ]

    def at(self, step: int) -> SampledBatch:
        """The tokenizer and the batch of a step."""
        source, turn = self.source(step)
        tokenizer = sample(
            self._sampling, self._queues[source], seed=self._seed, step=step, first=turn
        )
        rows = self._sources[source].batch(turn)
        return SampledBatch(tokenizer, encoded(tokenizer, rows, self._length), rows)

    def source(self, step: int) -> tuple[int, int]:
        """Which source a step takes, and how many steps before it took the same."""
        if len(self._sources) == 1:
            return 0, step
        # One draw after another from one stream: the first `step` draws are always the same.
        uniform_T = np.random.default_rng([self._seed, _SOURCE_STREAM]).random(step + 1)
        share_N = np.cumsum(self._weights) / self._weights.sum()
        source_T = np.searchsorted(share_N, uniform_T, side="right")
        source_T = np.minimum(source_T, len(share_N) - 1)
        return int(source_T[step]), int((source_T[:step] == source_T[step]).sum())


class FixedBatches:
    """Batches of text in the ids of one tokenizer (n-shot training), a pure function of the step.

    Args:
      tokenizer: it needs BOS and EOS, which begin rows and join documents.
      windows: the text.
      length: L, ids of a row.
      language: of the text, for a network that has several.

    Raises:
      UsageError: if the tokenizer has no BOS or EOS.
    """

    def __init__(
        self, tokenizer: Tokenizer, windows: TextWindows, *, length: int, language: int = 0
    ):
        like = {"bos": ("bos", "cls", "eos"), "eos": ("eos", "sep", "bos")}
        own = tokenizer.roles
        names = {role: [name for name in some if name in own] for role, some in like.items()}
        if not all(names.values()):
            raise UsageError(f"the tokenizer {tokenizer.name} has no token to begin a text with")
        roles = {role: own[first] for role, (first, *_) in names.items()}
        self.tokenizer = cast(Tokenizer, _WithRoles(tokenizer, roles))
        self._windows, self._length, self._language = windows, length, language

    def at(self, step: int) -> SampledBatch:
        """The batch of a step."""
        rows = self._windows.batch(step)
        ids = self.tokenizer.encode(_texts(rows))
        return SampledBatch(self.tokenizer, filled(ids, rows, self._length, self.tokenizer), rows)

    def source(self, step: int) -> tuple[int, int]:
        """The language, and how many steps before it took the same."""
        return self._language, step


class _WithRoles:
    """A tokenizer whose BOS and EOS are known by these roles, whatever it calls them."""

    def __init__(self, tokenizer: Tokenizer, roles: dict[str, int]):
        self._tokenizer = tokenizer
        self.roles = {**tokenizer.roles, **roles}

    def __getattr__(self, name: str):
        return getattr(self._tokenizer, name)


def encoded(tokenizer: SampledTokenizer, rows: Sequence[Row], length: int) -> dict[str, np.ndarray]:
    """The first `length` ids of each row (see `SampledBatch.batch`); no more is encoded."""
    return filled(tokenizer.encode_some(_texts(rows), length), rows, length, tokenizer)


def filled(
    ids: Iterable[np.ndarray], rows: Sequence[Row], length: int, tokenizer: Tokenizer
) -> dict[str, np.ndarray]:
    """The first `length` ids of each row, as `SampledBatch.batch` has them.

    What a row lacks is filled up with EOS of weight 0.

    Args:
      ids: of every text of every row, in order; a row's texts are joined by EOS.
    """
    bos, eos, ids = tokenizer.roles["bos"], tokenizer.roles["eos"], iter(ids)
    targets_BxL = np.full((len(rows), length), eos, np.int32)
    weights_BxL = np.zeros((len(rows), length), np.float32)
    for b, row in enumerate(rows):
        joined = [piece for _ in row for piece in (next(ids), [eos])][:-1]
        row_L = np.concatenate(joined)[:length]
        targets_BxL[b, : len(row_L)] = row_L
        weights_BxL[b, : len(row_L)] = 1
    first_Bx1 = np.full((len(rows), 1), bos, np.int32)
    inputs_BxL = np.concatenate([first_Bx1, targets_BxL[:, :-1]], axis=1)
    return {"inputs_BxL": inputs_BxL, "targets_BxL": targets_BxL, "weights_BxL": weights_BxL}


def _texts(rows: Sequence[Row]) -> list[bytes]:
    return [part for row in rows for part in row]
