"""The entries in a word: a trie that finds them, the best path, the expected counts of all paths.

The trie is a hash table of its edges, for a vocabulary that lives for one step.
`research.tokenizers.trie` needs its strings sorted and packs them tightly, which pays when much
text is encoded. This one is built in a tenth of the time, and a walk in it takes about twice as
long: that is why there are two.

Node 1 + b is the byte b at the start of a string. The edge from a node by a byte has the key
node * 256 + byte, in the first free cell from a certain one on, so that all loops that walk have
these lines:

    key = (node << 8) | byte
    cell = ((key * 0x9E3779B1) >> 15) & mask
    while key_E[cell] >= 0 and key_E[cell] != key:
        cell = (cell + 1) & mask

The factor is 2^32 / the golden ratio. Keys stay below 2^31, products below 2^63.

In the lattice of a word every entry in it is an arc from where it begins to where it ends. Arcs are
found by their begins and then by their ends; sums are taken in this order, so that they have one
value to the last bit.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from research.errors import FreevocabError
from research.numba_jit import compiled
from research.transfer.sampling.pretokens import Words

_MOST_NODES = 1 << 23


class Edges(NamedTuple):
    """The trie of V strings."""

    key_E: np.ndarray
    """Int64, -1 in an empty cell; the cells are a power of two."""
    node_E: np.ndarray
    """Int32, the node that the edge leads to."""
    id_E: np.ndarray
    """Int32, the string that ends there, or -1."""
    id_of_byte: np.ndarray
    """Int32 [256]."""


def build_trie(strings: Sequence[bytes]) -> Edges:
    """The trie of different strings; the id of a string is its index.

    Raises:
      FreevocabError: if one is empty or comes twice, or a single byte is missing.
    """
    blob = np.frombuffer(b"".join(strings), np.uint8)
    length_V = np.fromiter(map(len, strings), np.int64, len(strings))
    capacity = 1 << max(10, 2 * len(strings)).bit_length()
    while True:
        edges = Edges(
            np.full(capacity, -1, np.int64),
            np.empty(capacity, np.int32),
            np.full(capacity, -1, np.int32),
            np.full(256, -1, np.int32),
        )
        nodes = compiled(_link)(blob, length_V, *edges)
        if nodes == -2:
            raise FreevocabError("a vocabulary holds no empty string, and no string twice")
        if nodes >= 0:
            break
        capacity *= 2
    if nodes > _MOST_NODES or edges.id_of_byte.min() < 0:
        raise FreevocabError("a vocabulary holds all 256 bytes, and few strings beside them")
    return edges


def _link(blob, length_V, key_E, node_E, id_E, id_of_byte):
    """Nodes of the trie; -1 if the table is too small, -2 if the strings are no vocabulary."""
    mask, nodes, start = len(key_E) - 1, 257, 0
    for v in range(len(length_V)):
        if length_V[v] == 0:
            return -2
        byte = np.int64(blob[start])
        if length_V[v] == 1:
            if id_of_byte[byte] >= 0:
                return -2
            id_of_byte[byte] = v
        node, cell = 1 + byte, 0
        for j in range(start + 1, start + length_V[v]):
            key = (node << 8) | np.int64(blob[j])
            cell = ((key * 0x9E3779B1) >> 15) & mask
            while key_E[cell] >= 0 and key_E[cell] != key:
                cell = (cell + 1) & mask
            if key_E[cell] < 0:
                if 2 * (nodes - 257) > mask:
                    return -1
                key_E[cell], node_E[cell] = key, nodes
                nodes += 1
            node = np.int64(node_E[cell])
        if length_V[v] > 1:
            if id_E[cell] >= 0:
                return -2
            id_E[cell] = v
        start += length_V[v]
    return nodes


def best_paths(
    words: Words, limit: int, edges: Edges, score_V: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The path of each word with the largest sum of scores.

    Of equal sums the one whose last arc is longest wins, and so on towards the front.

    Args:
      limit: ids of a text; no more of it is looked at than needed.
      edges: the trie of the V entries.
      score_V: float64.

    Returns:
      (ids int32, how many each text has int64 [texts]).
    """
    ids_N, count_T, _ = _viterbi(words, limit, edges, score_V, np.zeros(0, np.int64))
    return ids_N, count_T


def best_scores(
    words: Words, edges: Edges, score_V: np.ndarray, without_W: np.ndarray
) -> np.ndarray:
    """The score of each word's best path that does not use one entry, float64 [words].

    Args:
      edges, score_V: see `best_paths`.
      without_W: int64, the entry that a word has to do without, -1 for none; no single byte.
    """
    limit = len(words.data)
    return _viterbi(words, limit, edges, score_V, without_W)[2]


