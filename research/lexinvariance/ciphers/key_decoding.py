"""From a posterior at every position to one key: four readings, and pictures of it.

A posterior is float [L, A]: log P(plain symbol | cipher text so far) at each position of a text.
`scores` adds up what its positions say of each cipher symbol, [S, A], higher is better; `best` and
`assigned` make a key of scores. The paper's reading is best(votes). It ignores that two cipher
symbols never stand for the same plain one; `assigned` does not.
"""

import os
from collections.abc import Mapping

import numpy as np

from research.reporting import plots

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
    ranks_L = np.searchsorted(symbols_S, cipher_L, sorter=order_S).clip(max=len(symbols_S) - 1)
    rows_L = order_S[ranks_L]
    places_N = np.flatnonzero(symbols_S[rows_L] == cipher_L)
    return places_N, rows_L[places_N]


def save_matrices(
    path: str | os.PathLike, title: str, letters: np.ndarray, matrices: Mapping[str, np.ndarray]
) -> None:
    """Draws matrices of log-probabilities side by side, as a PNG (Figure 5).

    Args:
      letters: ids of the letters, ASCII; rows (true letter) and columns (letter read) are named.
      matrices: caption -> float [N, N] in nats; NaN is drawn grey.
    """
    from matplotlib import colormaps

    names = [chr(97 + n) for n in range(len(letters))]
    colours = colormaps["viridis"].with_extremes(bad="lightgrey")
    count = max(1, len(matrices))
    with plots.canvas(path, (3.2 * count, 3.6), dpi=90) as figure:
        panels = figure.subplots(1, count, squeeze=False)[0]
        image = None
        for panel, (caption, matrix) in zip(panels, matrices.items(), strict=False):
            image = panel.imshow(np.exp(matrix), cmap=colours, vmin=0, vmax=1)
            panel.set_title(caption, fontsize="small")
            panel.set_xticks(range(len(names)), names, fontsize=5)
            panel.set_yticks(range(len(names)), names, fontsize=5)
        panels[0].set(xlabel="letter read", ylabel="true letter")
        if image is not None:
            figure.colorbar(image, ax=list(panels), shrink=0.8)
        figure.suptitle(title)


def save_candidates(
    path: str | os.PathLike,
    title: str,
    places_N: np.ndarray,
    candidates: Mapping[str, np.ndarray],
    truth: str,
) -> None:
    """Draws what one cipher symbol is taken for where it occurs, as a PNG (Figure 6).

    Args:
      places_N: positions of the symbol.
      candidates: letter -> its probability at each place, [N].
      truth: the letter that the symbol means, drawn thicker.
    """
    with plots.canvas(path, (7, 3.6), dpi=90) as figure:
        panel = figure.subplots()
        for letter, values_N in candidates.items():
            width = 1 + 2 * (letter == truth)
            panel.plot(places_N, values_N, marker="o", label=letter, linewidth=width)
        panel.set(title=title, xlabel="position", ylabel="probability", ylim=(0, 1))
        panel.legend(title=f"in truth {truth}", fontsize="small")
        panel.grid(alpha=0.3)
