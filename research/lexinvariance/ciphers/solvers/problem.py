"""A cipher to be solved: which n-grams each symbol is part of, what a key costs, numba's loops.

`tables` holds ln p of all orders, flat; that of order n begins at starts[n - 1]. The n-gram that
ends at t has the letters text[t - n + 1 : t + 1]; at a text's beginning lower orders stand in.
"""

from typing import NamedTuple

import numpy as np

from research.errors import UsageError
from research.lexinvariance.ciphers.letters import LetterNGrams
from research.numba_jit import compiled


class Solution(NamedTuple):
    """A key and what it gives."""

    key_S: np.ndarray
    """int64, the letter (index into the alphabet) of each cipher symbol; distinct."""
    nats: float
    """-ln p(plain text) under the letter model."""
    plain_L: np.ndarray
    """int64, the plain text."""


class Problem(NamedTuple):
    """A cipher text ready for the loops.

    A state is slots int64 [P]: the letter of slot s. Slots 0 to S - 1 are the cipher symbols, the
    rest are letters that nothing stands for; so every state is a permutation, every move a swap.
    """

    symbols_L: np.ndarray
    """int64, the slot at each position; P where a clear space stands."""
    num_symbols: int
    """S."""
    letters_P: np.ndarray
    """int64, letters that can be assigned, in the order of the alphabet; with homophones their
    number is not P."""
    space: int
    """The letter of a clear space."""
    tables: np.ndarray
    """float32, all orders one after the other, flat."""
    starts_N: np.ndarray
    """int64, where each order's table begins."""
    order: int
    base: int
    """`order`, `base`: n and A."""
    first_S1: np.ndarray
    """int64 [P + 1], `ends` of slot s are ends[first[s]:first[s + 1]]."""
    ends: np.ndarray
    """int64, the last positions of the n-grams that a slot is part of."""
    prior_PxA: np.ndarray
    """float64, what is added to the score for each pair of slot and letter."""

    def score(self, slots_P: np.ndarray) -> float:
        """ln p(plain text) + prior of a state, summed from scratch."""
        text_L = self.plain(slots_P)
        total = compiled(score_loop)(text_L, self.tables, self.starts_N, self.order, self.base)
        return float(total) + float(self.prior_PxA[np.arange(len(slots_P)), slots_P].sum())

    def shorter(self, order: int) -> "Problem":
        """The same with n-grams of a lower order, whose tables are there already."""
        if order == self.order:
            return self
        first_S1, ends = _ends(self.symbols_L, len(self.first_S1) - 1, order)
        return self._replace(order=order, first_S1=first_S1, ends=ends)

    def plain(self, slots_P: np.ndarray) -> np.ndarray:
        """The text of a state, int64 [L]."""
        return np.append(np.asarray(slots_P, np.int64), self.space)[self.symbols_L]

    def solution(self, slots_P: np.ndarray) -> Solution:
        """The state as a solution; the prior does not count in its nats."""
        without = self._replace(prior_PxA=np.zeros_like(self.prior_PxA))
        key_S = np.asarray(slots_P[: self.num_symbols], np.int64).copy()
        return Solution(key_S, -without.score(slots_P), self.plain(slots_P))


def make(
    symbols_L: np.ndarray,
    letters: LetterNGrams,
    *,
    order: int | None = None,
    prior_SxA: np.ndarray | None = None,
    homophones: bool = False,
) -> Problem:
    """Prepares a text.

    Args:
      symbols_L: int, cipher symbols 0 to S - 1, -1 where a clear space stands.
      order: uses shorter n-grams than the model has; None: all.
      prior_SxA: log-probabilities of letters, one row for each symbol, which are added to a key's
        score.
      homophones: several symbols may stand for one letter. P is then S, and a state gives each
        symbol any letter (`homophones.py`).

    Raises:
      UsageError: if a key that is one to one has more symbols than letters, or there are clear
        spaces and the model has none.
    """
    symbols_L = np.asarray(symbols_L, np.int64).reshape(-1)
    num_symbols = int(symbols_L.max(initial=-1)) + 1
    order = letters.order if order is None else order
    if not 1 <= order <= letters.order:
        raise UsageError(f"order must lie in 1..{letters.order}, not {order}")
    base, space = len(letters.alphabet), letters.alphabet.find(" ")
    clear = bool((symbols_L < 0).any())
    if clear and space < 0:
        raise UsageError("the text has clear spaces, and this letter model knows no spaces")
    letters_P = np.asarray([a for a in range(base) if not (clear and a == space)], np.int64)
    num_slots = num_symbols if homophones else len(letters_P)
    if num_symbols > num_slots:
        raise UsageError(
            f"the text has {num_symbols} cipher symbols, the letter model {len(letters_P)} letters"
        )
    slots = np.where(symbols_L < 0, num_slots, symbols_L)
    every = [*letters.lower, letters.log_p][:order]
    tables = np.concatenate([np.ravel(table) for table in every]).astype(np.float32, copy=False)
    starts_N = np.cumsum([0, *(base**n for n in range(1, order))]).astype(np.int64)
    first_S1, ends = _ends(slots, num_slots, order)
    prior_PxA = np.zeros((num_slots, base))
    if prior_SxA is not None:
        prior_PxA[:num_symbols] = prior_SxA
    return Problem(
        slots, num_symbols, letters_P, max(space, 0), tables, starts_N, order, base, first_S1,
        ends, prior_PxA,
    )  # fmt: skip


