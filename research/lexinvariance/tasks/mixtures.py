"""The lexinvariant model of a known source, exactly (paper, sections 2.1 and 2.2).

For a source p over d symbols its lexinvariant counterpart is the uniform mixture over renamings,

    p'(x_1..x_T) = mean over the d! permutations f of  p(f(x_1)..f(x_T)),

whose conditionals are a Bayes mixture: each f weighs in with its posterior (the paper's equation
3). With d at most 6 or 7 all of it is a loop over permutations in log space.

What holds of p', in increasing order of distance from this codebase:

* On every sequence, -log2 p'(x) + log2 p(x) <= log2(d! / (d - k)!), k = symbols that occur: so
  many permutations agree with the true one on them (`baselines.key_bits`).
* In expectation over p, mean over t of ||p - p'||_1 <= sqrt(2 ln(d!) / T): the divergences of the
  conditionals sum to at most ln(d!), then Pinsker and Jensen (`gap_bound`).
* The paper's Theorem 2.1, with probability 1 - delta, before its constants are dropped
  (Appendix A): mean over t of ||p - p'||_1 <= epsilon once

      T >= 512 ln(2/delta) ln(d T / (delta epsilon'))^2 ln(d!) / epsilon^4

  (`paper_gap_bound`). The left side is 2 at most, so for d = 6 it says nothing before T = 200,000.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from research.errors import UsageError
from research.lexinvariance import ngrams

MOST_SYMBOLS = 7  # 5,040 permutations
_ROWS = 16  # sequences at once, so that what the loop touches stays in the cache

Conditionals = Callable[[np.ndarray], np.ndarray]


class Chain(NamedTuple):
    """A Markov chain over A symbols: initial_A and transitions_AxA (from, to), float64."""

    initial_A: np.ndarray
    transitions_AxA: np.ndarray


def random_chain(seed: int, alphabet: int, concentration: float = 0.5) -> Chain:
    """Rows from a symmetric Dirichlet distribution; starts in its stationary distribution.

    Args:
      concentration: small: few successors are likely; 1: all distributions are.
    """
    rng = np.random.default_rng(seed)
    transitions_AxA = rng.dirichlet(np.full(alphabet, concentration), size=alphabet)
    # Stationary: initial @ transitions = initial, and it sums to one.
    equations = np.vstack([transitions_AxA.T - np.eye(alphabet), np.ones((1, alphabet))])
    initial_A, *_ = np.linalg.lstsq(equations, np.append(np.zeros(alphabet), 1.0), rcond=None)
    initial_A = np.maximum(initial_A, 0.0)
    return Chain(initial_A / initial_A.sum(), transitions_AxA)


def sample(chain: Chain, rng: np.random.Generator, count: int, length: int) -> np.ndarray:
    """Sequences of the chain, int32 [count, length]."""
    cumulative_AxA = np.cumsum(chain.transitions_AxA, axis=1)
    uniform_BxL = rng.random((count, length))
    ids_BxL = np.zeros((count, length), np.int32)
    bounds_BxA = np.broadcast_to(np.cumsum(chain.initial_A), (count, len(chain.initial_A)))
    for position in range(length):
        below_BxA = bounds_BxA[:, :-1] <= uniform_BxL[:, position, None]
        ids_BxL[:, position] = below_BxA.sum(axis=1)
        bounds_BxA = cumulative_AxA[ids_BxL[:, position]]
    return ids_BxL


def conditionals(chain: Chain, ids_BxL: np.ndarray) -> np.ndarray:
    """p(. | ids[:l]) of the source itself, float64 [B, L, A]."""
    first_Bx1xA = np.broadcast_to(
        chain.initial_A, (len(ids_BxL), min(1, ids_BxL.shape[1]), len(chain.initial_A))
    )
    return np.concatenate([first_Bx1xA, chain.transitions_AxA[ids_BxL[:, :-1]]], axis=1)


def mixture(source: Conditionals, ids_BxL: np.ndarray, alphabet: int) -> np.ndarray:
    """p'(. | ids[:l]) for any source, float64 [B, L, A].

    Equal to the bit, after the same renaming, for sequences that a renaming takes to each other:
    all is computed on ranks by first occurrence, and symbols that have not occurred share equally.

    Args:
      source: ids [B, L] -> p(. | ids[:l]) [B, L, A], e.g. `conditionals` of a chain.
      ids_BxL: integers in [0, alphabet), possible under some renaming of the source.
      alphabet: d, at most 7; the loop has d! rounds.

    Raises:
      UsageError: if d is larger.
    """
    if alphabet > MOST_SYMBOLS:
        raise UsageError(
            f"{alphabet} symbols have {math.factorial(alphabet):,} permutations:"
            f" at most {MOST_SYMBOLS} symbols"
        )
    ids_BxL = np.asarray(ids_BxL, np.int64)
    parts = [
        _mixture_of_few(source, ids_BxL[row : row + _ROWS], alphabet)
        for row in range(0, len(ids_BxL), _ROWS)
    ]
    return np.concatenate(parts)


def _mixture_of_few(source, ids_BxL, alphabet) -> np.ndarray:
    ranks_BxL, _ = ngrams.first_occurrence(ids_BxL)
    shape = ranks_BxL.shape
    # Sums over permutations of weight * conditional and of weight, both times exp(-largest).
    sums_BxLxA, weights_BxL = np.zeros((*shape, alphabet)), np.zeros(shape)
    largest_BxL = np.full(shape, -np.inf)
    for permutation in itertools.permutations(range(alphabet)):
        renaming_A = np.array(permutation)
        p_BxLxA = source(renaming_A[ranks_BxL])[:, :, renaming_A]
        log_weights_BxL = _log_past(p_BxLxA, ranks_BxL)
        now_BxL = np.maximum(largest_BxL, log_weights_BxL)
        # A permutation under which the past cannot be weighs nothing, also as the first one.
        level_BxL = np.where(np.isfinite(now_BxL), now_BxL, 0.0)
        scale_BxL = np.exp(largest_BxL - level_BxL)
        weight_BxL = np.exp(log_weights_BxL - level_BxL)
        sums_BxLxA *= scale_BxL[:, :, None]
        sums_BxLxA += weight_BxL[:, :, None] * p_BxLxA
        weights_BxL = weights_BxL * scale_BxL + weight_BxL
        largest_BxL = now_BxL
    by_rank_BxLxA = _share_among_new(sums_BxLxA / weights_BxL[:, :, None], ranks_BxL)
    ranks_Bx1xA = ngrams.rank_of_id(ids_BxL, ranks_BxL, alphabet)
    return np.take_along_axis(by_rank_BxLxA, ranks_Bx1xA, axis=2)


def _log_past(p_BxLxA, ranks_BxL) -> np.ndarray:
    """ln p(ids[:l]) from the conditionals, [B, L]."""
    with np.errstate(divide="ignore"):
        log_BxL = np.log(np.take_along_axis(p_BxLxA, ranks_BxL[:, :, None], axis=2)[:, :, 0])
    past_BxL = np.zeros_like(log_BxL)
    past_BxL[:, 1:] = np.cumsum(log_BxL[:, :-1], axis=1)
    return past_BxL


def _share_among_new(by_rank_BxLxA, ranks_BxL) -> np.ndarray:
    """Gives symbols that have not occurred their mean: they are equal but for rounding."""
    alphabet = by_rank_BxLxA.shape[2]
    seen_BxL = np.zeros_like(ranks_BxL)
    seen_BxL[:, 1:] = np.maximum.accumulate(ranks_BxL, axis=1)[:, :-1] + 1
    new_BxLxA = np.arange(alphabet)[None, None] >= seen_BxL[:, :, None]
    total_BxL = np.sum(np.where(new_BxLxA, by_rank_BxLxA, 0.0), axis=2)
    mean_BxL = total_BxL / np.maximum(alphabet - seen_BxL, 1)
    return np.where(new_BxLxA, mean_BxL[:, :, None], by_rank_BxLxA)


def gaps(p_BxLxA: np.ndarray, q_BxLxA: np.ndarray) -> np.ndarray:
    """||p(. | ids[:l]) - q(. | ids[:l])||_1 at each position, in [0, 2], [B, L]."""
    return np.abs(p_BxLxA - q_BxLxA).sum(axis=2)


def nats(p_BxLxA: np.ndarray, ids_BxL: np.ndarray) -> np.ndarray:
    """-ln p of what came, [B, L]."""
    ids_BxLx1 = np.asarray(ids_BxL, np.int64)[:, :, None]
    return -np.log(np.take_along_axis(p_BxLxA, ids_BxLx1, axis=2)[:, :, 0])


def gap_bound(alphabet: int, length: int) -> float:
    """sqrt(2 ln(d!) / T): the expected mean L1 gap of p' is at most this."""
    return math.sqrt(2.0 * math.lgamma(alphabet + 1) / length)


def paper_gap_bound(alphabet: int, length: int, *, delta: float = 0.05) -> float:
    """The epsilon of Theorem 2.1 at this T, from the condition above solved for it.

    epsilon' is taken as epsilon; the proof needs it smaller, which makes the bound weaker still.
    It says something from 2 down (the largest L1 distance), and the paper states it below 1/2.
    """
    from scipy.optimize import brentq

    constant = 512.0 * math.log(2.0 / delta) * math.lgamma(alphabet + 1) / length

    def excess(log_epsilon: float) -> float:
        inner = math.log(alphabet * length / delta) - log_epsilon
        return 4.0 * log_epsilon - math.log(constant) - 2.0 * math.log(inner)

    top = math.log(alphabet * length / delta) - 1e-9
    root: Any = brentq(excess, -60.0, top)  # a float, without full_output
    return math.exp(root)
