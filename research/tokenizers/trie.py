"""Greedy longest match in a fixed set of byte strings.

A `Trie` holds the strings twice: as a plain list of edges (parent, label, child), which numpy walks
for all positions at once, and, where numba is available, as a double array. Both give equal ids.

In a double array (Aoe 1989) the child of a node by byte b is in cell `base + b` if that cell's
label is b. No two nodes have the same base, so the label is check enough and a cell fits 64 bits:

    bits 0-8    label; 256 in an empty cell
    bits 9-33   1 + the id of the string that ends here; 0: none
    bits 34-62  base of the children; 0: none

Bases are at least 1, so the cell `0 + b` never has the label b: a node without children needs no
test of its own. A table of all byte pairs takes the first two steps at once; its entries are cells
too, with the best match so far: its id, and its length (1 or 2) in place of the label. With 65,536
strings that is about 1 MB: a step is one look into the second-level cache.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from research.errors import FreevocabError
from research.numba_jit import available, compiled

_ID, _BASE = 9, 34
_ID_MASK = ((1 << 25) - 1) << _ID
_EMPTY = 256


@dataclasses.dataclass(frozen=True)
class Trie:
    """Nodes in preorder, node 0 the root; S nodes, edges named by their child."""

    parents_S: np.ndarray
    """int32, the node above; -1 for the root."""

    labels_S: np.ndarray
    """uint8, the byte that leads to the node."""

    ids_S: np.ndarray
    """int32, the id of the string that ends at the node, or -1."""

    depths_S: np.ndarray
    """int32, bytes from the root."""

    @functools.cached_property
    def packed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The double array: cells int64, cells of byte pairs int64 [65536], and the ids of single
        bytes int32 [256]."""
        return _pack(self.parents_S, self.labels_S, self.ids_S, self.depths_S)

    @functools.cached_property
    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Sorted keys parent * 256 + label (int64), and the children they lead to (int32)."""
        keys_E = self.parents_S[1:].astype(np.int64) * 256 + self.labels_S[1:]
        order_E = np.argsort(keys_E, kind="stable")
        return keys_E[order_E], (order_E + 1).astype(np.int32)

    def children(self) -> list[list[int]]:
        """The children of each node, in the order of their labels."""
        children = [[] for _ in range(len(self.parents_S))]
        for node, parent in enumerate(self.parents_S.tolist()):
            if parent >= 0:
                children[parent].append(node)
        return children

    def encode(
        self, data: np.ndarray, offsets: np.ndarray, *, compile: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ids of several texts.

        Args:
          data: uint8, the texts one after another.
          offsets: int64 [texts + 1], where each begins and the last ends.
          compile: use the compiled loop if there is one.

        Returns:
          (ids int32, counts int64 [texts]): all ids one after another, and how many per text.
        """
        counts = np.zeros(len(offsets) - 1, np.int64)
        if compile and available():
            ids = np.empty(len(data), np.int32)
            total = compiled(_match)(data, offsets, *self.packed, ids, counts)
            return ids[:total].copy(), counts
        lengths_L, ids_L = _match_everywhere(self, data, offsets)
        steps, places = lengths_L.tolist(), []
        for text in range(len(counts)):
            position, end, before = int(offsets[text]), int(offsets[text + 1]), len(places)
            while position < end:
                places.append(position)
                position += steps[position]
            counts[text] = len(places) - before
        return ids_L[np.asarray(places, np.int64)], counts

    def match_lengths(self, data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Bytes of the longest match at every position of the texts, int32 [L]."""
        if not available():
            return _match_everywhere(self, data, offsets)[0]
        lengths_L = np.empty(len(data), np.int32)
        compiled(_match_lengths)(data, offsets, *self.packed[:2], lengths_L)
        return lengths_L


def build(strings: Sequence[bytes]) -> Trie:
    """The trie of `strings`; the id of a string is its index.

    Raises:
      FreevocabError: if a string is empty or comes twice, or a single byte is missing (longest
        match could then get stuck).
    """
    order = sorted(range(len(strings)), key=strings.__getitem__)
    in_order = [strings[i] for i in order]
    if not in_order or not in_order[0]:
        raise FreevocabError("a codebook needs strings, none of them empty")
    if len(set(in_order)) != len(in_order):
        raise FreevocabError("a codebook cannot hold one string twice")
    missing = 256 - len({s for s in in_order if len(s) == 1})
    if missing:
        raise FreevocabError(f"a codebook needs all 256 single bytes; {missing} are missing")
    blob = np.frombuffer(b"".join(in_order), np.uint8)
    lengths_V = np.fromiter(map(len, in_order), np.int64, len(in_order))
    common_V = np.zeros_like(lengths_V)
    compiled(_compare)(blob, lengths_V, common_V)
    size = int((lengths_V - common_V).sum()) + 1
    trie = Trie(
        parents_S=np.full(size, -1, np.int32),
        labels_S=np.zeros(size, np.uint8),
        ids_S=np.full(size, -1, np.int32),
        depths_S=np.zeros(size, np.int32),
    )
    path = np.zeros(int(lengths_V.max()) + 1, np.int32)
    compiled(_fill_nodes)(
        blob,
        lengths_V,
        common_V,
        np.asarray(order, np.int32),
        path,
        trie.parents_S,
        trie.labels_S,
        trie.ids_S,
        trie.depths_S,
    )
    return trie


def _compare(blob, lengths_V, common_V):
    """Fills `common_V`: with how many bytes of the string before it each string begins."""
    before = 0
    for v in range(1, len(lengths_V)):
        start, common = before + lengths_V[v - 1], 0
        limit = min(lengths_V[v], lengths_V[v - 1])
        while common < limit and blob[start + common] == blob[before + common]:
            common += 1
        common_V[v], before = common, start


def _fill_nodes(blob, lengths_V, common_V, order_V, path, parents_S, labels_S, ids_S, depths_S):
    node, start = 0, 0
    for v in range(len(lengths_V)):
        for depth in range(common_V[v], lengths_V[v]):
            node += 1
            parents_S[node] = path[depth]
            labels_S[node] = blob[start + depth]
            depths_S[node] = depth + 1
            path[depth + 1] = node
        ids_S[path[lengths_V[v]]] = order_V[v]
        start += lengths_V[v]


def _match_everywhere(
    trie: Trie, data: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Length and id of the longest match that starts at each position, int32 [L] each."""
    keys_E, children_E = trie.edges
    lengths_L = np.zeros(len(data), np.int32)
    ids_L = np.full(len(data), -1, np.int32)
    left_L = np.repeat(offsets[1:], np.diff(offsets)) - np.arange(len(data))
    positions_N = np.arange(len(data))
    nodes_N = np.zeros(len(data), np.int64)
    depth = 0
    while len(positions_N):
        inside = left_L[positions_N] > depth
        positions_N, nodes_N = positions_N[inside], nodes_N[inside]
        keys_N = nodes_N * 256 + data[positions_N + depth]
        edge_N = np.minimum(np.searchsorted(keys_E, keys_N), len(keys_E) - 1)
        known = keys_E[edge_N] == keys_N
        positions_N, nodes_N = positions_N[known], children_E[edge_N[known]].astype(np.int64)
        depth += 1
        ends = trie.ids_S[nodes_N] >= 0
        lengths_L[positions_N[ends]] = depth
        ids_L[positions_N[ends]] = trie.ids_S[nodes_N[ends]]
    return lengths_L, ids_L


def _pack(parents_S, labels_S, ids_S, depths_S) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`Trie.packed`. Nodes with the most children are placed first: they fit worst."""
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


def _match(data, offsets, cells, pairs, singles, ids, counts):
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


def _match_lengths(data, offsets, cells, pairs, lengths_L):
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
