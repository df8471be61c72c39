"""What every codec with a fixed list of byte strings shares: decoding is a look-up."""

from collections.abc import Sequence

import numpy as np

from research.errors import FreevocabError


class StaticVocabulary:
    """Base of the codecs whose ids stand for fixed strings.

    Of `research.codecs.Codec` it lacks name, lossless, encode, fingerprint and save.

    Args:
      tokens: the byte string of each id; `vocab_size` = len(tokens). Empty strings are allowed.
    """

    def __init__(self, tokens: Sequence[bytes]):
        self._tokens = list(tokens)
        self.vocab_size = len(self._tokens)
        self._length_V = np.array([len(token) for token in self._tokens], np.int32)
        self._start_V = np.cumsum(self._length_V, dtype=np.int64) - self._length_V
        self._bytes = np.frombuffer(b"".join(self._tokens), np.uint8)

    def decode(self, ids: Sequence[np.ndarray]) -> list[bytes]:
        """One byte string per id array: the ids' strings, joined."""
        return [self._join(checked_row(one, self.vocab_size)) for one in ids]

    def token_bytes(self) -> list[bytes]:
        return list(self._tokens)

    def byte_lengths(self, ids: np.ndarray) -> np.ndarray:
        return self._length_V[checked(ids, self.vocab_size)]

    def _join(self, id_N: np.ndarray) -> bytes:
        length_N = self._length_V[id_N]
        end_N = np.cumsum(length_N, dtype=np.int64)
        # Byte j of the text is at start(token) + j - (bytes of the text before that token).
        shift_N = self._start_V[id_N] - (end_N - length_N)
        total = int(end_N[-1]) if len(end_N) else 0
        return self._bytes[np.repeat(shift_N, length_N) + np.arange(total)].tobytes()


def checked(ids: np.ndarray, vocab_size: int) -> np.ndarray:
    """`ids` as an integer array.

    Raises:
      FreevocabError: not integers, or one outside [0, vocab_size).
    """
    try:
        array = np.asarray(ids)
    except ValueError as error:  # lists of different lengths
        raise FreevocabError("ids must be an array of integers") from error
    if array.size == 0:
        return array.astype(np.int32)
    if not np.issubdtype(array.dtype, np.integer):
        raise FreevocabError(f"ids must be integers, not {array.dtype}")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= vocab_size:
        wrong = low if low < 0 else high
        raise FreevocabError(f"id {wrong} is outside the codec's vocabulary of {vocab_size}")
    return array


def checked_row(ids: np.ndarray, vocab_size: int) -> np.ndarray:
    """`ids` as a 1-d integer array: one message.

    Raises:
      FreevocabError: as `checked`, or of another shape.
    """
    array = checked(ids, vocab_size)
    if array.ndim != 1:
        raise FreevocabError(
            f"decode takes a list of 1-d arrays of ids, and was given one of shape {array.shape}"
        )
    return array
