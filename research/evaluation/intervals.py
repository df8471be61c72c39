"""Intervals of 95 %: of a share by Wilson's formula, of anything else by resampling examples
(percentiles of Efron's bootstrap). A share needs no seed, and its interval is sound near 0 and 1,
where resampled examples are all alike."""

import math

import numpy as np

_Z = 1.959964  # of a two-sided interval of 95 %


def of_share(right_N: np.ndarray) -> tuple[float, float]:
    """Wilson's interval of the mean of N scores from 0 to 1."""
    count, share = len(right_N), float(np.mean(right_N))
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    half *= _Z / (1 + _Z**2 / count)
    return middle - half, middle + half


def resampled_means(
    scores_NxM: np.ndarray, *, resamples: int = 2000, seed: int = 0
) -> np.ndarray:
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


def of_resampled(values_R: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The middle `level` of resampled values; infinite ones count as large."""
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(values_R, [tail, 1.0 - tail], method="inverted_cdf")
    return float(low), float(high)
