"""Rows by nearness of meaning: WECHSEL (Minixhofer et al., 2022), FOCUS (Dobler and de Melo, 2023)
and OFA (Liu et al., 2024).

All compare entries in one space of auxiliary vectors. WECHSEL's comes from two languages' word
vectors, one rotated onto the other (`research.transfer.vectors.words`); OFA's is one multilingual
space; FOCUS needs vectors of the target's entries alone, and mixes rows of entries that both
tokenizers have. Cosines become weights by sparsemax over all, or softmax over the nearest.
"""

import functools
from collections.abc import Callable

import numpy as np
import scipy.sparse

from research.errors import UsageError
from research.transfer.matching import finish
from research.transfer.methods import rows
from research.transfer.methods.rows import Inputs
from research.transfer.vectors.cooccurrence import TokenVectors
from research.vocabularies.protocol import EmbeddingTable

NEIGHBOURS, TEMPERATURE = 10, 0.1  # both papers
CHUNK = 1 << 24  # cosines at a time: 64 MB
SUPPORT = 128  # of the largest scores, which sparsemax looks at before it looks at all


def wechsel(
    inputs: Inputs, *, source_vectors: TokenVectors, target_vectors: TokenVectors
) -> EmbeddingTable:
    """Every row is a mixture of the rows of the 10 source entries nearest in meaning.

    Weights are softmax(cosine / 0.1). Entries without a vector are drawn from N(mean, variance)
    of the source's rows; nothing is copied but special rows.

    Raises:
      UsageError: no entry of the source has a vector.
    """
    ordinary_T = np.flatnonzero(~np.asarray(inputs.target.special_V, bool))
    table = _mixed(inputs, ordinary_T, source_vectors, target_vectors)
    return finish(table, inputs.table, inputs.match, copy_overlap=False)


def ofa(
    inputs: Inputs,
    *,
    source_vectors: TokenVectors,
    target_vectors: TokenVectors,
    factors: int | None = None,
) -> EmbeddingTable:
    """Equal entries keep their row, the others are mixed as WECHSEL mixes them.

    Args:
      factors: the source's rows are first brought to this rank by a singular value
        decomposition; everything, overlap included, is then in its span (the paper: 100, 200,
        400). None: the full rank, and overlapping rows equal to the bit.

    Raises:
      UsageError: no entry of the source has a vector, or factors is not in 1 .. d_model.
    """
    match, new_M = inputs.match, inputs.match.new_target_M
    if factors is None:
        mixed = _mixed(inputs, new_M, source_vectors, target_vectors)
        return finish(mixed, inputs.table, match, copy_overlap=True)
    tables = inputs.table._replace(bias_V=None)._asdict()
    split = {name: _factorised(rows, factors) for name, rows in tables.items() if rows is not None}
    coordinates = inputs.table._replace(**{name: one for name, (one, _) in split.items()})
    mixed = _mixed(inputs._replace(table=coordinates), new_M, source_vectors, target_vectors)
    table = finish(mixed, coordinates, match, copy_overlap=True)
    whole = {name: getattr(table, name) @ basis for name, (_, basis) in split.items()}
    return finish(table._replace(**whole), inputs.table, match, copy_overlap=False)


def _mixed(inputs, ids_T, source_vectors, target_vectors):
    """Mixtures for the entries `ids_T` that have a vector; random rows for all others."""
    # In the order of their bytes: of equally near entries, ids do not decide which are taken.
    tokens = inputs.source.match_bytes()
    known_N = np.flatnonzero(inputs.match.ordinary_source_V & source_vectors.known_V)
    known_N = np.array(sorted(known_N, key=tokens.__getitem__), np.int64)
    known_M = ids_T[target_vectors.known_V[ids_T]]
    if len(known_M) and not len(known_N):
        raise UsageError("no entry of the source tokenizer has an auxiliary vector: "
                         "give more of --aux-text, or --vectors of its language")
    activation = functools.partial(
        softmax_of_nearest, neighbours=NEIGHBOURS, temperature=TEMPERATURE
    )
    weights = cosine_weights(target_vectors, known_M, source_vectors, known_N, activation)
    return _mixture(inputs, weights, known_M, known_N)


def _mixture(inputs, weights_MxN, target_M, source_N):
    """Sums of source rows by weights for the entries `target_M`; random rows for all others."""
    mixed = rows.combined(rows.placed(weights_MxN, target_M, source_N, inputs), inputs.table)
    return rows.replaced(rows.drawn(inputs), mixed, target_M)


def _factorised(source_VxD, factors: int):
    """Coordinates [V, factors] and the basis [factors, D]."""
    import scipy.linalg

    source_VxD = np.asarray(source_VxD)
    if not 1 <= factors <= min(source_VxD.shape):
        raise UsageError(f"OFA's factors must be in 1 .. {min(source_VxD.shape)}, not {factors}")
    left, values, right = scipy.linalg.svd(source_VxD.astype(np.float64), full_matrices=False)
    coordinates = left[:, :factors] * values[:factors]
    return coordinates.astype(np.float32), right[:factors].astype(np.float32)


