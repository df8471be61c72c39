"""What the tables of all papers use: rows by their columns, remarks on them, a clock.

What a paper claims is judged in its `claims`, not in remarks.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from research.corpora import Corpus

Log = Callable[[str], None]
Row = dict[str, Any]
DIFFERENCE = 0.1
"""bits/byte between two trained models that a statement of ours needs: more than twice the widest
spread of seeds in the records (a test compares them)."""
SAME_BITS = 0.03
"""bits/byte: the most that the papers call no difference."""


class Clock:
    """Seconds since it was made."""

    def __init__(self):
        self._start = time.monotonic()

    def seconds(self) -> float:
        return round(time.monotonic() - self._start, 1)


def slug(name: str) -> str:
    """A row's name as a folder's: 'gaussian + n-gram heads' -> 'gaussian-n-gram-heads'."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def with_corpus(rows: Sequence[Row], corpus: Corpus) -> list[Row]:
    """The rows, each with `corpus`: name and digest, and the built-in one's size.

    The built-in corpus differs from one Python to the next, so a result has to say which it was.
    """
    facts = f"{corpus.name}, digest {corpus.digest[:12]}"
    if corpus.name.startswith("builtin"):
        splits = corpus.describe()["splits"]
        facts += "".join(f", {name} {splits[name]['bytes']:,} bytes" for name in splits)
    return [row | {"corpus": facts} for row in rows]


def pick(rows: Sequence[Mapping[str, Any]], **where: Any) -> Any:
    """The first row whose columns have these values, or None."""
    matching = (row for row in rows if all(row.get(key) == where[key] for key in where))
    return next(matching, None)


def statement(text: str, holds: bool, evidence: str) -> str:
    """One line on a statement that no paper makes: whether it holds, and the figures for it."""
    return f"{'holds' if holds else 'fails'}: {text} ({evidence})"


def remarks_on(rows: Sequence[Row], *lines: str | None) -> list[str]:
    """The lines that say something, and which text the rows were measured on, if they say it."""
    text = f"text: {rows[0]['corpus']}" if rows and "corpus" in rows[0] else None
    return [line for line in (*lines, text) if line]
