"""Statistics: n-gram divergence of bits from uniform (arXiv 2404.03626, Figs 11, 16, 17), edit
distances, and intervals of 95 %.

The interval of a share is Wilson's: it needs no seed, and is sound near 0 and 1, where resampled
examples are all alike. Anything else is resampled (percentiles of Efron's bootstrap).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LN2 = math.log(2)
_Z = 1.959964  # of a two-sided interval of 95 %


@dataclass(frozen=True)
class Divergence:
    """KL divergence from uniform, bits per n-gram."""

    plug_in: float
    """From the observed shares; too large by about (2**n - 1) / (2 m ln 2)."""
    miller_madow: float
    """With that bias taken off; may be slightly negative."""
    samples: int
    """m, the number of n-grams counted."""


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


def ngram_divergence(bits: np.ndarray, n: int, *, overlapping: bool) -> Divergence:
    """KL(shares || uniform) of a stream's n-bit n-grams (or tokens), bits.

    Miller-Madow adds (V - 1) / (2 m) nats to the entropy, as the paper does with |V| = 2^n.

    Raises:
      ValueError: if the stream is shorter than n bits.
    """
    ids = ngram_ids(bits, n, overlapping=overlapping)
    if not len(ids):
        raise ValueError(f"{len(bits)} bits hold no {n}-gram")
    size, samples = 2**n, len(ids)
    plug_in = (math.log(size) - entropy_nats(np.bincount(ids, minlength=size))) / LN2
    return Divergence(plug_in, plug_in - (size - 1) / (2.0 * samples) / LN2, samples)


def pairwise_levenshtein(sequences: Sequence[Sequence[int] | np.ndarray]) -> np.ndarray:
    """Levenshtein distances of all pairs i < j, int32 [N (N - 1) / 2], in row-major order.

    One dynamic programme over all pairs together: memory is pairs x (longest + 1) int16 twice,
    time pairs x longest ** 2.
    """
    arrays = [np.asarray(list(sequence), np.int64) for sequence in sequences]
    lengths_N = np.array([len(array) for array in arrays], np.int64)
    longest = int(lengths_N.max(initial=0))
    if longest >= 2**15:
        raise ValueError("sequences of 32,768 ids or more are too long for this routine")
    padded_NxL = np.full((len(arrays), longest), -1, np.int64)
    for row, array in zip(padded_NxL, arrays, strict=True):
        row[: len(array)] = array
    first_P, second_P = np.triu_indices(len(arrays), k=1)
    # Columns first: each step of the programme is one operation on a contiguous [P] array.
    ids_LxP, others_LxP = padded_NxL[first_P].T.copy(), padded_NxL[second_P].T.copy()
    pairs = len(first_P)
    row = np.repeat(np.arange(longest + 1, dtype=np.int16)[:, None], pairs, axis=1)
    distance_P = np.zeros(pairs, np.int32)
    _collect(distance_P, row, lengths_N[first_P] == 0, lengths_N[second_P])
    for i in range(longest):
        new = np.empty_like(row)
        new[0] = i + 1
        for j in range(longest):
            substitute = row[j] + (ids_LxP[i] != others_LxP[j])
            new[j + 1] = np.minimum(np.minimum(row[j + 1], new[j]) + 1, substitute)
        row = new
        _collect(distance_P, row, lengths_N[first_P] == i + 1, lengths_N[second_P])
    return distance_P


def _collect(distance_P: np.ndarray, row: np.ndarray, done_P: np.ndarray,
             columns_P: np.ndarray) -> None:
    """Reads the pairs whose first sequence ends at this row of the programme."""
    at = np.flatnonzero(done_P)
    distance_P[at] = row[columns_P[at], at]


def share_interval(right_N: np.ndarray) -> tuple[float, float]:
    """Wilson's interval of the mean of N scores from 0 to 1."""
    count, share = len(right_N), float(np.mean(right_N))
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    half *= _Z / (1 + _Z**2 / count)
    return middle - half, middle + half


def resampled_means(scores_NxM: np.ndarray, *, resamples: int = 2000, seed: int = 0) -> np.ndarray:
    """Means over resampled examples, float64 [R, M].

    Args:
      scores_NxM: a score of each of N examples under M conditions. An example is drawn with all
        its scores, so differences and ratios of columns are paired.
      resamples: R.
      seed: the same seed and N give the same examples.
    """
    count = len(scores_NxM)
    rng = np.random.default_rng(seed)
    drawn_RxN = rng.integers(count, size=(resamples, count))
    drawn_RxN += count * np.arange(resamples)[:, None]  # a range of numbers for each resample
    times_RxN = np.bincount(drawn_RxN.ravel(), minlength=resamples * count)
    times_RxN = times_RxN.reshape(resamples, count)
    return times_RxN @ np.asarray(scores_NxM, np.float64) / count


def resampled_interval(values_R: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of resampled values; infinite ones count as large."""
    low, high = np.quantile(values_R, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)
