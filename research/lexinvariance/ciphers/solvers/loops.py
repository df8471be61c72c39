"""Inner loops of the solvers, for numba: scores, and runs of swaps.

`tables` holds ln p of all orders, flat; that of order n begins at starts[n - 1]. The n-gram that
ends at position t has the letters text[t - n + 1 : t + 1]; at the beginning of a text the lower
orders stand in. numba compiles each function together with those it is given as arguments.
"""

import numpy as np


def score(text, tables, starts, order, base):
    """ln p of a text."""
    total = 0.0
    for t in range(len(text)):
        n = min(order, t + 1)
        code = 0
        for i in range(t - n + 1, t + 1):
            code = code * base + text[i]
        total += tables[starts[n - 1] + code]
    return total


def anneal(
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


def extend(
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
