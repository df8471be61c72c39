"""A tokenizer for each step: a pure function of the texts, the seed and the step."""

import numpy as np

from research.errors import UsageError
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
from research.transfer.sampling.texts import Queue, draw_batches

KINDS = {
    "substrings": Substrings,
    "unigram": UnigramEM,
    "bpe": BPE,
    "wordpiece": WordPiece,
    "codebook": Codebook,
}
_STREAM = 0x70C  # sets these draws apart from others of the same seed and step


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
    rng = np.random.default_rng([seed, step, _STREAM])
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
