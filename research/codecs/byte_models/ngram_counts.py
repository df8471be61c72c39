"""Counts of byte strings: a trie of the strings that occur often enough, level by level.

A string is counted where it begins at one of the given starts: every position of the text (the
usual n-gram counts), or only the positions where a codebook's windows begin. It does not reach
over the end of its document.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from research.numba_jit import compiled

_MAX_ROWS = 1 << 18  # strings of one length that are extended: 256 MB of counters


@dataclasses.dataclass(frozen=True)
class CountTrie:
    """S strings, breadth first; the children of a node are contiguous and sorted by label."""

    labels_S: np.ndarray
    """uint8, the last byte of the string; 0 for the root."""
    firsts_S1: np.ndarray
    """int64 [S + 1], the children of s are firsts[s] .. firsts[s + 1] - 1."""
    counts_S: np.ndarray
    """int64, how often the string occurs."""
    ends_S: np.ndarray
    """int64, how often the document ends right after it."""
    lengths_S: np.ndarray
    """uint8, bytes of the string."""
    once_Dx4: np.ndarray
    """int64, before rare strings were dropped: strings of length d + 1 that occur 1, 2, 3, 4 times
    (what discounts are estimated from)."""

    @property
    def depth(self) -> int:
        """Bytes of the longest string."""
        return int(self.lengths_S[-1])

    def parents(self) -> np.ndarray:
        """int64 [S]; -1 for the root."""
        parents_S = np.full(len(self.labels_S), -1, np.int64)
        parents_S[1:] = np.repeat(np.arange(len(self.labels_S)), np.diff(self.firsts_S1))
        return parents_S

    def strings(self) -> list[bytes]:
        """Every string, b"" first."""
        strings = [b""]
        labels = self.labels_S.tolist()
        for node, parent in enumerate(self.parents().tolist()):
            if node:
                strings.append(strings[parent] + bytes((labels[node],)))
        return strings


def join(documents: Iterable[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Documents as one array: (uint8 [L], int64 offsets [documents + 1])."""
    parts = list(documents)
    lengths = np.fromiter(map(len, parts), np.int64, len(parts))
    return np.frombuffer(b"".join(parts), np.uint8), np.concatenate([[0], np.cumsum(lengths)])


def count(
    data: np.ndarray,
    offsets: np.ndarray,
    *,
    depth: int,
    min_count: int = 1,
    min_context: int = 1,
    starts: np.ndarray | None = None,
) -> CountTrie:
    """Counts the strings of up to `depth` bytes that occur at least `min_count` times.

    Args:
      data, offsets: as `join` gives them.
      min_count: a string that occurs more rarely is dropped with all that it begins.
      min_context: one that occurs more rarely is kept, but what comes after it is not counted.
      starts: ascending positions where strings begin; every position if None.
    """
    ends_N = offsets[1:]
    if starts is None:
        starts = np.arange(len(data), dtype=np.int64)
    # The end of the document that a start is in, where its strings must stop.
    limits = ends_N[np.searchsorted(ends_N, starts, side="right")] if len(starts) else starts
    limits = np.minimum(limits - starts, depth).astype(np.int32)
    rows = np.zeros(len(starts), np.int32)
    moves_RxA = np.zeros((1, 256), np.int32)
    levels, once = [_Level.root(len(starts))], []
    row_nodes = np.zeros(1, np.int64)  # which node of the last level each row of counters is
    for length in range(depth):
        if len(row_nodes) == 0:
            break
        counts_RxA = np.zeros((len(row_nodes), 256), np.uint32)
        ended_R = np.zeros(len(row_nodes), np.int64)
        compiled(_count_level)(data, starts, limits, rows, moves_RxA, length, counts_RxA, ended_R)
        once.append([np.count_nonzero(counts_RxA == times) for times in (1, 2, 3, 4)])
        levels[-1].ends[row_nodes] = ended_R
        row_C, label_C = np.nonzero(counts_RxA >= max(1, min_count))
        if not len(row_C):
            break
        counts_C = counts_RxA[row_C, label_C].astype(np.int64)
        levels.append(_Level(row_nodes[row_C], label_C.astype(np.uint8), counts_C))
        row_nodes = np.flatnonzero(counts_C >= min_context)
        if len(row_nodes) > _MAX_ROWS:
            often = np.argpartition(-counts_C, _MAX_ROWS)[:_MAX_ROWS]
            row_nodes = np.sort(often)
        alive = rows >= 0
        if alive.mean() < 0.7:
            starts, limits, rows = starts[alive], limits[alive], rows[alive]
        moves_RxA = np.full((len(counts_RxA), 256), -1, np.int32)
        moves_RxA[row_C[row_nodes], label_C[row_nodes]] = np.arange(len(row_nodes))
    # The end of a document follows the empty string as well: a start with nothing after it.
    levels[0].ends += len(ends_N)
    levels[0].counts += len(ends_N)
    return _assemble(levels, once)


