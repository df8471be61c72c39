"""The texts that a tokenizer is sampled from: a queue that moves on by a batch at each step.

At step k it holds the batches k to k + size - 1, so it is full from the first step on, and the
text that step k trains on, batch k, is among what its tokenizer was sampled from (zett 1.3). The
counts move along by adding and subtracting; a jump counts anew. Both give the same counts.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from research.transfer.sampling import pretokens
from research.transfer.sampling.config import Candidates, Pretokens
from research.transfer.sampling.counting import Batch, Counts

_SPARE = 1 << 20  # substrings that are not in the queue any more and may stay


class Queue:
    """Counts of the texts of `size` batches from a certain one on.

    Args:
      texts: the texts of a batch by its number.
      size: batches in the queue.
    """

    def __init__(self, texts: Callable[[int], list[bytes]], size: int):
        self._texts, self.size = texts, size
        self._moving: dict[tuple[Pretokens, Candidates], _Moving] = {}

    def texts(self, number: int) -> list[bytes]:
        """The texts of a batch."""
        return self._texts(number)

    def at(
        self, first: int, cut: Pretokens, candidates: Candidates
    ) -> tuple[Counts, list[Batch]]:
        """Counts of the batches from `first` on, and these batches."""
        key = (cut, candidates)
        moving = self._moving.get(key)
        wanted = range(first, first + self.size)
        if moving is None or not moving.batches.keys() & set(wanted):
            moving = _Moving(Counts(candidates), {})
        moving = self._moved(moving, wanted, cut)
        self._moving[key] = moving
        return moving.counts, [moving.batches[number] for number in wanted]

    def _moved(self, moving: "_Moving", wanted: range, cut: Pretokens) -> "_Moving":
        counts, batches = moving.counts, dict(moving.batches)
        for number in moving.batches.keys() - set(wanted):
            counts.add(batches.pop(number), -1)
        if counts.strings.size > 2 * moving.kept + _SPARE:
            counts, renumbered = counts.compacted(list(batches.values()))
            batches = dict(zip(batches, renumbered, strict=True))
            moving = dataclasses.replace(moving, kept=counts.strings.size)
        for number in wanted:
            if number not in batches:
                batches[number] = counts.batch(pretokens.split(cut, self._texts(number)))
                counts.add(batches[number])
        return dataclasses.replace(moving, counts=counts, batches=batches)


@dataclasses.dataclass(frozen=True)
class _Moving:
    """Counts for one way of cutting; `kept`: substrings that the last compaction left."""

    counts: Counts
    batches: dict[int, Batch]
    kept: int = 0


def draw_batches(batches: int, size: int, rng: np.random.Generator) -> list[int]:
    """Which of the queue's `size` batches to train a tokenizer on, ascending."""
    return np.sort(rng.choice(size, min(batches, size), replace=False)).tolist()
