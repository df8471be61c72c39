"""How sure is a key? Marginals of the posterior over keys, by Metropolis sampling.

The letter model makes a posterior over keys: p(key | text) ~ p(plain text under the key). Chains at
temperature 1 that begin at good keys sample it; the share of states in which symbol s stands for
letter a is its marginal. The key that maximises the expected number of right letters is not always
the most probable one: `safest` takes it from the marginals.
"""

import numpy as np

from research.lexinvariance.ciphers.key_decoding import assigned
from research.lexinvariance.ciphers.solvers import climb, loops
from research.lexinvariance.ciphers.solvers.problem import Letters, Problem, Solution, make
from research.numba_jit import compiled


def marginals(
    problem: Problem, starts: list[np.ndarray], *, seed: int, proposals: int = 30_000
) -> np.ndarray:
    """P(letter | text) of each symbol, float64 [S, A]; chains from each state of `starts`.

    A chain weighs as much as exp(the best score it began with), since chains seldom cross from one
    good key to another.
    """
    rng = np.random.default_rng(seed)
    total = np.zeros((len(problem.letters_P), problem.base))
    scores = np.asarray([problem.score(slots) for slots in starts])
    weights = np.exp(scores - scores.max())
    for slots, weight in zip(starts, weights, strict=True):
        counts = np.zeros_like(total)
        compiled(loops.sample)(
            slots.copy(), problem.symbols_L, problem.num_symbols, problem.space, problem.tables,
            problem.starts_N, problem.order, problem.base, problem.first_S1, problem.ends,
            problem.prior_PxA, rng.random((proposals, 3)), proposals // 10, counts,
        )  # fmt: skip
        total += weight * counts / counts.sum(axis=1, keepdims=True)
    return (total / weights.sum())[: problem.num_symbols]


def of_solution(
    symbols_L: np.ndarray,
    letters: Letters,
    solution: Solution,
    *,
    seed: int,
    order: int | None = None,
    start_SxA: np.ndarray | None = None,
    weight: float = 1.0,
    chains: int = 6,
) -> np.ndarray:
    """`marginals` around a solution: chains from it, and from where other restarts end."""
    problem = make(symbols_L, letters, order=order, start_SxA=start_SxA, weight=weight)
    if problem.num_symbols == 0:
        return np.zeros((0, problem.base))
    starts = [slots_of(problem, solution.key_S)]
    seen = {tuple(solution.key_S)}
    for chain in range(1, chains):
        other = climb.search(
            problem, seed=seed * chains + chain, restarts=1, start_SxA=start_SxA
        )
        if tuple(other.key_S) not in seen:
            seen.add(tuple(other.key_S))
            starts.append(slots_of(problem, other.key_S))
    return marginals(problem, starts, seed=seed)


def slots_of(problem: Problem, key_S: np.ndarray) -> np.ndarray:
    """The state of a key; letters that it does not use fill the other slots in their order."""
    unused = [letter for letter in problem.letters_P if letter not in set(key_S.tolist())]
    rest = len(problem.letters_P) - len(key_S)
    return np.asarray([*key_S, *unused[:rest]], np.int64)


def safest(marginals_SxA: np.ndarray, counts_S: np.ndarray) -> np.ndarray:
    """The key of distinct letters with the most expected right positions, int64 [S].

    Args:
      counts_S: how often each symbol stands in the text.
    """
    return assigned(marginals_SxA * counts_S[:, None])
