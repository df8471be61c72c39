"""Batches as a pure function of (seed, step): nothing to save, any number of hosts.

A store's ids are cut into sequences of `length` targets; the inputs of a sequence are BOS and
the targets but the last. An epoch is a keyed permutation of the sequences, a new one each
time; a batch takes the next `batch_size` of them, across the border of two epochs if need be.
Windows are short byte strings that start where a codec's windows start.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from research.codecs.protocol import Codec
from research.errors import FreevocabError, UsageError
from research.files import atomic_path
from research.training.data.shuffle import shuffled
from research.training.data.token_store import TokenStore
from research.training.parallelism import WHOLE, DataShard
from research.vocabularies import sequence_keys

EVALUATION_SEED = 1_000_003  # of `with_keys`: draws unlike those of the usual trainings
Batch = dict[str, np.ndarray]
T = TypeVar("T")


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
    shard: DataShard = WHOLE,
) -> Batch:
    """The batch of a training step, or one process's rows of it.

    Every token of the store is a target once an epoch. The rows of all processes, in order,
    are the batch that a single process would get.

    Args:
      batch_size: B, of all processes together.
      length: L, targets in a sequence.

    Returns:
      {"inputs_BxL": int32, "targets_BxL": int32, "weights_BxL": float32 (1 = counted)},
      B / shard.count rows.

    Raises:
      UsageError: if the store has fewer than B sequences, or B does not divide by the processes.
    """
    rows = shard.rows(batch_size)
    count = num_sequences(store, length)
    if count < batch_size:
        raise UsageError(
            f"{store.num_tokens} tokens make {count} sequences of {length}, fewer than one batch"
            f" of {batch_size}: use more text, a smaller batch or shorter sequences"
        )
    return _gather(store, shuffled(step * batch_size + rows, count, seed=seed), length)


def evaluation_batches(
    store: TokenStore, *, batch_size: int, length: int, shard: DataShard = WHOLE
) -> Iterator[Batch]:
    """All sequences of the store in order; every token is a target exactly once.

    The last batch is filled up with rows of weight 0, so all have one shape.

    Yields:
      Batches like those of `sequence_batch`.

    Raises:
      UsageError: if B does not divide by the processes.
    """
    rows = shard.rows(batch_size)
    for start in range(0, num_sequences(store, length), batch_size):
        yield _gather(store, start + rows, length)


def with_keys(batch: Batch, seed: int, step: int, shard: DataShard = WHOLE) -> Batch:
    """The batch with keys_Bx2: what a vocabulary draws for each sequence, from (seed, step).

    The keys of all processes, in order, are those that a single process would get.
    """
    count = len(batch["inputs_BxL"])
    keys_Bx2 = sequence_keys(seed, count * shard.count, step=step)
    return {**batch, "keys_Bx2": shard.part(keys_Bx2)}


def with_vocab_size(batch: Batch, vocab_size: int) -> Batch:
    """The batch with vocab_size_B: how many ids are real, where the model only has a bound."""
    return {**batch, "vocab_size_B": np.full(len(batch["inputs_BxL"]), vocab_size, np.int32)}


def said_twice(batch: Batch, share: float, seed: int, step: int, shard: DataShard = WHOLE) -> Batch:
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
    chosen_B = shard.part(generator.random(count * shard.count)) < share
    targets_BxL[chosen_B, half : 2 * half] = targets_BxL[chosen_B, :half]
    first_Bx1 = batch["inputs_BxL"][:, :1]
    inputs_BxL = np.concatenate([first_Bx1, targets_BxL[:, :-1]], axis=1)
    return {**batch, "inputs_BxL": inputs_BxL, "targets_BxL": targets_BxL}


def window_starts(
    byte_store: TokenStore, coded_store: TokenStore, codec: Codec, directory: str | os.PathLike
) -> np.ndarray:
    """Where each window of a text starts, as positions in its byte store: int64 [windows].

    Args:
      byte_store: the text as bytes, each document followed by EOS.
      coded_store: the same documents as ids of `codec`.
      directory: where the result is kept, memory-mapped the next time.

    Raises:
      UsageError: if the codec's ids stand for no definite bytes.
      FreevocabError: if the two stores are not of the same documents.
    """
    lengths = np.diff(byte_store.byte_offsets)
    if not np.array_equal(lengths, np.diff(coded_store.byte_offsets)):
        raise FreevocabError("the byte store and the coded store are not of the same text")
    key = hashlib.sha256(repr([byte_store.meta, coded_store.meta]).encode()).hexdigest()[:24]
    path = Path(directory) / f"starts-{key}.npy"
    if not path.is_file():
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            parts = [
                byte_store.offsets[i] + _starts(codec, coded_store.document(i), lengths[i])
                for i in range(coded_store.num_documents)
            ]
            np.save(file, np.concatenate(parts))
    return np.load(path, mmap_mode="r")


def evaluation_windows(
    store: TokenStore, starts: np.ndarray, *, batch_size: int, shard: DataShard = WHOLE
) -> Iterator[Batch]:
    """Every byte of the text as a target once, each window after BOS; rows as long as the longest
    window, the last batch filled up with rows of weight 0.

    Raises:
      UsageError: if the processes do not divide the batch.
    """
    rows = shard.rows(batch_size)
    ends = np.append(starts[1:], store.num_tokens)
    # Bytes of each window; the last one of a document is followed by EOS.
    lengths = ends - starts - (store.ids[ends - 1] == store.eos_id)
    offset_L = np.arange(int(lengths.max()))
    for first in range(0, len(starts), batch_size):
        index_B = first + rows
        known_B = np.minimum(index_B, len(starts) - 1)
        counted_B = np.where(index_B < len(starts), lengths[known_B], 0)
        position_BxL = np.asarray(starts[known_B])[:, None] + offset_L
        targets_BxL = store.ids[np.minimum(position_BxL, store.num_tokens - 1)]
        counted_BxL = offset_L[None] < counted_B[:, None]
        yield _after_bos(store, targets_BxL, counted_BxL)


def window_batch(
    store: TokenStore,
    starts: np.ndarray,
    *,
    seed: int,
    step: int,
    batch_size: int,
    length: int,
    shard: DataShard = WHOLE,
) -> Batch:
    """A batch of examples of `length` bytes, each from a window's start on, after BOS.

    A pure function of (seed, step): a keyed permutation of the windows, a new one each epoch. What
    follows the end of a document is not counted. Arrays as in `sequence_batch`.

    Raises:
      UsageError: if the processes do not divide the batch.
    """
    index_B = shuffled(step * batch_size + shard.rows(batch_size), len(starts), seed=seed)
    position_BxL = np.asarray(starts[index_B])[:, None] + np.arange(length)
    targets_BxL = store.ids[np.minimum(position_BxL, store.num_tokens - 1)].astype(np.int32)
    ended_BxL = np.cumsum(targets_BxL == store.eos_id, axis=1) > 0
    # The end of the text itself is counted (a 257th symbol to the coder), once.
    counted_BxL = ~np.concatenate([np.zeros_like(ended_BxL[:, :1]), ended_BxL[:, :-1]], axis=1)
    return _after_bos(store, targets_BxL, counted_BxL)


@contextlib.contextmanager
def prefetch(make: Callable[[int], T], end: int) -> Iterator[Callable[[int], T]]:
    """Yields `make` itself, in effect: asked for step i it starts on step i + 1 (below `end`).

    Unlike an iterator's prefetch it can be asked for any step, as a resumed run does.

    Args:
      make: a pure function of the step; it runs in one thread.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        waiting: dict[int, Future[T]] = {}

        def batch_fn(step: int) -> T:
            future = waiting.pop(step, None) or thread.submit(make, step)
            for other in list(waiting):
                waiting.pop(other).cancel()
            if step + 1 < end:
                # After the one in hand: one thread takes them in order.
                waiting[step + 1] = thread.submit(make, step + 1)
            return future.result()

        try:
            yield batch_fn
        finally:
            for future in waiting.values():
                future.cancel()