def expected_counts(
    words: Words, count_W: np.ndarray, edges: Edges, score_V: np.ndarray, longest: int
) -> np.ndarray:
    """Expected count of each entry over all paths of the words, float64 [V].

    Args:
      count_W: int64, how often each word comes.
      edges, score_V: see `best_paths`.
      longest: bytes of the longest entry.
    """
    size = words.longest
    arcs = size * min(size, longest)
    expected_V = np.zeros(len(score_V))
    compiled(_forward_backward)(
        words.data, words.start_W, count_W, *edges, score_V,
        np.empty(size + 1), np.empty(size + 1), np.empty(size + 1, np.int64),
        np.empty(arcs, np.int32), np.empty(arcs, np.int32), expected_V,
    )
    return expected_V


def _viterbi(words, limit, edges, score_V, without_W):
    size = words.longest
    ids_N = np.empty(words.room(limit), np.int32)
    count_T = np.empty(len(words.first_T) - 1, np.int64)
    score_W = np.empty(len(words.start_W) - 1)
    total = compiled(_best_paths)(
        *words, limit, without_W, *edges, score_V,
        np.empty(size + 1), np.empty(size + 1, np.int32), np.empty(size + 1, np.int64),
        ids_N, count_T, score_W,
    )
    return ids_N[:total].copy(), count_T, score_W


def _best_paths(
    data, start_W, first_T, limit, without_W, key_E, node_E, id_E, id_of_byte, score_V,
    best, token, back, ids_N, count_T, score_W,
):
    """Ids that were written; no word has to do without an entry if without_W is empty."""
    total, mask, without = 0, len(key_E) - 1, -1
    for text in range(len(first_T) - 1):
        before = total
        for w in range(first_T[text], first_T[text + 1]):
            if total - before >= limit:
                break
            begin, size = start_W[w], start_W[w + 1] - start_W[w]
            if len(without_W) > 0:
                without = without_W[w]
            best[0] = 0.0
            for i in range(1, size + 1):
                best[i] = -np.inf
            for i in range(size):
                byte = np.int64(data[begin + i])
                node, id_ = 1 + byte, np.int64(id_of_byte[byte])
                for j in range(i + 1, size + 1):  # the string from i to j, and all entries among it
                    if id_ >= 0 and best[i] + score_V[id_] > best[j] and id_ != without:
                        best[j], token[j], back[j] = best[i] + score_V[id_], id_, i
                    if j == size:
                        break
                    key = (node << 8) | np.int64(data[begin + j])
                    cell = ((key * 0x9E3779B1) >> 15) & mask
                    while key_E[cell] >= 0 and key_E[cell] != key:
                        cell = (cell + 1) & mask
                    if key_E[cell] < 0:
                        break
                    node, id_ = np.int64(node_E[cell]), np.int64(id_E[cell])
            score_W[w] = best[size]
            tokens, i = 0, size
            while i > 0:
                tokens += 1
                i = back[i]
            i, at = size, total + tokens
            while i > 0:
                at -= 1
                ids_N[at] = token[i]
                i = back[i]
            total += tokens
        total = min(total, before + limit)
        count_T[text] = total - before
    return total


def _forward_backward(
    data, start_W, count_W, key_E, node_E, id_E, id_of_byte, score_V,
    forward, backward, first, end_A, id_A, expected_V,
):
    mask = len(key_E) - 1
    for w in range(len(start_W) - 1):
        begin, size = start_W[w], start_W[w + 1] - start_W[w]
        arcs = 0
        for i in range(size):  # arcs from i are first[i] to first[i + 1] - 1
            first[i], forward[i + 1], backward[i] = arcs, -np.inf, -np.inf
            byte = np.int64(data[begin + i])
            node, id_ = 1 + byte, np.int64(id_of_byte[byte])
            for j in range(i + 1, size + 1):
                if id_ >= 0:
                    end_A[arcs], id_A[arcs] = j, id_
                    arcs += 1
                if j == size:
                    break
                key = (node << 8) | np.int64(data[begin + j])
                cell = ((key * 0x9E3779B1) >> 15) & mask
                while key_E[cell] >= 0 and key_E[cell] != key:
                    cell = (cell + 1) & mask
                if key_E[cell] < 0:
                    break
                node, id_ = np.int64(node_E[cell]), np.int64(id_E[cell])
        first[size], forward[0], backward[size] = arcs, 0.0, 0.0
        for i in range(size):
            for n in range(first[i], first[i + 1]):
                j = end_A[n]
                a, b = forward[j], forward[i] + score_V[id_A[n]]
                forward[j] = max(a, b) + np.log1p(np.exp(min(a, b) - max(a, b)))
        for i in range(size - 1, -1, -1):
            for n in range(first[i], first[i + 1]):
                a, b = backward[i], backward[end_A[n]] + score_V[id_A[n]]
                backward[i] = max(a, b) + np.log1p(np.exp(min(a, b) - max(a, b)))
        for i in range(size):
            for n in range(first[i], first[i + 1]):
                share = forward[i] + score_V[id_A[n]] + backward[end_A[n]] - forward[size]
                expected_V[id_A[n]] += count_W[w] * np.exp(share)
