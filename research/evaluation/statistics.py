"""How far a bit stream is from coin tosses: n-gram divergence from uniform (Figs 11, 16, 17)."""

import math
from dataclasses import dataclass

import numpy as np

LN2 = math.log(2)


@dataclass(frozen=True)
class Divergence:
    """KL divergence from uniform, bits per n-gram.

    Attributes:
      plug_in: from the observed shares; too large by about (2**n - 1) / (2 m ln 2).
      miller_madow: with that bias taken off; may be slightly negative.
      samples: m, the number of n-grams counted.
    """

    plug_in: float
    miller_madow: float
    samples: int


def ngram_ids(bits: np.ndarray, n: int, *, overlapping: bool) -> np.ndarray:
    """The n-bit numbers (first bit highest) in a 0/1 array, int64.

    Overlapping: one for each start (n-grams). Else: one for each whole group of n (tokens).
    """
    bits = np.asarray(bits, np.int64)
    starts = len(bits) - n + 1
    if starts <= 0:
        return np.zeros(0, np.int64)
    if not overlapping:
        bits = bits[: len(bits) // n * n].reshape(-1, n)
        return bits @ (1 << np.arange(n - 1, -1, -1, dtype=np.int64))
    ids = np.zeros(starts, np.int64)
    for offset in range(n):
        ids = (ids << 1) | bits[offset : offset + starts]
    return ids


def entropy_nats(counts_V: np.ndarray) -> float:
    """Plug-in entropy of counts, nats."""
    counts = np.asarray(counts_V, np.float64)
    total = counts.sum()
    if total <= 0:
        raise ValueError("the entropy of no samples is not defined")
    seen = counts[counts > 0]
    return float(math.log(total) - seen @ np.log(seen) / total)


def divergence_from_uniform(counts_V: np.ndarray) -> Divergence:
    """KL(shares || uniform over V), V = len(counts_V), bits.

    Miller-Madow adds (V - 1) / (2 m) nats to the entropy, as the paper does with |V|.
    """
    size = len(counts_V)
    samples = int(np.sum(counts_V))
    plug_in = (math.log(size) - entropy_nats(counts_V)) / LN2
    return Divergence(plug_in, plug_in - (size - 1) / (2.0 * samples) / LN2, samples)


def ngram_divergence(bits: np.ndarray, n: int, *, overlapping: bool) -> Divergence:
    """Divergence of a stream's n-bit n-grams (or tokens) from uniform.

    Raises:
      ValueError: if the stream is shorter than n bits.
    """
    ids = ngram_ids(bits, n, overlapping=overlapping)
    if not len(ids):
        raise ValueError(f"{len(bits)} bits hold no {n}-gram")
    return divergence_from_uniform(np.bincount(ids, minlength=2**n))
