"""LookUp and Permutation for a trained model, as tables need them."""

from typing import Any

import numpy as np

from research.codecs.protocol import Codec
from research.lexinvariance.tasks import greedy_answers, tasks
from research.lexinvariance.tasks.tasks import Prompts, Separators, Symbols
from research.models.language_model import LanguageModelConfig

SAMPLINGS = ("uniform", "by frequency")


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
    """The share of each prompt's answers that are right, float64 [N], of `greedy_answers`."""
    predict = greedy_answers.predictor(
        params, model, length=length, batch_size=batch_size, seed=seed
    )
    return tasks.right(predict, prompts, marks).mean(axis=1)
