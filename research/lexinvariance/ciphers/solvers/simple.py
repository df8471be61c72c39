"""What solvers are measured against: frequency ranks, and Metropolis on bigrams."""

import numpy as np

from research.lexinvariance.ciphers.solvers import climb
from research.lexinvariance.ciphers.solvers.problem import (
    Letters,
    Solution,
    frequency_slots,
    make,
)


def frequency(symbols_L: np.ndarray, letters: Letters) -> Solution:
    """The most frequent symbol is the most frequent letter, and so on."""
    problem = make(symbols_L, letters, order=1)
    return problem.solution(frequency_slots(problem))


def metropolis(
    symbols_L: np.ndarray,
    letters: Letters,
    *,
    seed: int,
    order: int = 2,
    proposals: int = 20_000,
    restarts: int = 4,
) -> Solution:
    """Swaps accepted with probability min(1, ratio of likelihoods) (Diaconis 2009); the best state.

    Chains begin at frequency ranks, with noise after the first.
    """
    problem = make(symbols_L, letters, order=order)
    rng = np.random.default_rng(seed)
    if problem.num_symbols == 0 or len(problem.letters_P) < 2:
        return problem.solution(frequency_slots(problem))
    best, best_score = None, -np.inf
    for restart in range(restarts):
        noise = rng.normal(0.0, 0.7, len(problem.letters_P)) if restart else None
        slots = frequency_slots(problem, noise)
        ended, score = climb.anneal(problem, slots, np.ones(proposals), rng)
        if score > best_score:
            best, best_score = ended, score
    return problem.solution(best)
