"""The linear program of unigramify: scores near given ones under which chosen pieces win.

    min  sum_r count_r slack_r + penalty sum_v |s_v - s0_v|
    over s, slack >= 0,  with  sum_v (original_rv - other_rv) s_v >= margin - slack_r

Row r says how often each entry occurs in the original segmentation of a string, less in another. A
row in which nothing is left (both have equal piece counts, so they score alike whatever the
scores) is not for a program to decide; rows that are equal count together.

Solved as its dual, which is several times faster:

    max  sum_r y_r (margin - row_r s0)
    over 0 <= y_r <= count_r,  with |sum_r y_r row_rv| <= penalty

where what a constraint on v is worth is how far s_v moves: up for one side, down for the other.
"""

import numpy as np

from research.errors import FreevocabError


class Constraints:
    """Different rows with their counts, in the order in which they were added."""

    def __init__(self):
        self._number: dict[bytes, int] = {}
        self._rows: list[tuple[np.ndarray, np.ndarray]] = []
        self._counts: list[int] = []
        self._known: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, string: int, original: np.ndarray, other: np.ndarray, count: int) -> bool:
        """Adds that the pieces `original` of a string beat `other`; False if nothing is new."""
        ids_N = np.concatenate([original, other])
        sign_N = np.repeat([1, -1], [len(original), len(other)])
        entry_M, at_N = np.unique(ids_N, return_inverse=True)
        weight_M = np.bincount(at_N, sign_N, minlength=len(entry_M)).astype(np.int64)
        entry_M, weight_M = entry_M[weight_M != 0], weight_M[weight_M != 0]
        if not len(entry_M):
            return False
        key = entry_M.astype(np.int64).tobytes() + weight_M.tobytes()
        row = self._number.setdefault(key, len(self._rows))
        if row == len(self._rows):
            self._rows.append((entry_M.astype(np.int64), weight_M))
            self._counts.append(0)
        if (string, row) in self._known:
            return False
        self._known.add((string, row))
        self._counts[row] += count
        return True

    def solve(self, score_V: np.ndarray, *, margin: float, penalty: float) -> np.ndarray:
        """Scores, float64 [V]: `score_V` but for entries that occur in a row.

        Raises:
          FreevocabError: the solver gives up.
        """
        from scipy import optimize, sparse

        entry_N = np.concatenate([entry for entry, _ in self._rows])
        weight_N = np.concatenate([weight for _, weight in self._rows]).astype(np.float64)
        row_N = np.repeat(np.arange(len(self)), [len(entry) for entry, _ in self._rows])
        used_M, column_N = np.unique(entry_N, return_inverse=True)
        shape = (len(used_M), len(self))
        columns_MxR = sparse.csr_matrix((weight_N, (column_N, row_N)), shape)
        short_R = margin - columns_MxR.T @ score_V[used_M]
        solution = optimize.linprog(
            -short_R,
            A_ub=sparse.vstack([columns_MxR, -columns_MxR], format="csr"),
            b_ub=np.full(2 * len(used_M), penalty),
            bounds=np.stack([np.zeros(len(self)), self._counts], axis=1),
            method="highs",
        )
        if solution.x is None:
            message = f"unigramify: the linear program has no answer: {solution.message}"
            raise FreevocabError(message)
        up_M, down_M = -solution.ineqlin.marginals.reshape(2, -1)
        out_V = score_V.copy()
        out_V[used_M] += up_M - down_M
        return out_V
