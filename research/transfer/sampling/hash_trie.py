"""A trie as a hash table of its edges: for a vocabulary that lives for one step.

`research.tokenizers.trie` needs its strings sorted and packs them tightly, which pays when much
text is encoded. This one is built in a tenth of the time, and a walk in it takes about twice as
long.

Node 1 + b is the byte b at the start of a string. The edge from a node by a byte has the key
node * 256 + byte and lies in the first free cell from a certain one on, so that all loops that walk
have these lines:

    key = (node << 8) | byte
    cell = ((key * 0x9E3779B1) >> 15) & mask
    while key_E[cell] >= 0 and key_E[cell] != key:
        cell = (cell + 1) & mask

The factor is 2^32 / the golden ratio. Keys stay below 2^31, products below 2^63.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from research.errors import FreevocabError
from research.numba_jit import compiled

_MOST_NODES = 1 << 23


class Edges(NamedTuple):
    """The trie of V strings.

    Attributes:
      key_E: int64, -1 in an empty cell; the cells are a power of two.
      node_E: int32, the node that the edge leads to.
      id_E: int32, the string that ends there, or -1.
      id_of_byte: int32 [256].
    """

    key_E: np.ndarray
    node_E: np.ndarray
    id_E: np.ndarray
    id_of_byte: np.ndarray


def build(strings: Sequence[bytes]) -> Edges:
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
