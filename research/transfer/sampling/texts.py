"""Texts as a function of (seed, number), and the queue of them that tokenizers are sampled from.

An epoch is a keyed permutation of the windows of a byte store, which begin at another place in
each epoch: of a window only the first tokens are trained on, and they should not always be the
same.

At step k the queue holds the batches k to k + size - 1, so it is full from the first step on, and
the text that step k trains on, batch k, is among what its tokenizer was sampled from (zett 1.3).
The counts move along by adding and subtracting; a jump counts from scratch. Both give the same
counts.
"""

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np

from research.errors import UsageError
from research.training.data.shuffle import permuted
from research.training.data.token_store import TokenStore
from research.transfer.sampling import pretokens
from research.transfer.sampling.config import Candidates, Pretokens
from research.transfer.sampling.counting import Batch, Counts

Row = list[bytes]  # a window's parts; between two of them a document ends
_BYTE_IDS = 258  # a byte store's vocab_size: bytes, BOS, EOS
_SPARE = 1 << 20  # substrings that are not in the queue any more and may stay


@dataclasses.dataclass(frozen=True)
class TextWindows:
    """Where batches of text come from.

    Raises:
      UsageError: another store than one of bytes, or too little text for a batch.
    """

    store: TokenStore
    """Ids of `BytesCodec`."""
    rows: int
    """B, windows in a batch."""
    size: int = 2048
    """Bytes of a window, less what of a character is cut at its borders."""
    seed: int = 0
    """Of the order."""

    def __post_init__(self):
        if self.store.vocab_size != _BYTE_IDS:
            raise UsageError(
                f"tokenizers are sampled from a store of bytes ({_BYTE_IDS} ids), not of"
                f" {self.store.vocab_size} ids: build it with BytesCodec"
            )
        if self.store.num_tokens < self.rows * self.size:
            raise UsageError(
                f"{self.store.num_tokens} bytes of text are fewer than one batch of {self.rows}"
                f" windows of {self.size}: use more text, or fewer or smaller windows"
            )

    def batch(self, number: int) -> list[Row]:
        """The windows of a batch, each as its parts."""
        total = self.store.num_tokens
        count = total // self.size
        place_B = number * self.rows + np.arange(self.rows, dtype=np.int64)
        start_B = np.empty_like(place_B)
        for epoch in np.unique(place_B // count).tolist():
            inside_B = place_B // count == epoch
            index_B = permuted(place_B[inside_B] % count, count, seed=self.seed, stream=epoch)
            shift = int(np.random.default_rng([self.seed, epoch]).integers(total))
            start_B[inside_B] = (shift + index_B * self.size) % total
        return [self._parts(start) for start in start_B.tolist()]

    def _parts(self, start: int) -> Row:
        """The text from `start` on; the store's end goes on with its beginning."""
        ids = self.store.ids
        window = np.asarray(ids[start : start + self.size])
        if len(window) < self.size:
            window = np.concatenate([window, ids[: self.size - len(window)]])
        ends = np.flatnonzero(window == self.store.eos_id)
        data = window.astype(np.uint8).tobytes()
        borders = [-1, *ends.tolist(), self.size]
        parts = [data[a + 1 : b] for a, b in zip(borders[:-1], borders[1:], strict=True)]
        parts[0] = _from_character(parts[0])
        parts[-1] = _to_character(parts[-1])
        return parts


def byte_store(documents: Iterable[bytes]) -> TokenStore:
    """A store of bytes in memory; `token_store.build` with `BytesCodec` makes one on disk."""
    pieces, lengths = [], []
    for document in documents:
        pieces += [np.frombuffer(document, np.uint8).astype(np.int32), [_BYTE_IDS - 1]]
        lengths.append(len(document))
    byte_offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    ids = np.concatenate(pieces).astype(np.int32) if pieces else np.zeros(0, np.int32)
    offsets = byte_offsets + np.arange(len(byte_offsets))
    return TokenStore(ids, offsets, byte_offsets, _BYTE_IDS, meta={})


def _from_character(part: bytes) -> bytes:
    """Without the rest of a character that the window cuts."""
    for start in range(min(3, len(part))):
        if part[start] & 0xC0 != 0x80:
            return part[start:]
    return part[3:] if len(part) > 3 and part[3] & 0xC0 != 0x80 else part


def _to_character(part: bytes) -> bytes:
    """Without the beginning of a character that the window cuts."""
    for back in range(1, min(3, len(part)) + 1):
        byte = part[-back]
        if byte & 0xC0 != 0x80:
            size = 2 + (byte >= 0xE0) + (byte >= 0xF0) if byte >= 0xC0 else 1
            return part[:-back] if size > back else part
    return part


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

    def at(self, first: int, cut: Pretokens, candidates: Candidates) -> tuple[Counts, list[Batch]]:
        """Counts of the batches from `first` on, and these batches."""
        key = (cut, candidates)
        moving = self._moving.get(key)
        numbers = range(first, first + self.size)
        if moving is None or not moving.batches.keys() & set(numbers):
            moving = _Moving(Counts(candidates), {})
        moving = self._moved(moving, numbers, cut)
        self._moving[key] = moving
        return moving.counts, [moving.batches[number] for number in numbers]

    def _moved(self, moving: "_Moving", numbers: range, cut: Pretokens) -> "_Moving":
        counts, batches = moving.counts, dict(moving.batches)
        for number in moving.batches.keys() - set(numbers):
            counts.add(batches.pop(number), -1)
        if counts.strings.size > 2 * moving.compacted + _SPARE:
            counts, renumbered = counts.compacted(list(batches.values()))
            batches = dict(zip(batches, renumbered, strict=True))
            moving = dataclasses.replace(moving, compacted=counts.strings.size)
        for number in numbers:
            if number not in batches:
                batches[number] = counts.batch(pretokens.split(cut, self._texts(number)))
                counts.add(batches[number])
        return dataclasses.replace(moving, counts=counts, batches=batches)


@dataclasses.dataclass(frozen=True)
class _Moving:
    """Counts for one way of cutting; `compacted`: substrings that the last compaction left."""

    counts: Counts
    batches: dict[int, Batch]
    compacted: int = 0


def draw_batches(batches: int, size: int, rng: np.random.Generator) -> list[int]:
    """Which of the queue's `size` batches to train a tokenizer on, ascending."""
    return np.sort(rng.choice(size, min(batches, size), replace=False)).tolist()
