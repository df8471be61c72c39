"""BIG-Bench Hard for a trained model: accuracy by task, number of shots and kind of score."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from research.codecs.protocol import Codec
from research.evaluation import bbh, multiple_choice
from research.evaluation.bbh import Question, Task
from research.models.language_model import LanguageModelConfig

SUMMED, PER_BYTE = "summed", "per byte"


class Questions(NamedTuple):
    """What is asked: of each task the chosen examples, and each as a prompt by number of shots."""

    tasks: tuple[Task, ...]
    chosen: tuple[tuple[int, ...], ...]
    asked: dict[int, list[list[Question]]]

    def majority(self) -> float:
        """Mean over tasks of the accuracy of a task's commonest answer."""
        return self._mean(bbh.majority)

    def chance(self) -> float:
        """Mean over tasks of the accuracy of a guess."""
        return self._mean(lambda task, examples: bbh.chance(examples))

    def _mean(self, of: Callable) -> float:
        picked = zip(self.tasks, self.chosen, strict=True)
        return float(np.mean([of(task, [task.examples[i] for i in each]) for task, each in picked]))


def folder(setting: str) -> Path | None:
    """Where the tasks are: the folder that a config names, else $FREEVOCAB_DATA/bbh if it has any.

    None: nowhere.
    """
    if setting:
        return Path(os.path.expandvars(setting))
    data = os.environ.get("FREEVOCAB_DATA")
    found = Path(data) / "bbh" if data else None
    return found if found is not None and any(found.rglob("*.json")) else None


def questions(
    directory: Path, codec: Codec, *, shots: Sequence[int], count: int, context: int, seed: int
) -> Questions:
    """The prompts of every task: the same for each model of a seed.

    Args:
      count: examples of a task; 0: all.
      context: ids of a prompt with its option at most.

    Raises:
      UsageError: if the folder has no task.
    """
    found = tuple(bbh.load(directory))
    chosen = tuple(tuple(bbh.chosen(task, count, seed)) for task in found)
    asked = {
        number: [
            [
                bbh.question(task, i, shots=number, codec=codec, context=context, seed=seed)
                for i in each
            ]
            for task, each in zip(found, chosen, strict=True)
        ]
        for number in shots
    }
    return Questions(found, chosen, asked)


def accuracies(
    params: Any, model: LanguageModelConfig, questions: Questions, *, batch_size: int
) -> dict[tuple[int, str], np.ndarray]:
    """(shots, SUMMED or PER_BYTE) -> accuracy on each task, float64 [tasks].

    A prompt from which every shot was dropped is that of fewer shots, and is run once.
    """
    flat = [question for each in questions.asked.values() for task in each for question in task]
    distinct = {_identity(question): question for question in flat}
    nats = multiple_choice.option_nats(
        params,
        model,
        [
            multiple_choice.Choice(question.prompt, question.options)
            for question in distinct.values()
        ],
        batch_size=batch_size,
    )
    of = dict(zip(distinct, nats, strict=True))
    found = {}
    for shots, each in questions.asked.items():
        for kind in (SUMMED, PER_BYTE):
            found[shots, kind] = np.array(
                [np.mean([_right(question, of, kind) for question in task]) for task in each]
            )
    return found


def _right(question: Question, of: dict, kind: str) -> bool:
    nats_O = of[_identity(question)]
    if kind == PER_BYTE:
        nats_O = nats_O / np.array(question.option_bytes)
    return int(np.argmin(nats_O)) == question.target


def _identity(question: Question) -> tuple[bytes, ...]:
    return (question.prompt.tobytes(), *(ids.tobytes() for ids in question.options))
