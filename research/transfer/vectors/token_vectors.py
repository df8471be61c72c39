"""Auxiliary vectors of a tokenizer's entries, from whatever they were made."""

from typing import NamedTuple

import numpy as np


class TokenVectors(NamedTuple):
    """What is known of the meaning of V entries.

    Attributes:
      vectors_VxK: float32; zero where nothing is known.
      known_V: bool, entries that have a vector.
    """

    vectors_VxK: np.ndarray
    known_V: np.ndarray

    def unit(self, ids_N: np.ndarray) -> np.ndarray:
        """[N, K] float32, of length 1: dot products are cosines."""
        return unit_rows(self.vectors_VxK[ids_N])


def unit_rows(rows_NxK: np.ndarray) -> np.ndarray:
    """Each row divided by its length; zero rows stay zero. Float32."""
    rows_NxK = np.asarray(rows_NxK, np.float32)
    length_N = np.sqrt(np.einsum("nk,nk->n", rows_NxK, rows_NxK, dtype=np.float64))
    scale_N = np.divide(1.0, length_N, out=np.zeros_like(length_N), where=length_N > 0)
    return rows_NxK * scale_N[:, None].astype(np.float32)
