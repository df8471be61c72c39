"""Coding on the host with any byte model: many documents at once, one model call for all.

A *walk* is a generator that codes one document. It yields the context (bytes) whose frequencies it
needs next, is sent their cumulative sums (integers, 0 first, 2^beta last), and returns its result.
`run` moves all walks along together, so that the model sees batches, and remembers rows that a
context has already got.
"""

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from research.codecs.byte_models.protocol import ByteModel

Walk = Generator[bytes, np.ndarray, Any]

_ROWS_KEPT = 1 << 15  # 64 MiB of cumulative sums


class Rows:
    """Cumulative sums by context, the latest ones kept.

    Args:
      model: any byte model.
      symbols: 256, or 257 with the end of the text.
    """

    def __init__(self, model: ByteModel, symbols: int):
        self._model = model
        self._symbols = symbols
        self._kept: dict[bytes, np.ndarray] = {}

    def get(self, context: bytes) -> np.ndarray | None:
        """The row of a context that `fetch` was asked for, or None."""
        return self._kept.get(context)

    def fetch(self, contexts: Sequence[bytes]) -> None:
        """Asks the model for all of `contexts`, int64 rows [symbols + 1]."""
        if len(self._kept) + len(contexts) > _ROWS_KEPT:
            self._kept.clear()
        frequencies_NxA = self._model.window_frequencies(contexts, self._symbols)
        sums = np.zeros((len(contexts), self._symbols + 1), np.int64)
        np.cumsum(frequencies_NxA, axis=1, out=sums[:, 1:])
        self._kept.update(zip(contexts, sums, strict=True))


def run(walks: Sequence[Walk], rows: Rows) -> list[Any]:
    """The results of all walks."""
    results: list[Any] = [None] * len(walks)
    waiting: dict[int, bytes] = {}
    for index, walk in enumerate(walks):
        _advance(index, walk, None, rows, waiting, results)
    while waiting:
        asked, waiting = waiting, {}
        rows.fetch(list(dict.fromkeys(asked.values())))
        for index, context in asked.items():
            _advance(index, walks[index], rows.get(context), rows, waiting, results)
    return results


def _advance(index, walk, row, rows, waiting, results) -> None:
    """Runs one walk until it needs an unknown row or ends."""
    try:
        context = walk.send(row)
        while (row := rows.get(context)) is not None:
            context = walk.send(row)
        waiting[index] = context
    except StopIteration as end:
        results[index] = end.value
