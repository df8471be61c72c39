"""From a posterior at every position to one key: four readings.

A posterior is float [L, A]: log P(plain symbol | cipher text so far) at each position of a text.
`scores` adds up what its positions say of each cipher symbol, [S, A], higher is better; `best` and
`assigned` make a key of scores. The paper's reading is best(votes). It ignores that two cipher
symbols never stand for the same plain one; `assigned` does not.
"""

import numpy as np

READINGS = ("last position", "majority vote", "vote + assignment", "posterior + assignment")


def last(logs_LxA: np.ndarray, cipher_L: np.ndarray, symbols_S: np.ndarray) -> np.ndarray:
    """The posterior where each symbol occurs last, float64 [S, A]; zeros if it does not occur."""
    scores_SxA = np.zeros((len(symbols_S), logs_LxA.shape[1]))
    for s, symbol in enumerate(symbols_S):
        places = np.flatnonzero(cipher_L == symbol)
        if places.size:
            scores_SxA[s] = logs_LxA[places[-1]]
    return scores_SxA


def votes(logs_LxA: np.ndarray, cipher_L: np.ndarray, symbols_S: np.ndarray) -> np.ndarray:
    """How often each plain symbol was a symbol's most probable one, float64 [S, A].

    The mean probability over the symbol's positions is added, times 1/2: it is below every
    difference of votes and only decides between equal ones.
    """
    places_N, rows_N = _rows(cipher_L, symbols_S)
    shape = (len(symbols_S), logs_LxA.shape[1])
    votes_SxA, mean_SxA = np.zeros(shape), np.zeros(shape)
    np.add.at(votes_SxA, (rows_N, np.argmax(logs_LxA[places_N], axis=1)), 1.0)
    np.add.at(mean_SxA, rows_N, np.exp(logs_LxA[places_N].astype(np.float64)))
    counts_Sx1 = np.maximum(1, np.bincount(rows_N, minlength=len(symbols_S)))[:, None]
    return votes_SxA + 0.5 * mean_SxA / counts_Sx1


def summed(logs_LxA: np.ndarray, cipher_L: np.ndarray, symbols_S: np.ndarray) -> np.ndarray:
    """The log posteriors of each symbol's positions added up, float64 [S, A]."""
    places_N, rows_N = _rows(cipher_L, symbols_S)
    scores_SxA = np.zeros((len(symbols_S), logs_LxA.shape[1]))
    np.add.at(scores_SxA, rows_N, logs_LxA[places_N].astype(np.float64))
    return scores_SxA


def best(scores_SxA: np.ndarray) -> np.ndarray:
    """The plain symbol with the highest score for each cipher symbol, int64 [S]."""
    return np.argmax(scores_SxA, axis=1)


def assigned(scores_SxA: np.ndarray) -> np.ndarray:
    """The key of distinct plain symbols with the highest sum of scores (Hungarian), int64 [S].

    With more cipher than plain symbols, those that are left over take their highest score.
    """
    from scipy.optimize import linear_sum_assignment

    key_S = best(scores_SxA)
    rows, columns = linear_sum_assignment(scores_SxA, maximize=True)
    key_S[rows] = columns
    return key_S


def key(reading: str, logs_LxA: np.ndarray, cipher_L: np.ndarray, symbols_S) -> np.ndarray:
    """The key that one of READINGS gives for the symbols, int64 [S].

    Raises:
      ValueError: if there is no such reading.
    """
    symbols_S = np.asarray(symbols_S)
    if reading == "last position":
        return best(last(logs_LxA, cipher_L, symbols_S))
    if reading == "majority vote":
        return best(votes(logs_LxA, cipher_L, symbols_S))
    if reading == "vote + assignment":
        return assigned(votes(logs_LxA, cipher_L, symbols_S))
    if reading == "posterior + assignment":
        return assigned(summed(logs_LxA, cipher_L, symbols_S))
    raise ValueError(f"reading must be one of {', '.join(READINGS)}, not {reading!r}")


def _rows(cipher_L: np.ndarray, symbols_S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions that hold one of the symbols, and which."""
    order_S = np.argsort(symbols_S)
    if not len(symbols_S):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    found_L = np.searchsorted(symbols_S, cipher_L, sorter=order_S).clip(max=len(symbols_S) - 1)
    rows_L = order_S[found_L]
    places_N = np.flatnonzero(symbols_S[rows_L] == cipher_L)
    return places_N, rows_L[places_N]
