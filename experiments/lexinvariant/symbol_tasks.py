"""LookUp and Permutation for a trained model.

Two models are compared on the same prompts: gains and ratios with paired bootstrap intervals.
"""

import math
from typing import Any

import numpy as np

from research.codecs.protocol import Codec
from research.evaluation import statistics
from research.lexinvariance.tasks import tasks
from research.lexinvariance.tasks.tasks import Prompts, Separators, Symbols
from research.models.language_model import LanguageModelConfig

SAMPLINGS = ("uniform", "by frequency")
RATIO_OF_MEANS, MEAN_OF_RATIOS = "ratio of means", "mean of ratios"


def symbol_sets(codec: Codec, train_ids: np.ndarray) -> dict[str, Symbols]:
    """The types of a training text under each of SAMPLINGS."""
    marks = tasks.separators(codec)
    return {
        sampling: tasks.symbols(train_ids, marks, by_frequency=sampling == "by frequency")
        for sampling in SAMPLINGS
    }


def scores(
    params: Any,
    model: LanguageModelConfig,
    prompts: Prompts,
    marks: Separators,
    *,
    length: int,
    batch_size: int,
    seed: int,
) -> np.ndarray:
    """The share of each prompt's answers that are right, float64 [N], of its likeliest ids."""
    predict = tasks.predictor(
        params, model, length=length, batch_size=batch_size, seed=seed
    )
    return tasks.right(predict, prompts, marks).mean(axis=1)


def compared(
    scores_N: np.ndarray, standard_N: np.ndarray | None, *, resamples: int, seed: int
) -> dict[str, Any]:
    """Columns of a model's row: the interval of its accuracy, its gain and ratio over another.

    Args:
      scores_N: of each prompt, in [0, 1]; all figures but ratios are in percent.
      standard_N: the other model's on the same prompts; None: there is nothing to compare.

    Returns:
      interval and, compared, gain, gain_interval, above_standard (None: the interval holds 0),
      and ratio and ratio_interval unless the other model has nothing right.
    """
    columns = [scores_N] if standard_N is None else [scores_N, standard_N]
    means = 100 * statistics.resampled_means(
        np.stack(columns, axis=1), resamples=resamples, seed=seed
    )
    row: dict[str, Any] = {"interval": interval(means[:, 0])}
    if standard_N is None:
        return row
    gains = means[:, 0] - means[:, 1]
    low, high = statistics.resampled_interval(gains)
    row["gain"] = 100 * float(scores_N.mean() - standard_N.mean())
    row["gain_interval"] = interval(gains)
    row["above_standard"] = True if low > 0 else False if high < 0 else None
    if standard_N.any():
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = means[:, 0] / means[:, 1]
        row["ratio"] = float(scores_N.mean() / standard_N.mean())
        row["ratio_interval"] = interval(spread)
    return row


def ratios(theirs: np.ndarray, standard: np.ndarray) -> dict[str, Any]:
    """Both ways to say how many times better; cells on the first axis."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            RATIO_OF_MEANS: theirs.mean(axis=0) / standard.mean(axis=0),
            MEAN_OF_RATIOS: (theirs / standard).mean(axis=0),
        }


def interval(values_R: np.ndarray) -> str:
    """The middle 95 % as text; an undefined value (0 / 0) counts as the largest."""
    low, high = statistics.resampled_interval(np.where(np.isnan(values_R), np.inf, values_R))
    digits = 2 if math.isfinite(high) and abs(high) < 10 else 1
    return f"{low:.{digits}f} to {high:.{digits}f}"
