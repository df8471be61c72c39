"""A trie as a double array (Aoe 1989), and the compiled loops that match in it.

The child of a node by byte b is in cell `base + b` if that cell's label is b. No two nodes have the
same base, so the label is check enough and a cell fits 64 bits:

    bits 0-8    label; 256 in an empty cell
    bits 9-33   1 + the id of the string that ends here; 0: none
    bits 34-62  base of the children; 0: none

Bases are at least 1, so the cell `0 + b` never has the label b: a node without children needs no
test of its own. A table of all byte pairs takes the first two steps at once; its entries are cells
too, with the best match so far: its id, and its length (1 or 2) in place of the label.

With 65,536 strings that is about 1 MB: a step is one look into the second-level cache.
"""

import numpy as np

from research.numba_jit import compiled

_ID, _BASE = 9, 34
_ID_MASK = ((1 << 25) - 1) << _ID
_EMPTY = 256


def pack(parents_S, labels_S, ids_S, depths_S) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The trie of `research.tokenizers.trie`, packed.

    Nodes with the most children are placed first: they fit worst.

    Returns:
      (cells int64; cells of pairs, int64 [65536]; ids of bytes, int32 [256])
    """
    parents = parents_S[1:].astype(np.int64)
    counts_S = np.bincount(parents, minlength=len(parents_S))
    by_parent = np.argsort(parents, kind="stable") + 1
    firsts_S = np.concatenate([[0], np.cumsum(counts_S)])
    inner = np.flatnonzero(counts_S)
    inner = inner[np.argsort(-counts_S[inner], kind="stable")]
    bases_S = np.zeros(len(counts_S), np.int64)
    capacity, used = len(parents) + 1024, -1
    while used < 0:
        capacity *= 2
        taken = np.zeros((2, capacity), np.bool_)
        used = compiled(_place)(inner, firsts_S, by_parent, labels_S, taken, bases_S)
    cells_S = bases_S[parents] + labels_S[1:]
    packed_S = (bases_S << _BASE) | (ids_S.astype(np.int64) + 1 << _ID) | labels_S
    cells = np.full(used + 256, _EMPTY, np.int64)
    cells[cells_S] = packed_S[1:]
    singles = np.zeros(256, np.int32)
    depth1 = np.flatnonzero(depths_S == 1)
    singles[labels_S[depth1]] = ids_S[depth1]
    pairs = np.repeat((singles.astype(np.int64) + 1 << _ID) | 1, 256)
    depth2 = np.flatnonzero(depths_S == 2)
    at = labels_S[parents_S[depth2]].astype(np.int64) * 256 + labels_S[depth2]
    ends = ids_S[depth2] >= 0
    best = np.where(ends, (ids_S[depth2].astype(np.int64) + 1 << _ID) | 2, pairs[at])
    pairs[at] = (bases_S[depth2] << _BASE) | best
    return cells, pairs, singles


def _place(inner, firsts_S, by_parent, labels_S, taken, bases_S):
    """First fit; the number of cells used, or -1 if `taken` (cells, bases) is too short."""
    used, lowest, hint, siblings = 0, 1, 1, 257
    for n in range(len(inner)):
        begin, end = firsts_S[inner[n]], firsts_S[inner[n] + 1]
        while taken[0, lowest]:
            lowest += 1
        if end - begin < siblings:
            siblings, hint = end - begin, lowest
        first = max(1, max(lowest, hint) - labels_S[by_parent[begin]])
        base = first
        while True:
            if base + 512 > taken.shape[1]:
                return -1
            fits = not taken[1, base]
            for k in range(begin, end):
                if taken[0, base + labels_S[by_parent[k]]]:
                    fits = False
                    break
            if fits:
                break
            base += 1
        if base - first > 64:  # what was too full for this one is so for the next of its size
            hint = base + labels_S[by_parent[begin]]
        bases_S[inner[n]] = base
        taken[1, base] = True
        for k in range(begin, end):
            cell = base + labels_S[by_parent[k]]
            taken[0, cell] = True
            used = max(used, cell)
    return used + 1


def match(data, offsets, cells, pairs, singles, ids, counts):
    """Fills `ids` and, per text, `counts`; returns how many ids there are."""
    total = 0
    for text in range(len(offsets) - 1):
        position, end, before = offsets[text], offsets[text + 1], total
        while position < end - 1:
            pair = (np.uint64(data[position]) << np.uint64(8)) | np.uint64(data[position + 1])
            cell = pairs[pair]
            best, stop, here = cell, position + (cell & 511), position + 2
            while here < end:
                byte = data[here]
                cell = cells[np.uint64(cell >> _BASE) + np.uint64(byte)]
                if cell & 511 != byte:
                    break
                here += 1
                if cell & _ID_MASK:
                    best, stop = cell, here
            ids[total] = ((best & _ID_MASK) >> _ID) - 1
            total += 1
            position = stop
        if position < end:
            ids[total] = singles[data[position]]
            total += 1
        counts[text] = total - before
    return total


def match_lengths(data, offsets, cells, pairs, lengths_L):
    """Fills `lengths_L`: bytes of the longest match at every position of the texts."""
    for text in range(len(offsets) - 1):
        end = offsets[text + 1]
        for position in range(offsets[text], end):
            stop = position + 1
            if stop < end:
                pair = (np.uint64(data[position]) << np.uint64(8)) | np.uint64(data[stop])
                cell, here = pairs[pair], position + 2
                stop = position + (cell & 511)
                while here < end:
                    byte = data[here]
                    cell = cells[np.uint64(cell >> _BASE) + np.uint64(byte)]
                    if cell & 511 != byte:
                        break
                    here += 1
                    if cell & _ID_MASK:
                        stop = here
            lengths_L[position] = stop - position
