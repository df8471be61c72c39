"""Keyed shuffling with random access: which item stands at a place of an endless stream.

A batch has to be a pure function of (seed, step), so that a run can go on anywhere. A table of a
permutation would be as long as the text has sequences, and would have to be made again for every
epoch and process; a block cipher on the numbers below `count` needs neither (grain's index_shuffle
is one too, in C++, but with another order for another library version).
"""

import hashlib

import numpy as np

_ROUNDS = 8


def shuffled(places_N: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """The items at some places of a stream in which each of `count` comes once an epoch.

    Args:
      places_N: int64, from 0; epoch e is places e * count to (e + 1) * count - 1.
      seed: chooses the orders, a new one for each epoch.

    Returns:
      int64 [N] in [0, count).
    """
    epochs_N = places_N // count
    items_N = np.empty_like(places_N)
    for epoch in np.unique(epochs_N):
        inside_N = epochs_N == epoch
        items_N[inside_N] = permuted(
            places_N[inside_N] % count, count, seed=seed, stream=int(epoch)
        )
    return items_N


def permuted(indices_N: np.ndarray, count: int, *, seed: int, stream: int) -> np.ndarray:
    """Where a keyed permutation of range(count) sends some indices.

    A Feistel network on the next even number of bits, repeated on an index until it falls
    below `count` again: random access without a table of `count` entries.

    Args:
      indices_N: int64 in [0, count).
      seed: chooses the family of permutations.
      stream: chooses one of it (the epoch).

    Returns:
      int64 [N].
    """
    half = np.uint64(max(1, ((count - 1).bit_length() + 1) // 2))
    mask = np.uint64((1 << int(half)) - 1)
    digest = hashlib.blake2b(f"{seed} {stream}".encode(), digest_size=8 * _ROUNDS // 2)
    keys = np.frombuffer(digest.digest(), "<u4").astype(np.uint64)
    values_N = indices_N.astype(np.uint64)
    outside_N = np.ones(values_N.shape, bool)
    while outside_N.any():
        moving = values_N[outside_N]
        left, right = moving >> half, moving & mask
        for key in keys:
            left, right = right, left ^ (_mixed(right, key) & mask)
        values_N[outside_N] = (left << half) | right
        outside_N = values_N >= count
    return values_N.astype(np.int64)


def _mixed(values: np.ndarray, key: np.uint64) -> np.ndarray:
    # Multiply and shift, modulo 2^64: the finaliser of common hash functions.
    values = (values + key) * np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return values ^ (values >> np.uint64(32))
