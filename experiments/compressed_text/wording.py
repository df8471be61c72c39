"""Remarks: was an ordering of the paper reproduced? Said from the rows, in the same words."""

from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]
SEEDS = 0.01  # bits/byte: twice the paper's widest standard deviation between seeds, about .006


def pick(rows: Sequence[Row], **where: Any) -> Row | None:
    """The first row whose columns have these values, or None."""
    for row in rows:
        if all(row.get(key) == value for key, value in where.items()):
            return row
    return None


def ordering(
    claim: str, values: Sequence[tuple[str, float | None]], *, margin: float = 0.0
) -> str | None:
    """Says whether `values` rise from first to last, which is what `claim` states.

    Args:
      claim: the paper's statement, e.g. "shorter windows are more learnable".
      values: (name, figure) in the order that the claim predicts; None if the row is not there.
      margin: each step must exceed it; SEEDS for figures of one trained model each.

    Returns:
      One line, or None if a figure is not there or there is nothing to compare.
    """
    known = [(name, value) for name, value in values if value is not None]
    if len(known) < max(2, len(values)):
        return None
    rises = all(b - a > margin for (_, a), (_, b) in zip(known, known[1:], strict=False))
    shown = ", ".join(f"{name} {value:.4g}" for name, value in known)
    return f"{'reproduced' if rises else 'not shown at this scale'}: {claim} ({shown})"


def statement(claim: str, holds: bool, evidence: str) -> str:
    """One line: whether a claim of the paper holds here, and the figures that decide."""
    return f"{'reproduced' if holds else 'not shown at this scale'}: {claim} ({evidence})"


def text(rows: Sequence[Row]) -> str | None:
    """What `setting.with_corpus` put into the rows: which text they were measured on."""
    return f"text: {rows[0]['corpus']}" if rows and "corpus" in rows[0] else None


def compact(*lines: str | None) -> list[str]:
    """The lines that say something."""
    return [line for line in lines if line]
