"""Batches as a pure function of (seed, step): nothing to save, any number of hosts.

A store's ids are cut into sequences of `length` targets; the inputs of a sequence are BOS and
the targets but the last. An epoch is a keyed permutation of the sequences, a new one each
time; a batch takes the next `batch_size` of them, across the border of two epochs if need be.
"""

import hashlib
from collections.abc import Iterator

import numpy as np

from research.errors import UsageError
from research.training.data.token_store import TokenStore
from research.vocabularies import sequence_keys

EVALUATION_SEED = 1_000_003  # of `with_keys`: draws unlike those of the usual trainings
_ROUNDS = 8


def num_sequences(store: TokenStore, length: int) -> int:
    """Sequences in an epoch; the last may be short, its missing targets have weight 0.

    Raises:
      UsageError: if the store holds examples of another length.
    """
    if store.example_length not in (None, length):
        raise UsageError(
            f"the store holds beginnings of {store.example_length} ids, not of {length}"
        )
    return -(-store.num_tokens // length)


def sequence_batch(
    store: TokenStore,
    *,
    seed: int,
    step: int,
    batch_size: int,
    length: int,
    process_index: int = 0,
    process_count: int = 1,
) -> dict[str, np.ndarray]:
    """The batch of a training step, or one process's rows of it.

    Every token of the store is a target once an epoch. The rows of all processes, in order,
    are the batch that a single process would get.

    Args:
      batch_size: B, of all processes together.
      length: L, targets in a sequence.

    Returns:
      {"inputs_BxL": int32, "targets_BxL": int32, "weights_BxL": float32 (1 = counted)},
      B / process_count rows.

    Raises:
      UsageError: if the store has fewer than B sequences, or B does not divide by the processes.
    """
    rows = own_rows(batch_size, process_index, process_count)
    count = num_sequences(store, length)
    if count < batch_size:
        raise UsageError(
            f"{store.num_tokens} tokens make {count} sequences of {length}, fewer than one batch"
            f" of {batch_size}: use more text, a smaller batch or shorter sequences"
        )
    places_B = step * batch_size + rows
    epochs_B = places_B // count
    indices_B = np.empty_like(places_B)
    for epoch in np.unique(epochs_B):
        inside_B = epochs_B == epoch
        indices_B[inside_B] = permuted(
            places_B[inside_B] % count, count, seed=seed, stream=int(epoch)
        )
    return _gather(store, indices_B, length)


def evaluation_batches(
    store: TokenStore,
    *,
    batch_size: int,
    length: int,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[dict[str, np.ndarray]]:
    """All sequences of the store in order; every token is a target exactly once.

    The last batch is filled up with rows of weight 0, so all have one shape.

    Yields:
      Batches like those of `sequence_batch`.

    Raises:
      UsageError: if B does not divide by the processes.
    """
    rows = own_rows(batch_size, process_index, process_count)
    for start in range(0, num_sequences(store, length), batch_size):
        yield _gather(store, start + rows, length)


def with_keys(
    batch: dict[str, np.ndarray],
    seed: int,
    step: int,
    process_index: int = 0,
    process_count: int = 1,
) -> dict[str, np.ndarray]:
    """The batch with keys_Bx2: what a vocabulary draws for each sequence, from (seed, step).

    The keys of all processes, in order, are those that a single process would get.
    """
    count = len(batch["inputs_BxL"])
    keys_Bx2 = sequence_keys(seed, count * process_count, step=step)
    return {**batch, "keys_Bx2": keys_Bx2[process_index * count :][:count]}


def said_twice(
    batch: dict[str, np.ndarray],
    share: float,
    seed: int,
    step: int,
    process_index: int = 0,
    process_count: int = 1,
) -> dict[str, np.ndarray]:
    """The batch with the second half of some sequences replaced by their first half.

    Whatever a vocabulary draws for such a sequence, its second half can be copied: a lesson in
    copying. Which sequences is a function of (seed, step), the same for any number of processes.

    Args:
      share: the probability of each.
    """
    if not share:
        return batch
    targets_BxL = batch["targets_BxL"].copy()
    count, half = len(targets_BxL), targets_BxL.shape[1] // 2
    generator = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 3, step]))
    chosen_B = generator.random(count * process_count)[process_index * count :][:count] < share
    targets_BxL[chosen_B, half : 2 * half] = targets_BxL[chosen_B, :half]
    first_Bx1 = batch["inputs_BxL"][:, :1]
    inputs_BxL = np.concatenate([first_Bx1, targets_BxL[:, :-1]], axis=1)
    return {**batch, "inputs_BxL": inputs_BxL, "targets_BxL": targets_BxL}


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


def own_rows(batch_size: int, process_index: int, process_count: int) -> np.ndarray:
    """Numbers of one process's rows of a batch, int64 [B / process_count].

    Raises:
      UsageError: if B does not divide by the processes.
    """
    if batch_size < 1 or batch_size % process_count:
        raise UsageError(
            f"a batch of {batch_size} does not divide among {process_count} processes"
        )
    share = batch_size // process_count
    return np.arange(process_index * share, (process_index + 1) * share, dtype=np.int64)


def _gather(store: TokenStore, indices_B: np.ndarray, length: int) -> dict[str, np.ndarray]:
    positions_BxL = indices_B[:, None] * length + np.arange(length)
    counted_BxL = positions_BxL < store.num_tokens
    ids_BxL = store.ids[np.minimum(positions_BxL, store.num_tokens - 1)]
    targets_BxL = np.where(counted_BxL, ids_BxL, store.eos_id).astype(np.int32)
    inputs_BxL = np.concatenate(
        [np.full_like(targets_BxL[:, :1], store.bos_id), targets_BxL[:, :-1]], axis=1
    )
    return {
        "inputs_BxL": inputs_BxL,
        "targets_BxL": targets_BxL,
        "weights_BxL": counted_BxL.astype(np.float32),
    }
