"""RoBERTa counts positions from its padding id, so a new padding id moves the position table."""

import numpy as np

from research.errors import UsageError
from research.transfer.convert.families import Layout


def padding_ids(where: Layout, old: int | None, new: int | None) -> tuple[int, int] | None:
    """The padding ids before and after, if the position table has to move with them.

    Raises:
      UsageError: the family counts from a padding id and the new tokenizer has none.
    """
    if where.positions is None:
        return None
    if old is None or new is None:
        raise UsageError(
            f"{where.family.title} counts positions from its padding token, and the new tokenizer "
            "has none: name a special token that never occurs in text, --map-special pad=TOKEN"
        )
    return None if old == new else (old, new)


def move(positions_PxD: np.ndarray, old: int, new: int) -> np.ndarray:
    """The position table for another padding id: every position keeps its row.

    Position p of a text has row padding + 1 + p; padding itself has row `padding`. Rows before it
    are never read; they repeat it.

    Args:
      positions_PxD: rows 0 to `old` and those of the positions.

    Returns:
      [P + new - old, D], same dtype.
    """
    before = np.repeat(positions_PxD[old : old + 1], new + 1, axis=0)
    return np.concatenate([before, positions_PxD[old + 1 :]])
