"""Homophonic ciphers: several symbols may stand for one letter, and each is chosen at random.

The score of a key is ln p(plain text) under the n-grams + ln p(cipher text | plain text, key).
Without the second term the best key would write one common word all over. A letter that occurs n
times and has h symbols, with any frequencies (uniform on the simplex), gives them the counts n_s
with probability

    (h - 1)! prod n_s! / (n + h - 1)!

Products of n_s! are the same for every key, so a move changes the terms of two letters alone.

A restart is one annealed run: a symbol is given another letter, or two symbols change letters. It
begins with trigrams, whose table stays in the cache, and goes on with all n-grams.
"""

import math

import numpy as np

from research.lexinvariance.ciphers.letters import LetterNGrams
from research.lexinvariance.ciphers.solvers import problem as problems
from research.lexinvariance.ciphers.solvers.problem import Problem
from research.numba_jit import compiled

ROUGH = 3  # n of the short n-grams
# Proposals of a restart for each symbol: with short n-grams, with all of them.
HOT, COOL, POLISH = 4_000, 6_000, 200
# Temperatures in nats.
HOT_NATS, COOL_NATS = (25.0, 6.0), (10.0, 2.0)


def make(
    symbols_L: np.ndarray, letters: LetterNGrams, *, prior_SxA: np.ndarray | None = None
) -> Problem:
    """Prepares a text; arguments as `problem.make`."""
    return problems.make(symbols_L, letters, prior_SxA=prior_SxA, homophones=True)


def restart(problem: Problem, *, seed: int) -> tuple[np.ndarray, float]:
    """Where one annealed run ends: the letter of each symbol, int64 [S], and its score in nats."""
    rng = np.random.default_rng(seed)
    symbols = problem.num_symbols
    slots_S, _ = rough(problem, rng, HOT)
    cool_T = np.geomspace(*COOL_NATS, COOL * symbols)
    return anneal(problem, slots_S, np.append(cool_T, np.zeros(POLISH * symbols)), rng)


def rough(
    problem: Problem, rng: np.random.Generator, proposals: int = HOT // 8
) -> tuple[np.ndarray, float]:
    """Where a run with short n-grams ends, and its score.

    Args:
      proposals: for each symbol.
    """
    unigram_A = np.exp(problem.tables[: problem.base].astype(np.float64))[problem.letters_P]
    slots_S = rng.choice(problem.letters_P, problem.num_symbols, p=unigram_A / unigram_A.sum())
    temperatures_T = np.geomspace(*HOT_NATS, proposals * problem.num_symbols)
    return anneal(problem.shorter(min(ROUGH, problem.order)), slots_S, temperatures_T, rng)


def anneal(
    problem: Problem,
    slots_S: np.ndarray,
    temperatures_T: np.ndarray,
    rng: np.random.Generator,
    counts_SxA: np.ndarray | None = None,
) -> tuple[np.ndarray, float]:
    """The best state, and its score, of a run of moves from `slots_S` (left as it is).

    Args:
      counts_SxA: how often each symbol has each letter after a tenth of the run is added to it.
    """
    slots, best, steps = slots_S.astype(np.int64), np.empty_like(slots_S), len(temperatures_T)
    counts = np.zeros((0, 0)) if counts_SxA is None else counts_SxA
    score = compiled(move_loop)(
        slots, problem.symbols_L, problem.letters_P, problem.space, problem.tables,
        problem.starts_N, problem.order, problem.base, problem.first_S1, problem.ends,
        problem.prior_PxA, temperatures_T, rng.random((steps, 4)), best, steps // 10, counts,
    )  # fmt: skip
    return best, float(score)


def plain_score(problem: Problem, key_S: np.ndarray) -> float:
    """ln p(plain text) of a key, without the prior."""
    return problem._replace(prior_PxA=np.zeros_like(problem.prior_PxA)).score(key_S)


def choice_nats(symbols_L: np.ndarray, key_S: np.ndarray) -> float:
    """-ln p(cipher text | plain text, key): what it takes to say which symbols were chosen.

    Args:
      symbols_L: -1 where a clear space stands.
      key_S: the letter of each symbol.
    """
    counts_S = np.bincount(symbols_L[symbols_L >= 0], minlength=len(key_S))
    total = -sum(math.lgamma(count + 1) for count in counts_S)
    for letter in np.unique(key_S):
        own = key_S == letter
        total += math.lgamma(counts_S[own].sum() + own.sum()) - math.lgamma(own.sum())
    return total


