"""Vectors of ids from the company they keep: windowed counts, PPMI, truncated SVD.

Our stand-in for fastText: one pass over text, no training, the same vectors for the same input.
(Levy and Goldberg, 2014 and 2015: skip-gram with negative sampling factorises a shifted PMI.)
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from research.errors import UsageError
from research.tokenizers import Tokenizer

BATCH = 1 << 20  # bytes of text, about, that are encoded and counted at a time
OVERSAMPLING, POWERS = 32, 4  # of the SVD: columns beyond those wanted, and passes to and fro


class TokenVectors(NamedTuple):
    """What is known of the meaning of V entries."""

    vectors_VxK: np.ndarray
    """Float32; zero where nothing is known."""
    known_V: np.ndarray
    """Bool, entries that have a vector."""

    def unit(self, ids_N: np.ndarray) -> np.ndarray:
        """[N, K] float32, of length 1: dot products are cosines."""
        return unit_rows(self.vectors_VxK[ids_N])


def unit_rows(rows_NxK: np.ndarray) -> np.ndarray:
    """Each row divided by its length; zero rows stay zero. Float32."""
    rows_NxK = np.asarray(rows_NxK, np.float32)
    length_N = np.sqrt(np.einsum("nk,nk->n", rows_NxK, rows_NxK, dtype=np.float64))
    scale_N = np.divide(1.0, length_N, out=np.zeros_like(length_N), where=length_N > 0)
    return rows_NxK * scale_N[:, None].astype(np.float32)


@dataclasses.dataclass(frozen=True)
class SVDConfig:
    """How vectors are made of text."""

    dim: int = 256
    """K; fewer if the text has fewer different ids."""
    window: int = 5
    """Ids on each side that count as company; one d places away counts 1 / d."""
    max_bytes: int | None = 20_000_000
    """How much of the texts is used, from the front; None: all."""
    min_count: int = 3
    """Ids seen less often get no vector."""
    context_power: float = 0.75
    """Counts of contexts are raised to it, so that rare ones weigh less."""
    shift: float = 0.0
    """Ln of the number of negative samples; subtracted from the PMI before it is cut at 0."""


def train(
    tokenizer: Tokenizer, texts: Iterable[bytes | str], config: SVDConfig | None = None
) -> TokenVectors:
    """Vectors of a tokenizer's entries; text is streamed, and nothing spans two texts.

    Raises:
      UsageError: the texts hold fewer than two different ids often enough.
    """
    config = config or SVDConfig()
    ids = (part for batch in batches(texts, config.max_bytes) for part in tokenizer.encode(batch))
    return from_ids(ids, tokenizer.vocab_size, config)


def from_ids(sequences: Iterable[np.ndarray], vocab_size: int, config: SVDConfig) -> TokenVectors:
    """As `train`, from ids: one array for each text.

    Raises:
      UsageError: fewer than two different ids occur often enough.
    """
    company_VxV, counts_V = counts(sequences, vocab_size, config.window)
    known_V = counts_V >= config.min_count
    known_N = np.flatnonzero(known_V)
    if len(known_N) < 2:
        raise UsageError(f"the auxiliary text has {len(known_N)} entries that occur "
                         f"{config.min_count} times or more: give more of --aux-text")
    positive_NxN = ppmi(company_VxV[known_N][:, known_N], config)
    vectors_NxK = truncated_svd(positive_NxN, config.dim)
    vectors_VxK = np.zeros((vocab_size, vectors_NxK.shape[1]), np.float32)
    vectors_VxK[known_N] = vectors_NxK
    return TokenVectors(vectors_VxK, known_V & vectors_VxK.any(1))


def batches(texts: Iterable[bytes | str], max_bytes: int | None) -> Iterator[list[bytes]]:
    """Texts as bytes, about `BATCH` bytes at a time; the last one is cut at `max_bytes`."""
    left = float("inf") if max_bytes is None else max_bytes
    batch, size = [], 0
    for text in texts:
        data = text.encode() if isinstance(text, str) else text
        data = data if len(data) <= left else data[: int(left)]
        left -= len(data)
        batch.append(data)
        size += len(data)
        if size >= BATCH or left <= 0:
            yield batch
            batch, size = [], 0
        if left <= 0:
            return
    if batch:
        yield batch


def counts(
    sequences: Iterable[np.ndarray], vocab_size: int, window: int
) -> tuple[scipy.sparse.csr_array, np.ndarray]:
    """How much company every two ids keep, symmetric float64 [V, V], and how often each occurs.

    Ids d <= window places apart in one sequence count 1 / d, in both directions.
    """
    total_VxV = scipy.sparse.csr_array((vocab_size, vocab_size), dtype=np.float64)
    counts_V = np.zeros(vocab_size, np.int64)
    waiting: list[np.ndarray] = []
    for sequence in sequences:
        waiting.append(np.asarray(sequence, np.int64))
        if sum(map(len, waiting)) >= BATCH:
            total_VxV = total_VxV + _counted(waiting, vocab_size, window, counts_V)
            waiting = []
    total_VxV = total_VxV + _counted(waiting, vocab_size, window, counts_V)
    return scipy.sparse.csr_array(total_VxV + total_VxV.T), counts_V


def ppmi(company_NxN: scipy.sparse.csr_array, config: SVDConfig) -> scipy.sparse.csr_array:
    """max(0, ln p(a, b) / (p(a) p'(b)) - shift) where company is kept; p' is smoothed."""
    pairs = scipy.sparse.coo_array(company_NxN)
    row_N = np.asarray(company_NxN.sum(1)).ravel()
    context_N = row_N**config.context_power
    a, b = pairs.coords
    information = np.log(pairs.data * context_N.sum() / (row_N[a] * context_N[b])) - config.shift
    keep = information > 0
    return scipy.sparse.csr_array((information[keep], (a[keep], b[keep])), company_NxN.shape)


def truncated_svd(matrix_NxN: scipy.sparse.csr_array, dim: int) -> np.ndarray:
    """U sqrt(S) of the `dim` largest singular values, float32 [N, min(dim, N - 1)], largest first.

    Subspace iteration from a seeded start (Halko et al., 2011, algorithm 4.4, five passes): exact
    where the values fall off, and within a percent of the best approximation on PPMI's flat ones,
    in a fifteenth of a Lanczos solver's time. Each column's largest entry is made positive.
    """
    from scipy import linalg

    shape: Any = matrix_NxN.shape
    count = min(dim, min(shape) - 1)
    matrix = scipy.sparse.csr_array(matrix_NxN, dtype=np.float32)
    transposed = scipy.sparse.csr_array(matrix.T)
    columns = min(count + OVERSAMPLING, min(shape))
    start = np.random.default_rng(0).standard_normal((shape[1], columns), np.float32)
    basis_NxC = linalg.qr(matrix @ start, mode="economic")[0]
    for _ in range(POWERS):
        basis_NxC = linalg.qr(transposed @ basis_NxC, mode="economic")[0]
        basis_NxC = linalg.qr(matrix @ basis_NxC, mode="economic")[0]
    small_CxN = np.ascontiguousarray((transposed @ basis_NxC).T)
    left_CxC, values_C, _ = linalg.svd(small_CxN, full_matrices=False)
    left_NxK = basis_NxC @ left_CxC[:, :count]
    largest_K = np.abs(left_NxK).argmax(0)
    left_NxK = left_NxK * np.sign(left_NxK[largest_K, np.arange(count)])[None]
    return (left_NxK * np.sqrt(values_C[:count])[None]).astype(np.float32)


def _counted(sequences: Sequence[np.ndarray], vocab_size: int, window: int, counts_V):
    """One direction of `counts`; adds the occurrences to `counts_V` in place."""
    ids_N = np.concatenate([*sequences, np.zeros(0, np.int64)])
    text_N = np.repeat(np.arange(len(sequences)), [len(sequence) for sequence in sequences])
    counts_V += np.bincount(ids_N, minlength=vocab_size)
    total_VxV = scipy.sparse.csr_array((vocab_size, vocab_size), dtype=np.float64)
    for distance in range(1, min(window, len(ids_N) - 1) + 1):
        together = text_N[:-distance] == text_N[distance:]
        before, after = ids_N[:-distance][together], ids_N[distance:][together]
        each = np.full(len(before), 1.0 / distance)
        total_VxV = total_VxV + scipy.sparse.csr_array(
            (each, (before, after)), (vocab_size, vocab_size)
        )
    return total_VxV