def focus(inputs: Inputs, *, vectors: TokenVectors) -> EmbeddingTable:
    """Equal entries keep their row; others are sum over the overlap of sparsemax(cosines) * row.

    Cosines are those of `vectors`, auxiliary vectors of the target's entries (the paper: fastText
    trained on text in the target's tokens). Entries without a vector are drawn from N(mean,
    variance) of the source's rows.

    Raises:
      UsageError: no overlapping entry has a vector.
    """
    match = inputs.match
    new_M = match.new_target_M[vectors.known_V[match.new_target_M]]
    anchored_N = vectors.known_V[match.overlap_target_N]
    if len(new_M) and not anchored_N.any():
        raise UsageError("no entry that both tokenizers have has an auxiliary vector: "
                         "give more of --aux-text, or --vectors of the target's language")
    anchors_N = match.overlap_target_N[anchored_N]
    weights = cosine_weights(vectors, new_M, vectors, anchors_N, sparsemax)
    table = _mixture(inputs, weights, new_M, match.overlap_source_N[anchored_N])
    return finish(table, inputs.table, match, copy_overlap=True)


def sparsemax(scores_TxN: np.ndarray) -> np.ndarray:
    """Each row's Euclidean projection onto the simplex (Martins and Astudillo, 2016), float64.

    Weights are max(score - tau, 0) and sum to 1. Exact; only rows whose weights reach beyond the
    `SUPPORT` largest scores are sorted whole.
    """
    scores_TxN = np.asarray(scores_TxN)
    num_scores = scores_TxN.shape[1]
    if num_scores <= SUPPORT:
        tau_T, _ = _threshold(scores_TxN)
    else:
        largest = np.partition(scores_TxN, num_scores - SUPPORT, axis=1)[:, -SUPPORT:]
        tau_T, inside_T = _threshold(largest)
        if not inside_T.all():
            tau_T[~inside_T], _ = _threshold(scores_TxN[~inside_T])
    return np.maximum(scores_TxN - tau_T[:, None], 0.0)


def softmax_of_nearest(
    scores_TxN: np.ndarray, *, neighbours: int, temperature: float
) -> np.ndarray:
    """softmax(score / temperature) over each row's largest scores, 0 elsewhere; float64.

    Of equal scores at the border the first are taken.
    """
    out_TxN = np.zeros(scores_TxN.shape)
    count = min(neighbours, scores_TxN.shape[1])
    # The count-th largest score, then the first ones that reach it.
    border_T = -np.partition(-scores_TxN, count - 1, axis=1)[:, count - 1]
    for t, scores_N in enumerate(scores_TxN):
        above = np.flatnonzero(scores_N > border_T[t])
        level = np.flatnonzero(scores_N == border_T[t])[: count - len(above)]
        nearest = np.concatenate([above, level])
        scaled = scores_N[nearest].astype(np.float64) / temperature
        weights = np.exp(scaled - scaled.max())
        out_TxN[t, nearest] = weights / weights.sum()
    return out_TxN


def cosine_weights(
    target: TokenVectors,
    target_M: np.ndarray,
    source: TokenVectors,
    source_N: np.ndarray,
    activation: Callable[[np.ndarray], np.ndarray],
) -> scipy.sparse.csr_array:
    """Weights [M, N] of the vectors `target_M` over the vectors `source_N`: activation(cosines).

    Equal vectors of the source get equal cosines, to the bit.
    """
    # Matrix products round the same column differently in different places.
    unit_UxK, same_N = np.unique(source.unit(source_N), axis=0, return_inverse=True)
    parts = [scipy.sparse.csr_array((0, len(source_N)))]
    step = max(1, CHUNK // max(1, len(source_N)))
    for start in range(0, len(target_M), step):
        cosines_CxU = target.unit(target_M[start : start + step]) @ unit_UxK.T
        parts.append(scipy.sparse.csr_array(activation(cosines_CxU[:, same_N])))
    return scipy.sparse.csr_array(scipy.sparse.vstack(parts))


def _threshold(scores_TxN):
    """tau of each row, and whether a score is left out (so that smaller ones would be, too)."""
    sorted_TxN = -np.sort(-scores_TxN.astype(np.float64), axis=1)
    above_TxN = np.cumsum(sorted_TxN, axis=1) - 1.0
    ranks_N = np.arange(1, scores_TxN.shape[1] + 1)
    support_T = (sorted_TxN * ranks_N[None] > above_TxN).sum(1)
    tau_T = above_TxN[np.arange(len(above_TxN)), support_T - 1] / support_T
    return tau_T, support_T < scores_TxN.shape[1]
