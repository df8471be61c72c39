"""How often every short substring occurs in the pretokens of a queue of texts.

Pretokens repeat, so the substrings of a pretoken are found once and kept as a list of numbers; a
batch is the counts of its pretokens, and adds them to the lists' counts or takes them away again.
Counts are integers: after any additions and subtractions they equal a count from scratch.

Strings get their numbers from an open-addressing table over strings in one blob. They are compared
by their bytes; the 64-bit hash finds them, and is a function of the content alone, so that whatever
is drawn by hash does not depend on the order of arrival.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from research.numba_jit import compiled
from research.transfer.sampling.config import Candidates
from research.transfer.sampling.pretokens import Words

# FNV-1a, and the finaliser of splitmix64: arithmetic modulo 2^64.
_OFFSET, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


class Strings:
    """S strings; number s is blob[start_S[s] : start_S[s] + length_S[s]] with the hash hash_S[s].

    Arrays are longer than `size`; what comes after it means nothing.
    """

    def __init__(self):
        self.size = 0
        self.hash_S = np.zeros(1024, np.uint64)
        self.start_S = np.zeros(1024, np.int64)
        self.length_S = np.zeros(1024, np.int32)
        self._table = np.full(4096, -1, np.int32)

    def number(self, blob: np.ndarray, start_N: np.ndarray, length_N: np.ndarray) -> np.ndarray:
        """The numbers of strings in the blob, int64 [N]; new ones are given the next numbers."""
        most = self.size + len(start_N)
        if most > len(self.hash_S):
            capacity = 1 << (most - 1).bit_length()
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
        known = -1
        while table[slot] >= 0 and known < 0:
            number = table[slot]
            if hash_S[number] == hash_ and length_S[number] == length:
                known, other = number, start_S[number]
                for j in range(length):
                    if blob[start + j] != blob[other + j]:
                        known = -1
                        break
            slot = (slot + np.uint64(1)) & mask
        if known < 0:
            known = size
            table[slot] = size
            hash_S[size], start_S[size], length_S[size] = hash_, start, length
            size += 1
        number_N[n] = known
    return size


@dataclasses.dataclass(frozen=True)
class Batch:
    """The pretokens of a batch of texts: numbers and how often each comes, both int64 [U]."""

    pretoken_U: np.ndarray
    count_U: np.ndarray


class Counts:
    """Counts of the substrings of pretokens.

    Attributes:
      words, strings: the pretokens and the substrings, numbered as they came.
      counts_S: int64, how often each substring is in the queue now.
      characters_S: int32, characters of each substring (bytes, if not aligned).
      blob: uint8, the bytes of the pretokens, and so of their substrings.
    """

    def __init__(self, candidates: Candidates):
        self.candidates = candidates
        self.words, self.strings = Strings(), Strings()
        self.counts_S = np.zeros(1024, np.int64)
        self.characters_S = np.zeros(1024, np.int32)
        self.blob = np.zeros(1 << 16, np.uint8)
        self._used = 0  # of the blob
        self._first_P = np.zeros(1025, np.int64)  # pretoken p's substrings in _lists
        self._lists = np.zeros(1 << 16, np.int32)

    def batch(self, words: Words) -> Batch:
        """Numbers the pretokens of some texts, and the substrings of those that are new."""
        old, used = self.words.size, self._used
        if used + len(words.data) > len(self.blob):
            self.blob = grown(self.blob, used, 1 << (used + len(words.data)).bit_length())
        self.blob[used : used + len(words.data)] = words.data
        length_W = np.diff(words.start_W)
        number_W = self.words.number(self.blob, used + words.start_W[:-1], length_W)
        new_N = np.arange(old, self.words.size)
        new = self._gathered(new_N)  # of the texts only the new pretokens stay in the blob
        self.blob[used : used + len(new.data)] = new.data
        self.words.start_S[new_N] = used + new.start_W[:-1]
        self._used += len(new.data)
        self._list(old)
        count_P = np.bincount(number_W)
        pretoken_U = np.flatnonzero(count_P)
        return Batch(pretoken_U, count_P[pretoken_U])

    def add(self, batch: Batch, sign: int = 1) -> None:
        """Counts a batch in, or out with sign = -1."""
        count_U = sign * batch.count_U
        compiled(_add)(batch.pretoken_U, count_U, self._first_P, self._lists, self.counts_S)

    def live(self) -> np.ndarray:
        """Numbers of the substrings that are in the queue, int64."""
        return np.flatnonzero(self.counts_S[: self.strings.size])

    def words_of(self, batches: Sequence[Batch]) -> tuple[Words, np.ndarray]:
        """The different pretokens of some batches as one text, and their counts, int64 [P].

        In the order of their hashes: the history of the queue has no part in it.
        """
        count_P = np.zeros(self.words.size, np.int64)
        for batch in batches:
            count_P[batch.pretoken_U] += batch.count_U
        live_P = np.flatnonzero(count_P)
        live_P = live_P[np.argsort(self.words.hash_S[live_P], kind="stable")]
        return self._gathered(live_P), count_P[live_P]

    def bytes_of(self, number_N: np.ndarray) -> list[bytes]:
        """The substrings of these numbers."""
        start_N = self.strings.start_S[number_N]
        end_N = start_N + self.strings.length_S[number_N]
        blob = self.blob[: self._used].tobytes()
        return [blob[a:b] for a, b in zip(start_N.tolist(), end_N.tolist(), strict=True)]

    def compacted(self, batches: Sequence[Batch]) -> tuple["Counts", list[Batch]]:
        """The counts of these batches alone, and the batches with the numbers of the new counts."""
        new = Counts(self.candidates)
        live_P = np.unique(np.concatenate([batch.pretoken_U for batch in batches]))
        new_P = np.zeros(self.words.size, np.int64)
        new_P[live_P] = new.batch(self._gathered(live_P)).pretoken_U  # numbered as they come
        renumbered = [Batch(new_P[batch.pretoken_U], batch.count_U) for batch in batches]
        for batch in renumbered:
            new.add(batch)
        return new, renumbered

    def _gathered(self, number_N: np.ndarray) -> Words:
        length_N = self.words.length_S[number_N].astype(np.int64)
        start_N = np.concatenate([[0], np.cumsum(length_N)])
        from_N = self.words.start_S[number_N] - start_N[:-1]
        data = self.blob[np.repeat(from_N, length_N) + np.arange(start_N[-1])]
        return Words(data, start_N, np.array([0, len(number_N)]))

    def _list(self, old: int) -> None:
        """Numbers and lists the substrings of the pretokens from `old` on."""
        c, size = self.candidates, self.words.size
        limits = (c.max_characters, c.max_bytes, c.stride, c.aligned)
        words = (self.blob, self.words.start_S[old:size], self.words.length_S[old:size])
        empty = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int32))
        ends_P = np.zeros(size - old, np.int64)
        more = compiled(_spans)(*words, *limits, *empty, ends_P)
        start_N, length_N = np.empty(more, np.int64), np.empty(more, np.int64)
        characters_N = np.empty(more, np.int32)
        compiled(_spans)(*words, *limits, start_N, length_N, characters_N, ends_P)
        number_N = self.strings.number(self.blob, start_N, length_N)
        if len(self.counts_S) < self.strings.size:
            capacity = len(self.strings.hash_S)
            self.counts_S = grown(self.counts_S, len(self.counts_S), capacity)
            self.characters_S = grown(self.characters_S, len(self.characters_S), capacity)
        self.characters_S[number_N] = characters_N
        if len(self._first_P) <= size:
            self._first_P = grown(self._first_P, old + 1, len(self.words.hash_S) + 1)
        used = int(self._first_P[old])
        if used + more > len(self._lists):
            self._lists = grown(self._lists, used, 1 << (used + more).bit_length())
        self._lists[used : used + more] = number_N
        self._first_P[old + 1 : size + 1] = used + ends_P


def _spans(
    blob, start_P, length_P, max_characters, max_bytes, stride, aligned,
    start_N, length_N, characters_N, ends_P,
):
    """Where the substrings of the pretokens are; nothing is written while start_N is empty.

    Returns:
      how many there are.
    """
    total, write = 0, len(start_N) > 0
    for p in range(len(start_P)):
        begin, end, place = start_P[p], start_P[p] + length_P[p], 0
        for i in range(begin, end):
            if aligned and i > begin and blob[i] & 0xC0 == 0x80:
                continue
            if place % stride == 0:
                characters = 0
                for j in range(i, min(end, i + max_bytes)):
                    if not aligned or j + 1 == end or blob[j + 1] & 0xC0 != 0x80:
                        characters += 1
                        if write:
                            start_N[total] = i
                            length_N[total] = j + 1 - i
                            characters_N[total] = characters
                        total += 1
                        if characters == max_characters:
                            break
            place += 1
        ends_P[p] = total
    return total


def _add(pretoken_U, count_U, first_P, lists, counts_S):
    for u in range(len(pretoken_U)):
        for n in range(first_P[pretoken_U[u]], first_P[pretoken_U[u] + 1]):
            counts_S[lists[n]] += count_U[u]
