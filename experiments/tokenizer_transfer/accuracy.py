"""Accuracy at finding a text's own continuation, before and after a move: what the papers call
kept quality."""

from typing import Any

import numpy as np

from configs.tokenizer_transfer.setting import Setting
from experiments.tokenizer_transfer import base_models
from experiments.tokenizer_transfer.base_models import Base
from research.codecs.protocol import Codec
from research.corpora import Corpus
from research.evaluation import continuations, statistics
from research.evaluation.continuations import Item
from research.vocabularies.protocol import EmbeddingTable


def asked(config: Setting, corpus: Corpus) -> list[Item]:
    """The questions of a table: the same for every model, tokenizer and seed; from held-out text.

    Raises:
      FreevocabError: if its documents are too short.
    """
    wanted = config.questions
    return continuations.items(
        corpus.documents("valid"),
        count=wanted.count,
        context=wanted.context,
        option=wanted.option,
    )


def right(
    base: Base, params: Any, table: EmbeddingTable, codec: Codec, items: list[Item]
) -> np.ndarray:
    """Which questions the model gets right with a table for the ids of `codec`, bool [items]."""
    rows = next(count for count in base_models.ROWS if count >= codec.vocab_size + 2)
    config = base_models.config_for(base, codec.vocab_size + 2, rows)
    moved = base_models.with_table(params, table, config.rows)
    return continuations.right(moved, config, codec, items)


def columns(right_SxN: np.ndarray, own_N: np.ndarray | None = None) -> dict[str, Any]:
    """accuracy, in %, with its interval; and of the original's accuracy the share that is kept.

    Args:
      right_SxN: of each seed's table (or [N], of one).
      own_N: of the model with its own tokenizer.
    """
    score_N = np.atleast_2d(right_SxN).mean(axis=0)
    low, high = statistics.share_interval(score_N)
    found = {
        "accuracy": 100 * float(score_N.mean()),
        "accuracy_interval": f"{100 * low:.1f} to {100 * high:.1f}",
    }
    if own_N is None:
        return found
    moved_R, own_R = statistics.resampled_means(np.stack([score_N, own_N], axis=1)).T
    low, high = statistics.resampled_interval(moved_R / np.maximum(own_R, 1 / len(own_N)))
    return found | {
        "kept": 100 * float(score_N.mean() / max(own_N.mean(), 1 / len(own_N))),
        "kept_interval": f"{100 * low:.1f} to {100 * high:.1f}",
    }
