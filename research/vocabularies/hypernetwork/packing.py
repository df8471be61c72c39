"""Pieces of tokens -> arrays of a fixed shape with hardly any empty slot.

Most tokens have two or three pieces, so a rectangle of tokens by 7 slots is two thirds empty. Here
tokens are sorted by length into buckets as wide as they are, laid end to end: matrices are applied
to all slots at once, attention to each bucket's own small rectangle. How many tokens a bucket
takes is fixed (one compiled step serves every tokenizer), with some room above what the tokenizers
looked at had. A token that finds no bucket of its length takes a wider one; only if those are full
as well a narrower one, and then, as for every token longer than the widest, its last slot stands
for all pieces that are left. No piece is ever dropped.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from research.errors import UsageError

_QUANTUM = 16  # tokens of a bucket come in these, so that nearly equal layouts are equal


@dataclasses.dataclass(frozen=True)
class Layout:
    """Shapes of packed tokens; static under `jax.jit`."""

    groups: int
    """G, equal parts that devices can take; arrays begin with this axis."""
    widths: tuple[int, ...]
    """Slots of a token in each bucket, ascending."""
    tokens: tuple[int, ...]
    """Tokens of each bucket in one group."""
    tails: int
    """M, places of a group for pieces beyond their token's slots."""

    @property
    def rows(self) -> int:
        """R, tokens in all groups: rows of the predicted table."""
        return self.groups * sum(self.tokens)

    @property
    def slots(self) -> int:
        """N, slots of a group."""
        return sum(w * t for w, t in zip(self.widths, self.tokens, strict=True))


class Packed(NamedTuple):
    """What the network reads. Row r of the table is token r % (R / G) of group r // (R / G)."""

    ids_GxN: Any
    """Int32, the source's piece in each slot."""
    counts_GxN: Any
    """Int32, pieces that the slot stands for; 0: the slot is empty."""
    tail_ids_GxM: Any
    """Int32, further pieces, added to the vectors of."""
    tail_slots_GxM: Any
    """Int32, these slots; N where the place is not used."""


