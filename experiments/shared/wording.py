"""What remarks under a table are made of. What a paper claims is judged in `claims`, not here."""

from collections.abc import Sequence
from typing import Any

from research.reporting.tables import Row

DIFFERENCE = 0.1
"""bits/byte between two trained models that a statement of ours needs: more than twice the widest
spread of seeds that has been measured (a test compares it with the records)."""
SAME_BITS = 0.03
"""bits/byte: the most that the papers call no difference."""


def pick(rows: Sequence[Row], **where: Any) -> Row | None:
    """The first row whose columns have these values, or None."""
    for row in rows:
        if all(row.get(key) == value for key, value in where.items()):
            return row
    return None


def present(*rows: Row | None) -> list[Row] | None:
    """The rows, or None where one is missing."""
    known = [row for row in rows if row is not None]
    return known if len(known) == len(rows) else None


def ours(statement: str, holds: bool, evidence: str) -> str:
    """One line on a statement that no paper makes: whether it holds, and the figures for it."""
    return f"{'holds' if holds else 'fails'}: {statement} ({evidence})"


def text(rows: Sequence[Row]) -> str | None:
    """What `m2_pipeline.with_corpus` put into the rows: which text they were measured on."""
    return f"text: {rows[0]['corpus']}" if rows and "corpus" in rows[0] else None


def compact(*lines: str | None) -> list[str]:
    """The lines that say something."""
    return [line for line in lines if line]
