"""What verdicts on the first paper's claims are made of: shares learned, and rows by their names.

A row that knows only how often each id occurs leaves .91 of a token's bits (a whole window of 12
bits, `compression_ratios`), so nothing counts as learned above .9; and "nothing is learned" is said
of a codec only where a model beside it did learn.
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

Row = dict[str, Any]
LEARNED = 0.1  # of a token's bits: more than frequencies alone give
NOTHING = 0.01  # of a token's bits: as good as uniform
SAME_RATIO = 1.01  # ratios of one text within 1 % are no order
SAME_BITS = 0.03  # bits/byte: the most that the paper calls no difference
ACCURACY = 0.02  # shares of right targets that differ by less are the same


def learned(row: Row) -> float:
    """Share of a token's bits that M2 saves over the uniform distribution."""
    return 1 - row["bits_per_byte"] * row["ratio"] / math.log2(row["vocabulary"])


def uniform(row: Row) -> float:
    """Bits/byte of the uniform distribution over the row's ids."""
    return math.log2(row["vocabulary"]) / row["ratio"]


def widths(rows: Iterable[Row]) -> list[int]:
    """The vocabularies of the rows' tokens, narrow ones first."""
    return sorted({row["vocabulary"] for row in rows})


def windows(rows: Sequence[Row], *, delay: bool = False) -> Row | None:
    """The row of equal-info windows with the widest tokens: the paper's, or point+delay."""
    suffix = r" point\+delay" if delay else ""
    found = [row for row in rows if re.fullmatch(rf"EqualInfo W=\d+{suffix}", row["method"])]
    return max(found, key=lambda row: row["vocabulary"], default=None)


def by_window(rows: Sequence[Row]) -> list[Row]:
    """The paper's windows, short ones first."""
    found = [row for row in rows if re.fullmatch(r"EqualInfo W=\d+", row["method"])]
    return sorted(found, key=lambda row: int(row["method"].partition("=")[2]))


def widest(rows: Sequence[Row], method: str) -> Row | None:
    """A method's row with the widest tokens."""
    found = [row for row in rows if row["method"] == method]
    return max(found, key=lambda row: row["vocabulary"], default=None)


def one_size(rows: Sequence[Row]) -> list[Row]:
    """The rows of the first size of M2."""
    return [row for row in rows if row.get("size") == rows[0].get("size")]


def figures(rows: Sequence[Row], column: str = "bits_per_byte") -> str:
    """A column of some rows in words."""
    return ", ".join(f"{row['method']} {row[column]:.3f}" for row in rows)


def learned_of(rows: Sequence[Row]) -> str:
    """The share that each row's M2 has learned, in words."""
    return ", ".join(f"{row['method']} {round(100 * learned(row))} %" for row in rows)