def move_loop(
    slots, symbols, letters, space, tables, starts, order, base, first, ends, prior, temperatures,
    proposals, best, burn_in, counts,
):  # fmt: skip
    """Runs moves; `slots` becomes the last state, `best` the best. Arguments as `anneal_loop`'s.

    Args:
      letters: those that a symbol may have.
      proposals: float64 [T, 4] uniform in [0, 1): symbol, kind of move, letter or other symbol, and
        acceptance.

    Returns:
      The best state's score, without the part of the symbols' choice that no key changes.
    """
    size = len(slots)
    length = len(symbols)
    text = np.empty(length, np.int64)
    places = np.zeros(size + 1, np.int64)
    for t in range(length):
        text[t] = space if symbols[t] == size else slots[symbols[t]]
        places[symbols[t]] += 1
    where_first = np.zeros(size + 2, np.int64)
    for s in range(size + 1):
        where_first[s + 1] = where_first[s] + places[s]
    where = np.empty(length, np.int64)
    at = where_first[:-1].copy()
    for t in range(length):
        where[at[symbols[t]]] = t
        at[symbols[t]] += 1
    log_gamma = np.zeros(length + size + 2)
    for n in range(3, length + size + 2):
        log_gamma[n] = log_gamma[n - 1] + np.log(n - 1.0)
    uses, homophones = np.zeros(base, np.int64), np.zeros(base, np.int64)
    for s in range(size):
        uses[slots[s]] += places[s]
        homophones[slots[s]] += 1
    value = np.empty(length, np.float64)
    fresh = np.empty(length, np.float64)
    total = 0.0
    for t in range(length):
        n = min(order, t + 1)
        code = 0
        for i in range(t - n + 1, t + 1):
            code = code * base + text[i]
        value[t] = tables[starts[n - 1] + code]
        total += value[t]
    for a in range(base):
        total -= log_gamma[uses[a] + homophones[a]] - log_gamma[homophones[a]]
    for s in range(size):
        total += prior[s, slots[s]]
    best_total = total
    best[:] = slots
    stamp = np.full(length, -1, np.int64)
    since = np.zeros(size, np.int64)
    pair = np.zeros(2, np.int64)
    for step in range(len(temperatures)):
        a = min(int(proposals[step, 0] * size), size - 1)
        old_a = slots[a]
        swapped = proposals[step, 1] < 0.3
        b = a
        if swapped:
            b = min(int(proposals[step, 2] * size), size - 1)
            new_a = slots[b]
        else:
            new_a = letters[min(int(proposals[step, 2] * len(letters)), len(letters) - 1)]
        if new_a == old_a:
            continue
        pair[0], pair[1] = a, b
        moved = 2 if swapped else 1
        uses_old, uses_new = uses[old_a] - places[a], uses[new_a] + places[a]
        more_old, more_new = homophones[old_a], homophones[new_a]
        change = prior[a, new_a] - prior[a, old_a]
        if swapped:
            uses_old, uses_new = uses_old + places[b], uses_new - places[b]
            change += prior[b, old_a] - prior[b, new_a]
        else:
            more_old, more_new = more_old - 1, more_new + 1
        change += log_gamma[uses[old_a] + homophones[old_a]] - log_gamma[homophones[old_a]]
        change += log_gamma[uses[new_a] + homophones[new_a]] - log_gamma[homophones[new_a]]
        change -= log_gamma[uses_old + more_old] - log_gamma[more_old]
        change -= log_gamma[uses_new + more_new] - log_gamma[more_new]
        for i in range(where_first[a], where_first[a + 1]):
            text[where[i]] = new_a
        if swapped:
            for i in range(where_first[b], where_first[b + 1]):
                text[where[i]] = old_a
        for m in range(moved):
            for i in range(first[pair[m]], first[pair[m] + 1]):
                t = ends[i]
                if stamp[t] == step:
                    continue
                stamp[t] = step
                n = min(order, t + 1)
                code = 0
                for j in range(t - n + 1, t + 1):
                    code = code * base + text[j]
                fresh[t] = tables[starts[n - 1] + code]
                change += fresh[t] - value[t]
        heat = temperatures[step]
        if change >= 0 or (heat > 0 and proposals[step, 3] < np.exp(change / heat)):
            for m in range(moved):
                slot = pair[m]
                if len(counts) > 0:  # what a symbol's letter has been since it last changed
                    if step > burn_in:
                        counts[slot, slots[slot]] += step - max(since[slot], burn_in)
                    since[slot] = step
                for i in range(first[slot], first[slot + 1]):
                    value[ends[i]] = fresh[ends[i]]
            slots[a] = new_a
            if swapped:
                slots[b] = old_a
            uses[old_a], uses[new_a] = uses_old, uses_new
            homophones[old_a], homophones[new_a] = more_old, more_new
            total += change
            if total > best_total + 1e-9:
                best_total = total
                best[:] = slots
        else:
            for i in range(where_first[a], where_first[a + 1]):
                text[where[i]] = old_a
            if swapped:
                for i in range(where_first[b], where_first[b + 1]):
                    text[where[i]] = new_a
    for slot in range(len(counts)):
        counts[slot, slots[slot]] += len(temperatures) - max(since[slot], burn_in)
    return best_total
