"""How right a trained model is on tasks: LookUp and Permutation, and BIG-Bench Hard.

Two models are compared on the same prompts: gains and ratios with paired bootstrap intervals.
"""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.shared.tables import Row
from research.codecs.protocol import Codec
from research.evaluation import bbh, multiple_choice, statistics
from research.evaluation.bbh import Question, Task
from research.lexinvariance.tasks import tasks
from research.lexinvariance.tasks.tasks import Prompts, Separators, Symbols
from research.models.language_model import LanguageModelConfig

SAMPLINGS = ("uniform", "by frequency")
SUMMED, PER_BYTE = "summed", "per byte"  # nats of an option of BIG-Bench Hard
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
    predict = tasks.predictor(params, model, length=length, batch_size=batch_size, seed=seed)
    return tasks.right(predict, prompts, marks).mean(axis=1)


def compared(
    scores_N: np.ndarray, standard_N: np.ndarray | None, *, resamples: int, seed: int
) -> Row:
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
    row: Row = {"interval": interval(means[:, 0])}
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


def ratios(theirs: np.ndarray, standard: np.ndarray) -> Row:
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


# BIG-Bench Hard.


class BBHQuestions(NamedTuple):
    """Of each task the chosen examples, and each as a prompt by number of shots."""

    tasks: tuple[Task, ...]
    chosen: tuple[tuple[int, ...], ...]
    by_shots: dict[int, list[list[Question]]]

    def majority(self) -> float:
        """Mean over tasks of the accuracy of a task's commonest answer."""
        return self._mean(bbh.majority)

    def chance(self) -> float:
        """Mean over tasks of the accuracy of a guess."""
        return self._mean(lambda task, examples: bbh.chance(examples))

    def _mean(self, of: Callable) -> float:
        picked = zip(self.tasks, self.chosen, strict=True)
        return float(np.mean([of(task, [task.examples[i] for i in each]) for task, each in picked]))


def bbh_folder(setting: str) -> Path | None:
    """Where the tasks are: the folder that a config names, else $FREEVOCAB_DATA/bbh if it has any.

    None: nowhere.
    """
    if setting:
        return Path(os.path.expandvars(setting))
    data = os.environ.get("FREEVOCAB_DATA")
    directory = Path(data) / "bbh" if data else None
    return directory if directory and any(directory.rglob("*.json")) else None


def bbh_questions(
    directory: Path, codec: Codec, *, shots: Sequence[int], count: int, context: int, seed: int
) -> BBHQuestions:
    """The prompts of every task: the same for each model of a seed.

    Args:
      count: examples of a task; 0: all.
      context: ids of a prompt with its option at most.

    Raises:
      UsageError: if the folder has no task.
    """
    loaded = tuple(bbh.load(directory))
    chosen = tuple(tuple(bbh.chosen(task, count, seed)) for task in loaded)
    by_shots = {
        number: [
            [
                bbh.question(task, i, shots=number, codec=codec, context=context, seed=seed)
                for i in examples
            ]
            for task, examples in zip(loaded, chosen, strict=True)
        ]
        for number in shots
    }
    return BBHQuestions(loaded, chosen, by_shots)


def bbh_accuracies(
    params: Any, model: LanguageModelConfig, questions: BBHQuestions, *, batch_size: int
) -> dict[tuple[int, str], np.ndarray]:
    """(shots, SUMMED or PER_BYTE) -> accuracy on each task, float64 [tasks].

    A prompt from which every shot was dropped is that of fewer shots, and is run once.
    """
    flat = [question for each in questions.by_shots.values() for task in each for question in task]
    distinct = {_identity(question): question for question in flat}
    choices = [multiple_choice.Choice(each.prompt, each.options) for each in distinct.values()]
    nats = multiple_choice.option_nats(params, model, choices, batch_size=batch_size)
    of = dict(zip(distinct, nats, strict=True))
    return {
        (shots, kind): np.array(
            [np.mean([_right(question, of, kind) for question in task]) for task in by_task]
        )
        for shots, by_task in questions.by_shots.items()
        for kind in (SUMMED, PER_BYTE)
    }


def _right(question: Question, of: dict, kind: str) -> bool:
    nats_O = of[_identity(question)]
    if kind == PER_BYTE:
        nats_O = nats_O / np.array(question.option_bytes)
    return int(np.argmin(nats_O)) == question.target


def _identity(question: Question) -> tuple[bytes, ...]:
    return (question.prompt.tobytes(), *(ids.tobytes() for ids in question.options))