@dataclasses.dataclass
class _Level:
    """The strings of one length: index of the parent in the level above, last byte, count."""

    parents: np.ndarray
    labels: np.ndarray
    counts: np.ndarray
    ends: np.ndarray = dataclasses.field(init=False)

    def __post_init__(self):
        self.ends = np.zeros(len(self.counts), np.int64)

    @classmethod
    def root(cls, total: int) -> "_Level":
        return cls(np.full(1, -1, np.int64), np.zeros(1, np.uint8), np.full(1, total, np.int64))


def _count_level(data, starts, limits, rows, moves_RxA, length, counts_RxA, ended_R):
    """Moves each start's row by byte length - 1, then counts byte `length`; -1: dropped."""
    for n in range(len(starts)):
        row = rows[n]
        if row < 0:
            continue
        if length > 0:
            row = moves_RxA[row, data[starts[n] + length - 1]]
            rows[n] = row
            if row < 0:
                continue
        if length < limits[n]:
            counts_RxA[row, data[starts[n] + length]] += 1
        else:
            ended_R[row] += 1
            rows[n] = -1


def _assemble(levels: Sequence[_Level], once: Sequence[Sequence[int]] | np.ndarray) -> CountTrie:
    sizes = [len(level.counts) for level in levels]
    children = [
        np.bincount(below.parents, minlength=size)
        for below, size in zip(levels[1:], sizes[:-1], strict=True)
    ] + [np.zeros(sizes[-1], np.int64)]
    return CountTrie(
        labels_S=np.concatenate([level.labels for level in levels]),
        firsts_S1=np.concatenate([[1], 1 + np.cumsum(np.concatenate(children))]),
        counts_S=np.concatenate([level.counts for level in levels]),
        ends_S=np.concatenate([level.ends for level in levels]),
        lengths_S=np.repeat(np.arange(len(levels)), sizes).astype(np.uint8),
        once_Dx4=np.asarray(once, np.int64),
    )


def from_levels(levels: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> CountTrie:
    """A trie from its levels, the root's first: parents in the level above, labels, counts."""
    return _assemble([_Level(*level) for level in levels], np.zeros((len(levels) - 1, 4)))


def suffixes(trie: CountTrie) -> np.ndarray:
    """int64 [S]: the node of each string without its first byte, -1 where that is not a node."""
    suffix_S = np.zeros(len(trie.labels_S), np.int64)
    compiled(_link_suffixes)(trie.parents(), trie.labels_S, trie.firsts_S1, suffix_S)
    return suffix_S


def _link_suffixes(parents_S, labels_S, firsts_S1, suffix_S):
    suffix_S[0] = -1
    for node in range(1, len(parents_S)):
        if parents_S[node] == 0:
            suffix_S[node] = 0
            continue
        above = suffix_S[parents_S[node]]
        suffix_S[node] = -1
        if above >= 0:
            for child in range(firsts_S1[above], firsts_S1[above + 1]):
                if labels_S[child] == labels_S[node]:
                    suffix_S[node] = child
                    break
