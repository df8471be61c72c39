"""In-context n-grams: language models that know nothing but the sequence so far.

Position t is predicted from ids[:t] of its own sequence alone. An order-n model looks at what
followed earlier occurrences of the last n ids, and mixes that with the order below (Witten-Bell
interpolation, whose escape is PPM-C's):

    p_n(x | h) = (count(h x) + types(h) p_{n-1}(x | h')) / (total(h) + types(h)),   total(h) > 0
    p_n(x | h) = p_{n-1}(x | h')                                                    otherwise

h: the last n ids; h': h without its first; total(h): how often h was followed by anything;
types(h): by how many different ids. Below order 0, the ids that have not occurred share equally:
with k of V seen in t positions, a new one has p_0 = k / (t + k) / (V - k), or 1 / V at t = 0.

Nothing depends on which id is which, so these models are lexinvariant by construction: ids are
first renamed by order of first occurrence, and the numbers are equal to the bit under any
permutation of ids. They are the floor that a lexinvariant Transformer has to beat (the paper has
none), and the references of the automata task (arXiv 2401.12973, where n-grams back off).

Counts are exact integers, by numba where it is there and by numpy otherwise, so both give equal
numbers. Rows need not be equally long: what follows a position has no influence on it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from research import numba_jit
from research.errors import UsageError

MAX_ORDER = 5


class Counts(NamedTuple):
    """What the sequence so far says, for each order n = 0..N-1; int32 [N, B, L] each."""

    total_NxBxL: np.ndarray
    """How often the last n ids occurred before, with something after them."""
    types_NxBxL: np.ndarray
    """How many different ids came after them."""
    hits_NxBxL: np.ndarray
    """How often the id at this position did."""


def nats(ids_BxL: np.ndarray, *, vocab_size: int, order: int = MAX_ORDER) -> np.ndarray:
    """-ln p(ids[l] | ids[:l]) under the models of orders 0..order, float64 [order + 1, B, L].

    Args:
      ids_BxL: integers in [0, vocab_size); entry l scores ids[:, l], the first one too.
      vocab_size: V.
      order: ids of context of the longest model.

    Raises:
      UsageError: if an id is out of range, or the order below 0.
    """
    ids_BxL = _checked(ids_BxL, vocab_size, order)
    counts = context_counts(ids_BxL, order)
    return -np.log(_mixed(counts, vocab_size))


def distributions(ids_BxL: np.ndarray, *, vocab_size: int, order: int = MAX_ORDER) -> np.ndarray:
    """The whole distributions of the model of this order, float64 [B, L, V].

    Entry l is p(. | ids[:l]); to predict what follows a whole sequence, append any id to it.
    Memory: B * L * V * 8 bytes.

    Raises:
      UsageError: as `nats`.
    """
    ids_BxL = _checked(ids_BxL, vocab_size, order)
    ranks_BxL, num_seen = first_occurrence(ids_BxL)
    batch, length = ranks_BxL.shape
    by_rank_BxLxV = np.zeros((batch, length, vocab_size))
    for position, counts_NxBxA in enumerate(_scan(ranks_BxL, order, num_seen)):
        # One more column stands for the ids that have not occurred.
        new_NxBx1 = np.zeros((order + 1, batch, 1), np.int64)
        hits_NxBxA = np.concatenate([counts_NxBxA, new_NxBx1], axis=2)
        total_NxBx1 = counts_NxBxA.sum(axis=2, keepdims=True)
        types_NxBx1 = np.count_nonzero(counts_NxBxA, axis=2, keepdims=True)
        table = _mixed(Counts(total_NxBx1, types_NxBx1, hits_NxBxA), vocab_size)[-1]
        seen_Bx1 = types_NxBx1[0]
        by_rank_BxLxV[:, position] = np.where(
            np.arange(vocab_size)[None] < seen_Bx1,
            np.pad(table[:, :-1], ((0, 0), (0, vocab_size - num_seen))),
            table[:, -1:],
        )
    return np.take_along_axis(by_rank_BxLxV, rank_of_id(ids_BxL, ranks_BxL, vocab_size), axis=2)


def context_counts(ids_BxL: np.ndarray, order: int) -> Counts:
    """The integers behind `nats`, all orders at once.

    Time L^2 for each row (a comparison of every two positions), memory 3 * N * B * L int32.
    """
    ranks_BxL, num_seen = first_occurrence(ids_BxL)
    shape = (order + 1, *ranks_BxL.shape)
    counts = Counts(*(np.zeros(shape, np.int32) for _ in range(3)))
    if numba_jit.available():
        numba_jit.compiled(_count)(ranks_BxL, num_seen, *counts)
        return counts
    for position, counts_NxBxA in enumerate(_scan(ranks_BxL, order, num_seen)):
        here_1xBx1 = ranks_BxL[None, :, position, None]
        counts.total_NxBxL[:, :, position] = counts_NxBxA.sum(axis=2)
        counts.types_NxBxL[:, :, position] = np.count_nonzero(counts_NxBxA, axis=2)
        hits_NxBx1 = np.take_along_axis(counts_NxBxA, here_1xBx1, axis=2)
        counts.hits_NxBxL[:, :, position] = hits_NxBx1[:, :, 0]
    return counts


def first_occurrence(ids_BxL: np.ndarray) -> tuple[np.ndarray, int]:
    """Each id's rank by first occurrence in its row, int32 [B, L], and the most ids of a row.

    The first id of a row becomes 0, the next different one 1, and so on: equal for two rows just
    when a renaming of ids takes one to the other.
    """
    ranks_BxL = np.zeros(np.shape(ids_BxL), np.int32)
    for row, ids_L in enumerate(ids_BxL):
        _, first, inverse = np.unique(ids_L, return_index=True, return_inverse=True)
        ranks_BxL[row] = np.argsort(np.argsort(first))[inverse]
    return ranks_BxL, int(ranks_BxL.max(initial=-1)) + 1


def rank_of_id(ids_BxL: np.ndarray, ranks_BxL: np.ndarray, vocab_size: int) -> np.ndarray:
    """The rank of every id of V, int64 [B, 1, V]; those that a row lacks come last, all alike."""
    ranks_BxV = np.full((len(ids_BxL), vocab_size), vocab_size - 1)
    np.put_along_axis(ranks_BxV, ids_BxL, ranks_BxL, axis=1)
    return ranks_BxV[:, None]


def _mixed(counts: Counts, vocab_size: int) -> np.ndarray:
    """Probabilities of all orders, float64 [N, ...], from counts [N, ...] that broadcast."""
    total, types, hits = (array.astype(np.float64) for array in counts)
    new = vocab_size - types[0]  # ids that have not occurred
    escape = np.where(new > 0, types[0], 0.0)
    known = hits[0] / np.maximum(total[0] + escape, 1.0)
    share = np.where(total[0] > 0, types[0] / np.maximum(total[0] + escape, 1.0), 1.0)
    below = np.where(hits[0] > 0, known, share / np.maximum(new, 1.0))
    by_order = [below]
    for n in range(1, len(total)):
        mixed = (hits[n] + types[n] * below) / np.maximum(total[n] + types[n], 1.0)
        below = np.where(total[n] > 0, mixed, below)
        by_order.append(below)
    return np.stack(by_order)


def _scan(ranks_BxL: np.ndarray, order: int, num_seen: int) -> Iterator[np.ndarray]:
    """For each position: how often each id followed the last n ids, int64 [N, B, A]."""
    batch, length = ranks_BxL.shape
    rows_Bx1 = np.arange(batch)[:, None]
    # match[b, j]: ids that the contexts of j and of this position have in common, N - 1 at most.
    match_BxL = np.zeros((batch, length), np.int64)
    for position in range(length):
        if position:
            same = ranks_BxL[:, : position - 1] == ranks_BxL[:, position - 1, None]
            longer = np.minimum(match_BxL[:, : position - 1] + 1, order)
            match_BxL[:, 1:position] = np.where(same, longer, 0)
        counts_NxBxA = np.zeros((order + 1, batch, num_seen), np.int64)
        where = (match_BxL[:, :position], rows_Bx1, ranks_BxL[:, :position])
        np.add.at(counts_NxBxA, where, 1)
        yield np.cumsum(counts_NxBxA[::-1], axis=0)[::-1]


def _count(ranks, num_seen, total, types, hits):
    """`context_counts` as loops for numba; the last three are filled in."""
    order = total.shape[0] - 1
    for row in range(ranks.shape[0]):
        match = np.zeros(ranks.shape[1], np.int64)
        longest = np.empty(num_seen, np.int64)
        for position in range(ranks.shape[1]):
            for j in range(position - 1, 0, -1):
                same = ranks[row, j - 1] == ranks[row, position - 1]
                match[j] = min(order, match[j - 1] + 1) if same else 0
            longest[:] = -1
            for j in range(position):
                symbol = ranks[row, j]
                total[match[j], row, position] += 1
                if symbol == ranks[row, position]:
                    hits[match[j], row, position] += 1
                for n in range(longest[symbol] + 1, match[j] + 1):
                    types[n, row, position] += 1
                longest[symbol] = max(longest[symbol], match[j])
            for n in range(order - 1, -1, -1):
                total[n, row, position] += total[n + 1, row, position]
                hits[n, row, position] += hits[n + 1, row, position]


def _checked(ids_BxL, vocab_size: int, order: int) -> np.ndarray:
    ids_BxL = np.asarray(ids_BxL)
    if order < 0:
        raise UsageError(f"the order of an n-gram is at least 0, not {order}")
    if ids_BxL.size and not 0 <= ids_BxL.min() <= ids_BxL.max() < vocab_size:
        raise UsageError(
            f"ids from {ids_BxL.min()} to {ids_BxL.max()} do not fit a vocabulary of {vocab_size}"
        )
    return ids_BxL.astype(np.int64)
