"""Batches of short byte strings that start where a codec's windows start."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from research.codecs.protocol import Codec
from research.errors import FreevocabError, UsageError
from research.files import atomic_path
from research.training.data import batches
from research.training.data.token_store import TokenStore


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


def window_lengths(store: TokenStore, starts: np.ndarray) -> np.ndarray:
    """Bytes that each window stands for, int64 [windows]."""
    ends = np.append(starts[1:], store.num_tokens)
    # The last window of a document is followed by EOS.
    return ends - starts - (store.ids[ends - 1] == store.eos_id)


def evaluation_windows(
    store: TokenStore,
    starts: np.ndarray,
    *,
    batch_size: int,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[dict[str, np.ndarray]]:
    """Every byte of the text as a target once, each window after BOS; rows as long as the longest
    window, the last batch filled up with rows of weight 0.

    Raises:
      UsageError: if the processes do not divide the batch.
    """
    rows = batches.own_rows(batch_size, process_index, process_count)
    lengths = window_lengths(store, starts)
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
    process_index: int = 0,
    process_count: int = 1,
) -> dict[str, np.ndarray]:
    """A batch of examples of `length` bytes, each from a window's start on, after BOS.

    A pure function of (seed, step): a keyed permutation of the windows, a new one each epoch. What
    follows the end of a document is not counted. Arrays as in `batches.sequence_batch`.

    Raises:
      UsageError: if the processes do not divide the batch.
    """
    place_B = step * batch_size + batches.own_rows(batch_size, process_index, process_count)
    epoch_B, place_B = np.divmod(place_B, len(starts))
    index_B = np.empty_like(place_B)
    for epoch in np.unique(epoch_B):
        inside_B = epoch_B == epoch
        index_B[inside_B] = batches.permuted(
            place_B[inside_B], len(starts), seed=seed, stream=int(epoch)
        )
    position_BxL = np.asarray(starts[index_B])[:, None] + np.arange(length)
    targets_BxL = store.ids[np.minimum(position_BxL, store.num_tokens - 1)].astype(np.int32)
    ended_BxL = np.cumsum(targets_BxL == store.eos_id, axis=1) > 0
    # The end of the text itself is counted (a 257th symbol to the coder), once.
    counted_BxL = ~np.concatenate([np.zeros_like(ended_BxL[:, :1]), ended_BxL[:, :-1]], axis=1)
    return _after_bos(store, targets_BxL, counted_BxL)


def _after_bos(store, targets_BxL, counted_BxL):
    targets_BxL = np.where(counted_BxL, targets_BxL, store.eos_id).astype(np.int32)
    inputs_BxL = np.concatenate(
        [np.full_like(targets_BxL[:, :1], store.bos_id), targets_BxL[:, :-1]], axis=1
    )
    return {
        "inputs_BxL": inputs_BxL,
        "targets_BxL": targets_BxL,
        "weights_BxL": counted_BxL.astype(np.float32),
    }
