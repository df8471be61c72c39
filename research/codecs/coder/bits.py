"""Bits to ids and back: groups of N bits, most significant first."""

from collections.abc import Callable, Sequence

import numpy as np

from research.errors import UsageError
from research.tokenizers.static_vocabulary import checked, checked_row

MAX_BITS_PER_TOKEN = 24


def check_bits_per_token(n: int) -> None:
    """Raises UsageError unless `n` is an integer from 1 to 24."""
    if type(n) is not int or not 1 <= n <= MAX_BITS_PER_TOKEN:
        raise UsageError(f"bits_per_token must lie in 1..{MAX_BITS_PER_TOKEN}, not {n!r}")


def bits_to_ids(bits: np.ndarray, n: int) -> np.ndarray:
    """Groups `n` bits per id; the last group is filled up with zeros.

    Args:
      bits: uint8 [T] of 0 and 1.
      n: bits per id, 1 to 24.

    Returns:
      int32 [ceil(T / n)].
    """
    check_bits_per_token(n)
    count = -(-len(bits) // n)
    padded = np.zeros(count * n, np.uint8)
    padded[: len(bits)] = bits
    if n == 8:
        return np.packbits(padded).astype(np.int32)
    return padded.reshape(count, n) @ (1 << np.arange(n - 1, -1, -1, dtype=np.int32))


def ids_to_bits(ids: np.ndarray, n: int) -> np.ndarray:
    """The bits of each id, uint8 [len(ids) * n].

    Raises:
      FreevocabError: not a 1-d array of integers, or an id outside [0, 2**n).
    """
    check_bits_per_token(n)
    ids = checked_row(ids, 1 << n)
    shifts = np.arange(n - 1, -1, -1, dtype=np.int64)
    return ((ids.astype(np.int64).reshape(-1, 1) >> shifts) & 1).astype(np.uint8).reshape(-1)


def digits_to_bits(digits_NxG: np.ndarray, width: int) -> np.ndarray:
    """Bits of N numbers of `width` bits given as 16-bit digits, least significant digit first.

    Returns:
      uint8 [N * width], each number most significant bit first.
    """
    count = len(digits_NxG)
    big = np.ascontiguousarray(digits_NxG[:, ::-1]).astype(">u2")
    bits = np.unpackbits(big.view(np.uint8).reshape(count, 2 * big.shape[1]), axis=1)
    return bits[:, bits.shape[1] - width :].reshape(-1)


def bits_to_digits(bits: np.ndarray, width: int) -> np.ndarray:
    """The inverse: uint32 [len(bits) // width, ceil(width / 16)]; bits left over are dropped."""
    count = len(bits) // width
    size = -(-width // 16)
    padded = np.zeros((count, size * 16), np.uint8)
    padded[:, size * 16 - width :] = bits[: count * width].reshape(count, width)
    big = np.packbits(padded, axis=1).reshape(count, 2 * size).view(">u2")
    return np.ascontiguousarray(big[:, ::-1]).astype(np.uint32)


def message_byte_lengths(
    ids: np.ndarray, vocab_size: int, decode: Callable[[Sequence[np.ndarray]], list[bytes]]
) -> np.ndarray:
    """int32, the shape of `ids`: the last id of a message carries all its bytes.

    Each row along the last axis is a message of its own, whose text `decode` gives.
    """
    array = checked(ids, vocab_size)
    lengths = np.zeros(array.shape, np.int32)
    if array.size:
        rows = array.reshape(-1, array.shape[-1])
        lengths.reshape(rows.shape)[:, -1] = [len(text) for text in decode(list(rows))]
    return lengths
