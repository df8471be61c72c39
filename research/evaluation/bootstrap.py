"""Percentile intervals by resampling examples (Efron's bootstrap)."""

import numpy as np


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


def interval(values_R: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The middle `level` of resampled values; infinite ones count as large."""
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(values_R, [tail, 1.0 - tail], method="inverted_cdf")
    return float(low), float(high)
