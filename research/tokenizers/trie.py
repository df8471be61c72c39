"""Greedy longest match in a fixed set of byte strings.

A `Trie` holds the strings twice: as a plain list of edges (parent, label, child), which numpy
walks for all positions at once, and, where numba is available, as a double array.
Both ways give equal ids.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from research.errors import FreevocabError
from research.numba_jit import available, compiled
from research.tokenizers import double_array


@dataclasses.dataclass(frozen=True)
class Trie:
    """Nodes in preorder, node 0 the root; S nodes, edges named by their child.

    Attributes:
      parents_S: int32, the node above; -1 for the root.
      labels_S: uint8, the byte that leads to the node.
      ids_S: int32, the id of the string that ends at the node, or -1.
      depths_S: int32.
    """

    parents_S: np.ndarray
    labels_S: np.ndarray
    ids_S: np.ndarray
    depths_S: np.ndarray

    @functools.cached_property
    def packed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What `double_array.pack` gives: cells, cells of byte pairs, ids of single bytes."""
        return double_array.pack(self.parents_S, self.labels_S, self.ids_S, self.depths_S)

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

    def encode(self, data: np.ndarray, offsets: np.ndarray, *, compile: bool = True):
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
            total = compiled(double_array.match)(data, offsets, *self.packed, ids, counts)
            return ids[:total].copy(), counts
        lengths_L, ids_L = _match_everywhere(self, data, offsets)
        steps, ids_of = lengths_L.tolist(), []
        for text in range(len(counts)):
            position, end, before = int(offsets[text]), int(offsets[text + 1]), len(ids_of)
            while position < end:
                ids_of.append(position)
                position += steps[position]
            counts[text] = len(ids_of) - before
        return ids_L[np.asarray(ids_of, np.int64)], counts

    def match_lengths(self, data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Bytes of the longest match at every position of the texts, int32 [L]."""
        if not available():
            return _match_everywhere(self, data, offsets)[0]
        lengths_L = np.empty(len(data), np.int32)
        compiled(double_array.match_lengths)(data, offsets, *self.packed[:2], lengths_L)
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
    size = compiled(_count_nodes)(blob, lengths_V) + 1
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
        np.asarray(order, np.int32),
        path,
        trie.parents_S,
        trie.labels_S,
        trie.ids_S,
        trie.depths_S,
    )
    return trie


def _count_nodes(blob, lengths_V):
    nodes, start, before = 0, 0, 0
    for v in range(len(lengths_V)):
        common = 0
        if v > 0:
            limit = min(lengths_V[v], lengths_V[v - 1])
            while common < limit and blob[start + common] == blob[before + common]:
                common += 1
        nodes += lengths_V[v] - common
        before = start
        start += lengths_V[v]
    return nodes


def _fill_nodes(blob, lengths_V, order_V, path, parents_S, labels_S, ids_S, depths_S):
    node, start, before = 0, 0, 0
    for v in range(len(lengths_V)):
        common = 0
        if v > 0:
            limit = min(lengths_V[v], lengths_V[v - 1])
            while common < limit and blob[start + common] == blob[before + common]:
                common += 1
        for depth in range(common, lengths_V[v]):
            node += 1
            parents_S[node] = path[depth]
            labels_S[node] = blob[start + depth]
            depths_S[node] = depth + 1
            path[depth + 1] = node
        ids_S[path[lengths_V[v]]] = order_V[v]
        before = start
        start += lengths_V[v]


def _match_everywhere(trie: Trie, data: np.ndarray, offsets: np.ndarray):
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
        found_N = np.minimum(np.searchsorted(keys_E, keys_N), len(keys_E) - 1)
        hit = keys_E[found_N] == keys_N
        positions_N, nodes_N = positions_N[hit], children_E[found_N[hit]].astype(np.int64)
        depth += 1
        ends = trie.ids_S[nodes_N] >= 0
        lengths_L[positions_N[ends]] = depth
        ids_L[positions_N[ends]] = trie.ids_S[nodes_N[ends]]
    return lengths_L, ids_L
