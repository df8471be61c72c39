"""Other solvers, to measure `climb.solve` against: frequency ranks, Metropolis, beam search.

Beam search over partial keys is Nuhn, Schamper and Ney's (2013, section 4): symbols are decided one
after the other, in an order that completes as many n-grams as early as it can. All hypotheses of a
step have decided the same symbols, so exactly the same n-grams are whole in each, and scores of
whole n-grams compare as they are.
"""

from collections import Counter

import numpy as np

from research.lexinvariance.ciphers.letters import LetterNGrams
from research.lexinvariance.ciphers.solvers import climb
from research.lexinvariance.ciphers.solvers.problem import (
    Problem,
    Solution,
    extend_loop,
    frequency_slots,
    make,
)
from research.numba_jit import compiled

CHAINS, PROPOSALS = 4, 20_000  # of the Metropolis sampler


def frequency(symbols_L: np.ndarray, letters: LetterNGrams) -> Solution:
    """The most frequent symbol is the most frequent letter, and so on."""
    problem = make(symbols_L, letters, order=1)
    return problem.solution(frequency_slots(problem))


def metropolis(
    symbols_L: np.ndarray, letters: LetterNGrams, *, seed: int, order: int = 2
) -> Solution:
    """Swaps accepted with probability min(1, ratio of likelihoods) (Diaconis 2009); the best state.

    Chains begin at frequency ranks, with noise after the first.
    """
    problem = make(symbols_L, letters, order=order)
    rng = np.random.default_rng(seed)
    if problem.num_symbols == 0 or len(problem.letters_P) < 2:
        return problem.solution(frequency_slots(problem))
    best, best_score = frequency_slots(problem), -np.inf
    for restart in range(CHAINS):
        noise = rng.normal(0.0, 0.7, len(problem.letters_P)) if restart else None
        slots = frequency_slots(problem, noise)
        ended, score = climb.anneal(problem, slots, np.ones(PROPOSALS), rng)
        if score > best_score:
            best, best_score = ended, score
    return problem.solution(best)


def beam_search(symbols_L: np.ndarray, letters: LetterNGrams, *, width: int) -> Solution:
    """The best whole key of a beam of `width` hypotheses.

    Raises:
      UsageError: if the text and the model do not fit together.
    """
    problem = make(symbols_L, letters)
    size, base = len(problem.letters_P), problem.base
    assigned = np.full((1, size), -1, np.int64)
    used, scores = np.zeros((1, base), bool), np.zeros(1)
    for symbol, done in extension_order(problem):
        out = np.empty((len(scores), size))
        compiled(extend_loop)(
            assigned, scores, used, symbol, problem.symbols_L, problem.space, done,
            problem.tables, problem.starts_N, problem.order, base, problem.letters_P, out,
        )  # fmt: skip
        flat = out.reshape(-1)
        keep = min(width, int(np.isfinite(flat).sum()))
        # Stable among equals, so that the same text always gives the same key.
        chosen = np.argsort(-flat, kind="stable")[:keep]
        rows, places = np.divmod(chosen, size)
        scores = flat[chosen]
        assigned, used = assigned[rows].copy(), used[rows].copy()
        assigned[:, symbol] = problem.letters_P[places]
        used[np.arange(keep), problem.letters_P[places]] = True
    key_S = assigned[int(np.argmax(scores)), : problem.num_symbols]
    return problem.solution(climb.slots_of(problem, key_S))


def extension_order(problem: Problem) -> list[tuple[int, np.ndarray]]:
    """(symbol, last positions of the n-grams that it completes), as they are to be decided.

    Greedy: the symbol that completes the most n-grams; among equals the more frequent one.
    """
    symbols_L, size = problem.symbols_L, len(problem.letters_P)
    missing = [
        set(symbols_L[max(0, t - problem.order + 1) : t + 1].tolist()) - {size}
        for t in range(len(symbols_L))
    ]
    counts = np.bincount(symbols_L, minlength=size + 1)
    left, order_of = set(range(problem.num_symbols)), []
    # n-grams of clear spaces alone are whole from the start, and the same for every key.
    while left:
        gains = Counter(symbol for inside in missing if len(inside) == 1 for symbol in inside)
        symbol = max(left, key=lambda s: (gains[s], counts[s], -s))
        done = [t for t, inside in enumerate(missing) if inside == {symbol}]
        for inside in missing:
            inside.discard(symbol)
        left.remove(symbol)
        order_of.append((symbol, np.asarray(done, np.int64)))
    return order_of