def _ends(slots_L, num_slots, order):
    """For each slot the last positions of the n-grams that hold it, as one array with borders."""
    length, lists = len(slots_L), []
    for slot in range(num_slots):
        marked = np.zeros(length + order, bool)
        for place in np.flatnonzero(slots_L == slot):
            marked[place : place + order] = True
        lists.append(np.flatnonzero(marked[:length]))
    first = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return first, np.concatenate([*lists, np.zeros(0, np.int64)]).astype(np.int64)


def frequency_slots(problem: Problem, noise: np.ndarray | None = None) -> np.ndarray:
    """The most frequent symbol gets the most frequent letter, and so on, int64 [P].

    Args:
      noise: float [P], added to the logarithm of the symbols' frequencies before ranking.
    """
    size = len(problem.letters_P)
    counts_P = np.bincount(problem.symbols_L, minlength=size + 1)[:size].astype(np.float64)
    rank_by = np.log(counts_P + 0.5)
    if noise is not None:
        rank_by += noise
    unigram_A = problem.tables[: problem.base]
    letters = problem.letters_P[np.argsort(-unigram_A[problem.letters_P], kind="stable")]
    slots_P = np.empty(size, np.int64)
    slots_P[np.argsort(-rank_by, kind="stable")] = letters
    return slots_P


def score_loop(text, tables, starts, order, base):
    """ln p of a text."""
    total = 0.0
    for t in range(len(text)):
        n = min(order, t + 1)
        code = 0
        for i in range(t - n + 1, t + 1):
            code = code * base + text[i]
        total += tables[starts[n - 1] + code]
    return total


def anneal_loop(
    slots, symbols, num_symbols, space, tables, starts, order, base, first, ends, prior,
    temperatures, proposals, best, burn_in, counts,
):  # fmt: skip
    """Runs swaps; `slots` becomes the last state, `best` the best. At temperature 1: Metropolis.

    Args:
      temperatures: float64 [T], one for each proposal; 0 accepts improvements only.
      proposals: float64 [T, 3] uniform in [0, 1): the two slots and the acceptance.
      counts: float64 [P, A], of the states after `burn_in` those in which a slot has a letter are
        added, in place; or empty.

    Returns:
      The best state's score.
    """
    size = len(slots)
    length = len(symbols)
    text = np.empty(length, np.int64)
    places = np.zeros(size + 1, np.int64)
    for t in range(length):
        text[t] = space if symbols[t] == size else slots[symbols[t]]
        places[symbols[t]] += 1
    # Where each slot stands in the text.
    where_first = np.zeros(size + 2, np.int64)
    for s in range(size + 1):
        where_first[s + 1] = where_first[s] + places[s]
    where = np.empty(length, np.int64)
    at = where_first[:-1].copy()
    for t in range(length):
        where[at[symbols[t]]] = t
        at[symbols[t]] += 1
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
    for s in range(size):
        total += prior[s, slots[s]]
    best_total = total
    best[:] = slots
    stamp = np.full(length, -1, np.int64)
    since = np.zeros(size, np.int64)
    for step in range(len(temperatures)):
        a = min(int(proposals[step, 0] * num_symbols), num_symbols - 1)
        b = min(int(proposals[step, 1] * (size - 1)), size - 2)
        if b >= a:
            b += 1
        letter_a, letter_b = slots[a], slots[b]
        for i in range(where_first[a], where_first[a + 1]):
            text[where[i]] = letter_b
        for i in range(where_first[b], where_first[b + 1]):
            text[where[i]] = letter_a
        change = prior[a, letter_b] + prior[b, letter_a] - prior[a, letter_a] - prior[b, letter_b]
        for slot in (a, b):
            for i in range(first[slot], first[slot + 1]):
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
        if change >= 0 or (heat > 0 and proposals[step, 2] < np.exp(change / heat)):
            if len(counts) > 0:  # what a slot's letter has been since it last changed
                for slot in (a, b):
                    if step > burn_in:
                        counts[slot, slots[slot]] += step - max(since[slot], burn_in)
                    since[slot] = step
            slots[a], slots[b] = letter_b, letter_a
            total += change
            for slot in (a, b):
                for i in range(first[slot], first[slot + 1]):
                    value[ends[i]] = fresh[ends[i]]
            if total > best_total + 1e-9:
                best_total = total
                best[:] = slots
        else:
            for i in range(where_first[a], where_first[a + 1]):
                text[where[i]] = letter_a
            for i in range(where_first[b], where_first[b + 1]):
                text[where[i]] = letter_b
    for slot in range(len(counts)):
        counts[slot, slots[slot]] += len(temperatures) - max(since[slot], burn_in)
    return best_total


def extend_loop(
    assigned, scores, used, symbol, symbols, space, ends_done, tables, starts, order, base,
    letters, out_scores,
):  # fmt: skip
    """Scores of giving `symbol` each letter in each hypothesis of a beam, in place.

    Args:
      assigned: int64 [H, P], letters so far, -1 unknown.
      scores: float64 [H].
      used: bool [H, A].
      ends_done: last positions of the n-grams that are whole once `symbol` is known.
      out_scores: float64 [H, P], by place in `letters`; -inf for a used letter.
    """
    size = assigned.shape[1]
    for h in range(assigned.shape[0]):
        for p in range(len(letters)):
            letter = letters[p]
            if used[h, letter]:
                out_scores[h, p] = -np.inf
                continue
            total = scores[h]
            for i in range(len(ends_done)):
                t = ends_done[i]
                n = min(order, t + 1)
                code = 0
                for j in range(t - n + 1, t + 1):
                    slot = symbols[j]
                    if slot == size:
                        here = space
                    elif slot == symbol:
                        here = letter
                    else:
                        here = assigned[h, slot]
                    code = code * base + here
                total += tables[starts[n - 1] + code]
            out_scores[h, p] = total
