"""Annealed hill climbing with restarts: swaps of two letters, n-grams rescored where they change.

Each restart begins at frequency ranks with noise (or at a draw from given log-probabilities),
proposes swaps at a falling temperature, and ends with improvements only. It anneals with trigrams
first: their smoother scores lead to the right key five to twenty times as often, for the same
time, as those of 5-grams, which are flat everywhere but near a key. The search stops early once
several restarts have ended in the best key.

How sure a key is (`confidence`): the letter model makes a posterior over keys, p(key | text) ~
p(plain text under the key). Chains at temperature 1 that begin at good keys sample it; the share of
states in which symbol s stands for letter a is its marginal. The key that maximises the expected
number of right letters is not always the most probable one: `safest` takes it from the marginals.
"""

import math

import numpy as np

from research.lexinvariance.ciphers.key_decoding import assigned
from research.lexinvariance.ciphers.letters import LetterNGrams
from research.lexinvariance.ciphers.solvers.problem import (
    Problem,
    Solution,
    anneal_loop,
    frequency_slots,
    make,
)
from research.numba_jit import compiled

ROUGH = 3  # n of the short n-grams
AGAIN = 3  # restarts that end in the best score before the search stops early
# Proposals of a restart with short n-grams, with all, and at the end with improvements only.
HOT, COOL, POLISH = 20_000, 5_000, 1_500


def solve(
    symbols_L: np.ndarray,
    letters: LetterNGrams,
    *,
    seed: int,
    restarts: int = 100,
    order: int | None = None,
    start_SxA: np.ndarray | None = None,
) -> Solution:
    """The key with the highest score that was found.

    Args:
      symbols_L: int [L], cipher symbols from 0, -1 where a clear space stands.
      letters: the letter model.
      restarts: the most; fewer once AGAIN of them have ended in the best score.
      order: of the n-grams; None: the model's.
      start_SxA: log-probabilities of letters for each symbol (a network's posterior); restarts
        begin at draws from them, and they are added to the score.

    Raises:
      UsageError: if the text and the model do not fit together.
    """
    problem = make(symbols_L, letters, order=order, prior_SxA=start_SxA)
    return search(problem, seed=seed, restarts=restarts, start_SxA=start_SxA)


def search(
    problem: Problem, *, seed: int, restarts: int = 100, start_SxA: np.ndarray | None = None
) -> Solution:
    """`solve` on a prepared problem."""
    rng = np.random.default_rng(seed)
    if problem.num_symbols == 0 or len(problem.letters_P) < 2:
        return problem.solution(frequency_slots(problem))
    best_slots, best_score, times = frequency_slots(problem), -np.inf, 0
    rough, (hot_T, cool_T) = problem.shorter(min(ROUGH, problem.order)), schedules(problem)
    for restart in range(max(1, restarts)):
        slots = _first(problem, rng, restart, start_SxA)
        # The first temperatures leave nothing of a start but its prior: half of them go without.
        if start_SxA is None or restart % 2:
            slots, _ = anneal(rough, slots, hot_T, rng)
        ended, score = anneal(problem, slots, cool_T, rng)
        if score > best_score + 1e-6:
            best_slots, best_score, times = ended, score, 1
        elif score > best_score - 1e-6:
            times += 1
            if times >= AGAIN:
                break
    return problem.solution(best_slots)


def rough(problem: Problem, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Where a run with short n-grams alone ends, and its score."""
    short = problem.shorter(min(ROUGH, problem.order))
    return anneal(short, frequency_slots(problem), schedules(problem)[0], rng)


def schedules(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Temperatures in nats of a restart's proposals, with short n-grams and with long; float64 [T].

    A key freezes about where the nats that it gains over the others, 4.2 for each letter of the
    text, equal the temperature times the logarithm of the number of keys. Many symbols need more
    proposals. The numbers were chosen on training text, at 16 to 512 symbols.
    """
    size, symbols = len(problem.letters_P), problem.num_symbols
    length = int((problem.symbols_L < size).sum())
    hot = 4.2 * length / (math.lgamma(size + 1) - math.lgamma(size - symbols + 1))
    many = max(1.0, symbols * (size - 1) / 700)  # of swaps; 1 for 27 symbols and letters
    hot_T = np.geomspace(hot, hot / 4, int(HOT * many))
    cool_T = np.geomspace(min(6.0, 0.9 * hot), min(1.0, 0.3 * hot), int(COOL * many))
    return hot_T, np.concatenate([cool_T, np.zeros(int(POLISH * many))])


def anneal(
    problem: Problem,
    slots_P: np.ndarray,
    temperatures_T: np.ndarray,
    rng: np.random.Generator,
    counts_PxA: np.ndarray | None = None,
) -> tuple[np.ndarray, float]:
    """The best state, and its score, of a run of swaps from `slots_P` (left as it is).

    Args:
      counts_PxA: how often each slot has each letter after a tenth of the run is added to it.
    """
    slots, best, steps = slots_P.copy(), np.empty_like(slots_P), len(temperatures_T)
    counts = np.zeros((0, 0)) if counts_PxA is None else counts_PxA
    score = compiled(anneal_loop)(
        slots, problem.symbols_L, problem.num_symbols, problem.space, problem.tables,
        problem.starts_N, problem.order, problem.base, problem.first_S1, problem.ends,
        problem.prior_PxA, temperatures_T, rng.random((steps, 3)), best, steps // 10, counts,
    )  # fmt: skip
    return best, float(score)


def _first(problem, rng, restart, start_SxA):
    """Where a restart begins."""
    size = len(problem.letters_P)
    if start_SxA is None:
        noise = None if restart == 0 else rng.normal(0.0, 0.7, size)
        return frequency_slots(problem, noise)
    # Gumbel noise on log-probabilities and the best assignment: a draw, but of distinct letters.
    logs_PxP = np.full((size, size), -20.0)
    logs = np.asarray(start_SxA, np.float64)[:, problem.letters_P]
    logs_PxP[: problem.num_symbols] = np.maximum(logs, -20.0)
    if restart:
        logs_PxP += rng.gumbel(0.0, 1.0, logs_PxP.shape)
    return problem.letters_P[assigned(logs_PxP)]


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
        anneal(problem, slots, np.ones(proposals), rng, counts)
        total += weight * counts / counts.sum(axis=1, keepdims=True)
    return (total / weights.sum())[: problem.num_symbols]


def confidence(
    symbols_L: np.ndarray, letters: LetterNGrams, solution: Solution, *, seed: int, chains: int = 6
) -> np.ndarray:
    """`marginals` around a solution: chains from it, and from where other restarts end."""
    problem = make(symbols_L, letters)
    if problem.num_symbols == 0:
        return np.zeros((0, problem.base))
    starts = [slots_of(problem, solution.key_S)]
    seen = {tuple(solution.key_S)}
    for chain in range(1, chains):
        other = search(problem, seed=seed * chains + chain, restarts=1)
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
