"""Arrays one after the other, read as if they were one."""

from collections.abc import Sequence
from typing import Any

import numpy as np


class JoinedArray:
    """One-dimensional arrays of one dtype that are indexed as their concatenation would be.

    What is read is copied, the rest is not touched: the parts may be memory-mapped.

    Args:
      parts: at least one.
      added: a number for each part that is added to its values; None: nothing is.
    """

    def __init__(self, parts: Sequence[np.ndarray], added: Sequence[int] | None = None):
        self._parts = tuple(parts)
        self._added = (0,) * len(self._parts) if added is None else tuple(added)
        self._starts = np.cumsum([0, *map(len, self._parts)])
        self.dtype = self._parts[0].dtype

    @property
    def shape(self) -> tuple[int]:
        """(values in all parts,)"""
        return (len(self),)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: Any) -> Any:
        """A number for an integer; for a slice or integers of any shape, an array."""
        if isinstance(index, slice):
            first, last, step = index.indices(len(self))
            if step == 1:
                return self._stretch(first, max(first, last))
            index = np.arange(first, last, step)
        positions = np.asarray(index)
        if not np.issubdtype(positions.dtype, np.integer):
            raise IndexError(f"positions are integers, not {positions.dtype}")
        flat = positions.reshape(-1).astype(np.int64)
        flat = np.where(flat < 0, flat + len(self), flat)
        if flat.size and not 0 <= flat.min() <= flat.max() < len(self):
            raise IndexError(f"a position is not below {len(self)}, the number of values")
        values = self._gather(flat)
        return values.reshape(positions.shape) if positions.ndim else values[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a joined array cannot be had without a copy")
        return self._stretch(0, len(self)).astype(dtype or self.dtype, copy=False)

    def _stretch(self, first: int, last: int) -> np.ndarray:
        pieces = []
        for part, start, added in zip(self._parts, self._starts[:-1], self._added, strict=True):
            piece = part[max(0, first - start) : max(0, last - start)]
            if len(piece):
                pieces.append(piece + self.dtype.type(added) if added else piece)
        if not pieces:
            return np.zeros(0, self.dtype)
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _gather(self, positions_N: np.ndarray) -> np.ndarray:
        values_N = np.empty(len(positions_N), self.dtype)
        # The last part that starts at a position or before it: empty ones share their start.
        part_N = np.searchsorted(self._starts[1:], positions_N, side="right")
        order_N = np.argsort(part_N, kind="stable")
        numbers, firsts = np.unique(part_N[order_N], return_index=True)
        for number, chosen in zip(numbers, np.split(order_N, firsts)[1:], strict=True):
            places = positions_N[chosen] - self._starts[number]
            values_N[chosen] = self._parts[number][places] + self.dtype.type(self._added[number])
        return values_N
