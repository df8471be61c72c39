"""Levenshtein distances between many id sequences at once."""

from collections.abc import Sequence

import numpy as np


def levenshtein(first: Sequence[int], second: Sequence[int]) -> int:
    """Least number of insertions, deletions and substitutions from `first` to `second`."""
    return int(pairwise_levenshtein([first, second])[0])


def pairwise_levenshtein(sequences: Sequence[Sequence[int]]) -> np.ndarray:
    """Distances of all pairs (i, j) with i < j, int32 [N (N - 1) / 2], in row-major order.

    One dynamic programme over all pairs together: memory is pairs x (longest + 1) int16 twice,
    time pairs x longest ** 2.
    """
    arrays = [np.asarray(list(sequence), np.int64) for sequence in sequences]
    lengths_N = np.array([len(array) for array in arrays], np.int64)
    longest = int(lengths_N.max(initial=0))
    if longest >= 2**15:
        raise ValueError("sequences of 32,768 ids or more are too long for this routine")
    padded_NxL = np.full((len(arrays), longest), -1, np.int64)
    for row, array in zip(padded_NxL, arrays, strict=True):
        row[: len(array)] = array
    first_P, second_P = np.triu_indices(len(arrays), k=1)
    # Columns first: each step of the programme is one operation on a contiguous [P] array.
    ids_LxP, others_LxP = padded_NxL[first_P].T.copy(), padded_NxL[second_P].T.copy()
    pairs = len(first_P)
    row = np.repeat(np.arange(longest + 1, dtype=np.int16)[:, None], pairs, axis=1)
    distance_P = np.zeros(pairs, np.int32)
    _collect(distance_P, row, lengths_N[first_P] == 0, lengths_N[second_P])
    for i in range(longest):
        new = np.empty_like(row)
        new[0] = i + 1
        for j in range(longest):
            substitute = row[j] + (ids_LxP[i] != others_LxP[j])
            new[j + 1] = np.minimum(np.minimum(row[j + 1], new[j]) + 1, substitute)
        row = new
        _collect(distance_P, row, lengths_N[first_P] == i + 1, lengths_N[second_P])
    return distance_P


def _collect(distance_P: np.ndarray, row: np.ndarray, done_P: np.ndarray,
             columns_P: np.ndarray) -> None:
    """Reads the pairs whose first sequence ends at this row of the programme."""
    at = np.flatnonzero(done_P)
    distance_P[at] = row[columns_P[at], at]
