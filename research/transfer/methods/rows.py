"""New rows out of old ones: weighted sums, and draws that look like them."""

from typing import NamedTuple

import jax
import numpy as np
import scipy.sparse

from research.tokenizers import Pieces, Tokenizer
from research.transfer.matching import Match, mean_row
from research.vocabularies.protocol import EmbeddingTable

COLUMNS = 256  # of a table that are summed in float64 at a time


class Inputs(NamedTuple):
    """What every method is given."""

    table: EmbeddingTable
    """The source's."""
    source: Tokenizer
    target: Tokenizer
    match: Match
    """Of the two tokenizers."""
    seed: int
    """Decides what is drawn."""


def combined(weights_TxV: scipy.sparse.csr_array, source: EmbeddingTable) -> EmbeddingTable:
    """Row t = sum over v of weights[t, v] * source row v, for each table and the bias.

    Sums are float64, so a single weight of 1 copies its row to the bit. Rows float32.
    """
    return jax.tree.map(lambda rows: _combined(weights_TxV, rows), source)


def piece_means(inputs: Inputs, pieces: Pieces) -> EmbeddingTable:
    """Each target entry's row is the mean of the source's rows of its pieces.

    Special tokens of the source (the unknown one) say nothing of an entry and are left out; an
    entry that has no other pieces takes the mean of all ordinary rows.
    """
    pieces = pieces.only(inputs.match.ordinary_source_V)
    counts_T = pieces.counts_T
    share_N = np.repeat(1.0 / np.maximum(counts_T, 1), counts_T)
    shape = (len(counts_T), inputs.source.vocab_size)
    weights_TxV = scipy.sparse.csr_array((share_N, pieces.ids_N, pieces.start_T), shape)
    means = combined(weights_TxV, inputs.table)
    nothing_M = np.flatnonzero(counts_T == 0)

    def filled(rows: np.ndarray, source: np.ndarray) -> np.ndarray:
        rows[nothing_M] = mean_row(np.asarray(source), inputs.match)
        return rows

    return jax.tree.map(filled, means, inputs.table)


def placed(
    weights_MxN: scipy.sparse.csr_array, target_M: np.ndarray, source_N: np.ndarray, inputs: Inputs
) -> scipy.sparse.csr_array:
    """Weights [target ids, source ids], 0 but for those of target_M over source_N."""
    weights = scipy.sparse.coo_array(weights_MxN)
    place = (np.asarray(target_M)[weights.coords[0]], np.asarray(source_N)[weights.coords[1]])
    shape = (inputs.target.vocab_size, inputs.source.vocab_size)
    return scipy.sparse.csr_array((weights.data, place), shape)


def drawn(inputs: Inputs) -> EmbeddingTable:
    """A row for each target entry, N(mean, variance) of the source's ordinary rows, per dimension.

    Draws are made in the order of the tokens' bytes: another order of ids gives every token the
    same row. The input, the output and the bias have streams of their own.
    """
    tokens, ordinary_V = inputs.target.match_bytes(), inputs.match.ordinary_source_V
    order_T = sorted(range(len(tokens)), key=tokens.__getitem__)
    streams = np.random.default_rng([inputs.seed, 0]).spawn(len(inputs.table))
    return EmbeddingTable(*(
        None if rows is None else _drawn(np.asarray(rows)[ordinary_V], order_T, rng)
        for rows, rng in zip(inputs.table, streams, strict=True)
    ))  # fmt: skip


def replaced(rows: EmbeddingTable, others: EmbeddingTable, ids_M: np.ndarray) -> EmbeddingTable:
    """`rows`, but those of the ids `ids_M` from `others`."""

    def of_part(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        out = np.array(mine)
        out[ids_M] = theirs[ids_M]
        return out

    return jax.tree.map(of_part, rows, others)


def _combined(weights_TxV, rows):
    rows = np.asarray(rows)
    if rows.ndim == 1:
        return np.asarray(weights_TxV @ rows.astype(np.float64), np.float32)
    out_TxD = np.empty((weights_TxV.shape[0], rows.shape[1]), np.float32)
    for start in range(0, rows.shape[1], COLUMNS):
        block = slice(start, start + COLUMNS)
        out_TxD[:, block] = weights_TxV @ rows[:, block].astype(np.float64)
    return out_TxD


def _drawn(rows, order_T, rng):
    mean = rows.mean(0, dtype=np.float64).astype(np.float32)
    std = rows.std(0, dtype=np.float64).astype(np.float32)
    out = np.empty((len(order_T), *rows.shape[1:]), np.float32)
    out[order_T] = mean + std * rng.standard_normal(out.shape, np.float32)
    return out
