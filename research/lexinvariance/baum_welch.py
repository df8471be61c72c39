"""Baum-Welch: a hidden Markov model fitted to the strings of one problem, as a reference.

The model is of the automata's own kind: N states, every string begins in state 0, and
edges_AxNxN[a, i, j] is the probability of emitting symbol a while going from state i to state j,
summing to one over (a, j). It is fitted by expectation-maximisation to the strings that a problem
has shown so far, from several random starts and from the last fit; a pseudo-count for each edge
(the posterior mode under a Dirichlet prior) keeps unseen edges possible. No step of it lowers
log-likelihood + pseudo_count * sum of log edges; without pseudo-counts, the likelihood.

Predictions are causal: after every whole string the model is fitted again, and inside a string it
only follows the symbols (the forward recursion), which is exact for the fit at hand. Forward
probabilities are scaled to one at every symbol, so strings of any length are safe. Symbols are
renamed by first occurrence and random starts drawn for those names, so that nothing depends on
which id is which. The loops are compiled by numba where it is there: hmmlearn, which emits symbols
from states and not from edges, fits no such model.
"""

from typing import NamedTuple

import numpy as np

from research import numba_jit
from research.errors import UsageError
from research.lexinvariance import ngrams


class Fit(NamedTuple):
    """Edges [A, N, N] float64 and the objective after each iteration, in nats [iterations]."""

    edges_AxNxN: np.ndarray
    objective_N: np.ndarray


class Settings(NamedTuple):
    """How a fit is made."""

    states: int = 12
    """N."""
    iterations: int = 20
    """Of a fit from one start."""
    starts: int = 2
    """Random ones; the last fit is one more."""
    pseudo_count: float | None = None
    """Of each edge; None: 1 / (A N), a count of one for each state."""


def random_edges(rng: np.random.Generator, alphabet: int, states: int) -> np.ndarray:
    """Edges [A, N, N] of each state from a uniform Dirichlet distribution."""
    rows_NxE = rng.dirichlet(np.ones(alphabet * states), size=states)
    edges = rows_NxE.reshape(states, alphabet, states).transpose(1, 0, 2)
    return np.ascontiguousarray(edges)


def fit(
    edges_AxNxN: np.ndarray,
    symbols_T: np.ndarray,
    ends_N: np.ndarray,
    *,
    iterations: int,
    pseudo_count: float,
) -> Fit:
    """EM from a start.

    Args:
      symbols_T: the strings one after another, int.
      ends_N: where each of them ends, int.
    """
    edges_AxNxN = np.array(edges_AxNxN, np.float64)
    objective_N = np.zeros(iterations)
    arrays = (np.asarray(symbols_T, np.int64), np.asarray(ends_N, np.int64))
    numba_jit.compiled(_em)(edges_AxNxN, *arrays, pseudo_count, objective_N)
    return Fit(edges_AxNxN, objective_N)


