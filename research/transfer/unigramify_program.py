"""The linear program of unigramify: scores near given ones under which chosen pieces win.

    min  sum_r count_r slack_r + penalty sum_v |s_v - s0_v|
    over s, slack >= 0,  with  sum_v (wanted_rv - found_rv) s_v >= margin - slack_r

Row r says how often each entry occurs in the wanted segmentation of a string, less in another. A
row in which nothing is left (both have equal piece counts, so they score alike whatever the
scores) is not for a program to decide; rows that are equal count together.
"""

import numpy as np

from research.errors import FreevocabError


class Rows:
    """Different rows with their counts, as they are found."""

    def __init__(self):
        self._number: dict[bytes, int] = {}
        self._rows: list[tuple[np.ndarray, np.ndarray]] = []
        self._counts: list[int] = []
        self._known: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, string: int, wanted: np.ndarray, found: np.ndarray, count: int) -> bool:
        """Adds what the pieces `wanted` of a string say against `found`; False if nothing new."""
        ids_N = np.concatenate([wanted, found])
        sign_N = np.repeat([1, -1], [len(wanted), len(found)])
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
        shape = (len(self), len(used_M))
        rows_RxM = sparse.csr_matrix((weight_N, (row_N, column_N)), shape)
        # Variables: how far each score goes up, how far down, and the slack of each row.
        left = sparse.hstack([-rows_RxM, rows_RxM, -sparse.identity(len(self))], format="csr")
        right_R = rows_RxM @ score_V[used_M] - margin
        cost = np.concatenate([np.full(2 * len(used_M), penalty), self._counts])
        found = optimize.linprog(cost, A_ub=left, b_ub=right_R, bounds=(0, None), method="highs")
        if found.x is None:
            raise FreevocabError(f"unigramify: the linear program has no answer: {found.message}")
        up_M, down_M = found.x[: len(used_M)], found.x[len(used_M) : 2 * len(used_M)]
        out_V = score_V.copy()
        out_V[used_M] += up_M - down_M
        return out_V
