"""From cosines to weights: sparsemax over all, or softmax over the nearest."""

from collections.abc import Callable

import numpy as np
import scipy.sparse

from research.transfer.vectors.token_vectors import TokenVectors

CHUNK = 1 << 24  # cosines at a time: 64 MB
SUPPORT = 128  # sparsemax looks at so many of the largest scores before it looks at all


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
    # The count-th largest score, then the first so many that reach it.
    border_T = -np.partition(-scores_TxN, count - 1, axis=1)[:, count - 1]
    for t, scores_N in enumerate(scores_TxN):
        above = np.flatnonzero(scores_N > border_T[t])
        level = np.flatnonzero(scores_N == border_T[t])[: count - len(above)]
        nearest = np.concatenate([above, level])
        scaled = scores_N[nearest].astype(np.float64) / temperature
        weights = np.exp(scaled - scaled.max())
        out_TxN[t, nearest] = weights / weights.sum()
    return out_TxN


def weights(
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