def layout_for(
    counts: Sequence[np.ndarray],
    *,
    rows: int,
    max_slots: int,
    groups: int = 1,
    margin: float = 0.05,
    widths: Sequence[int] | None = None,
) -> Layout:
    """The layout with room for vocabularies like those given.

    Args:
      counts: pieces of each token, int [T], of one vocabulary or more; T <= rows.
      rows: least R.
      margin: room above the largest seen, as a share of it, in every bucket but the shortest, and
        four times as much for tails.
      widths: of the buckets, the last being max_slots; None: 1, 2, 3, 4, 6, 8, 12, ...

    Raises:
      UsageError: if a vocabulary has more tokens than `rows`.
    """
    widths = tuple(widths or _widths(max_slots))
    if (most := max(map(len, counts))) > rows:
        raise UsageError(f"a vocabulary of {most} tokens does not fit {rows} rows")
    share = -(-rows // groups)
    at_least = []  # tokens of a group that need bucket c or a wider one
    for narrower in (0, *widths[:-1]):
        seen = max(int(np.sum(one > narrower)) for one in counts)
        room = min(share, -(-int(seen * (1 + margin)) // groups))
        at_least.append(min(share, _rounded_up(room)) if narrower else share)
    at_least.append(0)
    tokens = tuple(at_least[c] - at_least[c + 1] for c in range(len(widths)))
    pairs = [pair for pair in zip(widths, tokens, strict=True) if pair[1]]
    layout = Layout(groups, *(tuple(part) for part in zip(*pairs, strict=True)), tails=0)
    used = max(_tails(layout, one)[1].max(initial=0) for one in counts)
    return dataclasses.replace(layout, tails=_rounded_up(int(used * (1 + 4 * margin)) + 1))


def place(layout: Layout, counts_T: np.ndarray) -> np.ndarray:
    """The row of each token, int64 [T], distinct and below R; ties in the order given.

    Raises:
      UsageError: if there are more tokens than rows.
    """
    if len(counts_T) > layout.rows:
        raise UsageError(f"a vocabulary of {len(counts_T)} tokens does not fit {layout.rows} rows")
    # What is left over is in the first, narrowest rows: so the long tokens have most room.
    rank_T = np.empty(len(counts_T), np.int64)
    rank_T[np.argsort(counts_T, kind="stable")] = np.arange(len(counts_T))
    rank_T += layout.rows - len(counts_T)
    ends = np.cumsum(layout.tokens)
    bucket_T = np.searchsorted(ends * layout.groups, rank_T, side="right")
    starts = ends - layout.tokens
    inside_T = rank_T - starts[bucket_T] * layout.groups
    group_T, index_T = inside_T % layout.groups, inside_T // layout.groups
    return group_T * ends[-1] + starts[bucket_T] + index_T


def fitting(layout: Layout, counts_T: np.ndarray, needed_T: np.ndarray) -> np.ndarray:
    """Which tokens' pieces fit, bool [T]: of those not needed, the longest go first.

    Raises:
      UsageError: if the needed ones alone do not fit.
    """
    fits_T = np.ones(len(counts_T), bool)
    while True:
        tokens_M = np.flatnonzero(fits_T)
        tails_M, sums_G = _tails(layout, counts_T[tokens_M])
        excess = int(sums_G.max(initial=0)) - layout.tails
        if excess <= 0:
            return fits_T
        free_N = np.flatnonzero((tails_M > 0) & ~needed_T[tokens_M])
        if not len(free_N):
            raise UsageError(
                f"the pieces of this step's tokens do not fit: {layout.tails + excess} of them lie "
                f"beyond their slots, there is room for {layout.tails}; use a larger margin"
            )
        free_N = free_N[np.argsort(-tails_M[free_N], kind="stable")]
        enough = np.searchsorted(np.cumsum(tails_M[free_N]), excess) + 1
        fits_T[tokens_M[free_N[:enough]]] = False


def pack(pieces: Any, layout: Layout) -> tuple[Packed, np.ndarray]:
    """Packs tokens, and says where they are.

    Args:
      pieces: ids_N int32 and start_T int [T + 1], as `research.tokenizers.Pieces`.

    Returns:
      The arrays, and the row of each token, int64 [T].

    Raises:
      UsageError: if there are more tokens than rows, or more pieces beyond their tokens' slots
        than places for them.
    """
    counts_T = np.diff(pieces.start_T)
    row_T = place(layout, counts_T)
    width_T, slot_T, group_T = _where(layout, row_T)
    slots = layout.slots
    ids = np.zeros(layout.groups * slots, np.int32)
    counts = np.zeros(layout.groups * slots, np.int32)
    token_N = np.repeat(np.arange(len(counts_T)), counts_T)
    index_N = np.arange(len(token_N)) - np.asarray(pieces.start_T)[token_N]
    target_N = slot_T[token_N] + np.minimum(index_N, width_T[token_N] - 1)
    first_N = index_N < width_T[token_N]
    ids[target_N[first_N]] = pieces.ids_N[first_N]
    counts += np.bincount(target_N, minlength=len(counts)).astype(np.int32)
    tail_ids = np.zeros((layout.groups, layout.tails), np.int32)
    tail_slots = np.full((layout.groups, layout.tails), slots, np.int32)
    rest_M = np.flatnonzero(~first_N)
    for group in np.unique(group_T[token_N[rest_M]]):
        mine = rest_M[group_T[token_N[rest_M]] == group]
        if len(mine) > layout.tails:
            raise UsageError(
                f"{len(mine)} pieces beyond their tokens' slots, room for {layout.tails}: use a "
                "layout made for this vocabulary"
            )
        tail_ids[group, : len(mine)] = pieces.ids_N[mine]
        tail_slots[group, : len(mine)] = target_N[mine] - group * slots
    shape = (layout.groups, slots)
    return Packed(ids.reshape(shape), counts.reshape(shape), tail_ids, tail_slots), row_T


def _widths(max_slots: int) -> list[int]:
    common = [width for width in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32) if width < max_slots]
    return [*common, max_slots]


def _rounded_up(number: int) -> int:
    # About a 32nd, or the quantum: few different layouts come of many vocabularies.
    step = max(_QUANTUM, 2 ** max(0, int(number).bit_length() - 6))
    return -(-number // step) * step


def _where(layout: Layout, row_T: np.ndarray):
    """Width, first slot (of all groups' slots) and group of each row."""
    ends = np.cumsum(layout.tokens)
    group_T, index_T = row_T // ends[-1], row_T % ends[-1]
    bucket_T = np.searchsorted(ends, index_T, side="right")
    widths, tokens = np.array(layout.widths), np.array(layout.tokens)
    first_slots = np.cumsum(widths * tokens) - widths * tokens
    width_T = widths[bucket_T]
    inside_T = index_T - (ends - tokens)[bucket_T]
    slot_T = group_T * layout.slots + first_slots[bucket_T] + inside_T * width_T
    return width_T, slot_T, group_T


def _tails(layout: Layout, counts_T: np.ndarray):
    """Pieces of each token beyond its slots, and their sum in each group."""
    row_T = place(layout, counts_T)
    width_T, _, group_T = _where(layout, row_T)
    tails_T = np.maximum(0, counts_T - width_T)
    return tails_T, np.bincount(group_T, tails_T, minlength=layout.groups).astype(np.int64)