def _after_bos(store: TokenStore, targets_BxL: np.ndarray, counted_BxL: np.ndarray) -> Batch:
    """The batch of these targets: inputs are BOS and the targets but the last; what is not counted
    becomes EOS, of weight 0."""
    targets_BxL = np.where(counted_BxL, targets_BxL, store.eos_id).astype(np.int32)
    inputs_BxL = np.concatenate(
        [np.full_like(targets_BxL[:, :1], store.bos_id), targets_BxL[:, :-1]], axis=1
    )
    return {
        "inputs_BxL": inputs_BxL,
        "targets_BxL": targets_BxL,
        "weights_BxL": counted_BxL.astype(np.float32),
    }


def _gather(store: TokenStore, indices_B: np.ndarray, length: int) -> Batch:
    positions_BxL = indices_B[:, None] * length + np.arange(length)
    ids_BxL = store.ids[np.minimum(positions_BxL, store.num_tokens - 1)]
    return _after_bos(store, ids_BxL, positions_BxL < store.num_tokens)


def _starts(codec: Codec, ids: np.ndarray, num_bytes: int) -> np.ndarray:
    # The id that closes a window carries its bytes, the others none; the last window may end
    # beyond the text only if the codec is lossy.
    sizes = codec.byte_lengths(np.asarray(ids))
    sizes = sizes[sizes > 0].astype(np.int64)
    if sizes.sum() != num_bytes:
        raise UsageError(
            f"codec {codec.name} does not say which bytes its windows stand for: "
            "regime window needs a lossless codec of windows or strings"
        )
    return np.cumsum(sizes) - sizes
