"""Accuracy at finding a text's own continuation, and what a move keeps of a model's quality.

The paper measures accuracy on tasks. Where ours have one too (which of four continuations is the
text's own), it decides, above chance; bits/byte alone give a direction at most.
"""

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from configs.tokenizer_transfer.presets import TransferConfig
from experiments.shared.tables import Row
from research.corpora import Corpus
from research.evaluation import statistics
from research.reporting import tables
from research.reporting.claims import DIRECTION, NOT_SHOWN, SHOWN, ends

if TYPE_CHECKING:
    from research.evaluation.continuations import Item

ORIGINAL = "original"
CHANCE = 25.0  # % right, of four continuations
MOVED = 10.0  # points above chance that a model surely has before anything can be kept


def questions(config: TransferConfig, corpus: Corpus) -> "list[Item]":
    """The questions of a table: the same for every model, tokenizer and seed; from held-out text.

    Raises:
      FreevocabError: if its documents are too short.
    """
    from research.evaluation import continuations

    return continuations.items(corpus.documents("valid"), **dataclasses.asdict(config.questions))


def columns(right_SxN: np.ndarray, own_N: np.ndarray | None = None) -> Row:
    """accuracy, in %, with its interval; and of the original's accuracy the share that is kept.

    Args:
      right_SxN: of each seed's table (or [N], of one).
      own_N: of the model with its own tokenizer.
    """
    score_N = np.atleast_2d(right_SxN).mean(axis=0)
    low, high = statistics.share_interval(score_N)
    row = {
        "accuracy": 100 * float(score_N.mean()),
        "accuracy_interval": f"{100 * low:.1f} to {100 * high:.1f}",
    }
    if own_N is None:
        return row
    moved_R, own_R = statistics.resampled_means(np.stack([score_N, own_N], axis=1)).T
    low, high = statistics.resampled_interval(moved_R / np.maximum(own_R, 1 / len(own_N)))
    return row | {
        "kept": 100 * float(score_N.mean() / max(own_N.mean(), 1 / len(own_N))),
        "kept_interval": f"{100 * low:.1f} to {100 * high:.1f}",
    }


class Lost(NamedTuple):
    """What a move loses of a model's quality."""

    share: float
    """Of the accuracy above chance; where it was not measured, of bits/byte."""
    at_most: float | None
    """The same at the worse end of the interval of what is kept; None where there is none, as of
    bits/byte, which give a direction at most."""
    text: str
    """In words."""

    def verdict(self, limit: float) -> str:
        """Shown where surely no more than `limit` is lost; up to twice that is the direction."""
        if self.at_most is not None and self.at_most <= limit:
            return SHOWN
        most = limit if self.at_most is None else 2 * limit
        return DIRECTION if self.share <= most else NOT_SHOWN


def lost_of(row: tables.Row, original: tables.Row) -> Lost | None:
    """What is lost from one row to another.

    None: the original's accuracy is not surely above chance by MOVED, so that there is nothing to
    keep.
    """
    text = f"{original['bits_per_byte']:.2f} -> {row['bits_per_byte']:.2f} bits/byte"
    if row.get("accuracy") is None or original.get("accuracy") is None:
        return Lost(row["bits_per_byte"] / original["bits_per_byte"] - 1, None, text)
    own, sure = original["accuracy"], ends(original, "accuracy_interval")
    if (sure[0] if sure else own) < CHANCE + MOVED:
        return None

    def share(accuracy: float) -> float:
        return 1 - (accuracy - CHANCE) / (own - CHANCE)

    kept = ends(row, "kept_interval")  # in % of the original's accuracy
    at_most = share(kept[0] / 100 * own) if kept else None
    return Lost(
        share(row["accuracy"]), at_most, f"{own:.1f} -> {row['accuracy']:.1f} % right, {text}"
    )
