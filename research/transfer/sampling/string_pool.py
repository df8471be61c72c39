"""Numbers for byte strings: an open-addressing table over strings that lie in one blob.

Strings are compared by their bytes; the 64-bit hash finds them, and is a function of the content
alone, so that whatever is drawn by hash does not depend on the order of arrival.
"""

import numpy as np

from research.numba_jit import compiled

# FNV-1a, and the finaliser of splitmix64: arithmetic modulo 2^64.
_OFFSET, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


class Strings:
    """S strings; number s is blob[start_S[s] : start_S[s] + length_S[s]] with the hash hash_S[s].

    Arrays are longer than `size`: what lies behind it means nothing.
    """

    def __init__(self):
        self.size = 0
        self.hash_S = np.zeros(1024, np.uint64)
        self.start_S = np.zeros(1024, np.int64)
        self.length_S = np.zeros(1024, np.int32)
        self._table = np.full(4096, -1, np.int32)

    def number(self, blob: np.ndarray, start_N: np.ndarray, length_N: np.ndarray) -> np.ndarray:
        """The numbers of strings in the blob, int64 [N]; new ones are given the next numbers."""
        wanted = self.size + len(start_N)
        if wanted > len(self.hash_S):
            capacity = 1 << (wanted - 1).bit_length()
            for name in ("hash_S", "start_S", "length_S"):
                setattr(self, name, grown(getattr(self, name), self.size, capacity))
            self._table = np.full(4 * capacity, -1, np.int32)
            compiled(_refill)(self.hash_S[: self.size], self._table)
        number_N = np.empty(len(start_N), np.int64)
        with np.errstate(over="ignore"):  # without numba it would warn of the modulus
            self.size = compiled(_number)(
                blob, start_N, length_N, number_N, _OFFSET, _PRIME,
                self.size, self.hash_S, self.start_S, self.length_S, self._table,
            )
        return number_N


def grown(array: np.ndarray, size: int, capacity: int) -> np.ndarray:
    """A longer array with the first `size` entries of `array`, zeros after them."""
    longer = np.zeros(capacity, array.dtype)
    longer[:size] = array[:size]
    return longer


def mixed(hash_S: np.ndarray) -> np.ndarray:
    """splitmix64's finaliser: uint64 to uint64, every bit depends on every bit."""
    hash_S = (hash_S ^ (hash_S >> _SHIFTS[0])) * _FACTORS[0]
    hash_S = (hash_S ^ (hash_S >> _SHIFTS[1])) * _FACTORS[1]
    return hash_S ^ (hash_S >> _SHIFTS[2])


def _refill(hash_S, table):
    mask = np.uint64(len(table) - 1)
    for number in range(len(hash_S)):
        slot = (hash_S[number] ^ (hash_S[number] >> np.uint64(32))) & mask
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = number


def _number(
    blob, start_N, length_N, number_N, offset, prime, size, hash_S, start_S, length_S, table
):
    """Fills number_N; returns how many strings there are now."""
    mask = np.uint64(len(table) - 1)
    for n in range(len(start_N)):
        start, length, hash_ = start_N[n], length_N[n], offset
        for j in range(start, start + length):
            hash_ = (hash_ ^ np.uint64(blob[j])) * prime
        slot = (hash_ ^ (hash_ >> np.uint64(32))) & mask
        found = -1
        while table[slot] >= 0 and found < 0:
            number = table[slot]
            if hash_S[number] == hash_ and length_S[number] == length:
                found, other = number, start_S[number]
                for j in range(length):
                    if blob[start + j] != blob[other + j]:
                        found = -1
                        break
            slot = (slot + np.uint64(1)) & mask
        if found < 0:
            found = size
            table[slot] = size
            hash_S[size], start_S[size], length_S[size] = hash_, start, length
            size += 1
        number_N[n] = found
    return size