def predictions(edges_AxNxN: np.ndarray, symbols_T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Beliefs over states and distributions of the symbol, before each symbol of one string.

    Returns:
      float64 [T, N] and [T, A]; entry t has seen symbols_T[:t].
    """
    emit_NxA = edges_AxNxN.sum(axis=2).T
    belief_N = np.zeros(edges_AxNxN.shape[1])
    belief_N[0] = 1.0
    beliefs_TxN = np.empty((len(symbols_T), len(belief_N)))
    for place, symbol in enumerate(symbols_T):
        beliefs_TxN[place] = belief_N
        after_N = belief_N @ edges_AxNxN[symbol]
        # Impossible without pseudo-counts only: nothing is known of the state then.
        total = after_N.sum()
        belief_N = after_N / total if total > 0.0 else np.full_like(belief_N, 1 / len(belief_N))
    return beliefs_TxN, beliefs_TxN @ emit_NxA


def in_context(
    ids_L: np.ndarray, separator: int, alphabet: int, settings: Settings, seed: int = 0
) -> np.ndarray:
    """Predictions of the next symbol throughout one problem, float64 [L, A].

    Args:
      ids_L: symbols in [0, alphabet), and separators between strings.

    Returns:
      Entry l is p(symbol l | ids_L[:l]) over the alphabet, given that a symbol comes.

    Raises:
      UsageError: if there is no random start or no iteration.
    """
    if settings.starts < 1 or settings.iterations < 1:
        raise UsageError("a fit needs at least one random start and one iteration")
    ranks_1xL, _ = ngrams.first_occurrence(np.where(ids_L == separator, alphabet, ids_L)[None])
    # Names for symbols alone: the separator takes the last one.
    own = ranks_1xL[0][ids_L == separator][:1]
    ranks_L = ranks_1xL[0] - (ranks_1xL[0] > own if len(own) else 0)
    rng = np.random.default_rng(seed)
    count = settings.pseudo_count
    count = 1.0 / (alphabet * settings.states) if count is None else count
    best = np.full((alphabet, settings.states, settings.states), 1 / alphabet / settings.states)
    by_rank_LxA = np.empty((len(ids_L), alphabet))
    ends: list[int] = []
    seen = np.zeros(0, np.int64)
    start = 0
    for stop in [*np.flatnonzero(ids_L == separator), len(ids_L)]:
        string_N = ranks_L[start:stop]
        by_rank_LxA[start:stop] = predictions(best, string_N)[1]
        if stop < len(ids_L):
            # What stands at the separator: what a symbol would be, were there one.
            by_rank_LxA[stop] = predictions(best, np.append(string_N, 0))[1][-1]
            seen = np.concatenate([seen, string_N])
            ends.append(len(seen))
            warm = [best] if len(ends) > 1 else []
            fresh = [random_edges(rng, alphabet, settings.states) for _ in range(settings.starts)]
            fits = [
                fit(edges, seen, np.array(ends), iterations=settings.iterations, pseudo_count=count)
                for edges in warm + fresh
            ]
            best = max(fits, key=lambda one: one.objective_N[-1]).edges_AxNxN
        start = stop + 1
    rank_A = np.full(alphabet, alphabet - 1)
    symbols_L = ids_L != separator
    rank_A[ids_L[symbols_L]] = ranks_L[symbols_L]
    return by_rank_LxA[:, rank_A]


def _em(edges, symbols, ends, pseudo_count, objective):
    """`fit` in place, as loops for numba."""
    alphabet, states, _ = edges.shape
    longest, start = 1, 0
    for stop in ends:
        longest = max(longest, stop - start)
        start = stop
    forward = np.zeros((longest + 1, states))
    scale = np.zeros(longest)
    backward = np.zeros(states)
    after = np.zeros(states)
    for iteration in range(len(objective)):
        counts = np.full((alphabet, states, states), pseudo_count)
        value = 0.0
        if pseudo_count > 0.0:
            for a in range(alphabet):
                for i in range(states):
                    for j in range(states):
                        value += pseudo_count * np.log(edges[a, i, j])
        start = 0
        for stop in ends:
            length = stop - start
            forward[0, :] = 0.0
            forward[0, 0] = 1.0
            for t in range(length):
                a = symbols[start + t]
                total = 0.0
                for j in range(states):
                    forward[t + 1, j] = 0.0
                for i in range(states):
                    weight = forward[t, i]
                    for j in range(states):
                        forward[t + 1, j] += weight * edges[a, i, j]
                for j in range(states):
                    total += forward[t + 1, j]
                scale[t] = total
                value += np.log(total)
                for j in range(states):
                    forward[t + 1, j] /= total
            backward[:] = 1.0
            for t in range(length - 1, -1, -1):
                a = symbols[start + t]
                for j in range(states):
                    after[j] = backward[j] / scale[t]
                for i in range(states):
                    weight = forward[t, i]
                    total = 0.0
                    for j in range(states):
                        step = edges[a, i, j] * after[j]
                        total += step
                        counts[a, i, j] += weight * step
                    backward[i] = total
            start = stop
        # The objective belongs to the edges before this step.
        objective[iteration] = value
        for i in range(states):
            total = 0.0
            for a in range(alphabet):
                for j in range(states):
                    total += counts[a, i, j]
            if total > 0.0:
                for a in range(alphabet):
                    for j in range(states):
                        edges[a, i, j] = counts[a, i, j] / total
