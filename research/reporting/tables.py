"""Rows as tables: ours and the paper's in one, as Markdown, CSV or on the terminal.

And what columns mean (`WORDS`, `explained`), and which of them fit on a screen (`fitting`).
"""

import csv
import io
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

SOURCE = "source"
PAPER = "paper"
Row = Mapping[str, Any]
MOST = 12  # columns of a table that is read, not computed with

# Names that mean the same in several tables, unless a table's MEANING says more of them.
WORDS = {
    "method": "the way from text to ids, or of moving a model",
    "model": "the vocabulary of the model, or what stands in a model's place",
    "vocabulary": "number of ids, or the kind of vocabulary",
    "size": "M2's shape, a name of research/models/sizes.py",
    "source": "ours at a scale, or the paper",
    "seconds": "wall time of the row",
    "text": "what it was measured on",
    "ids": "the kind of ids",
    "target": "the tokenizer that the model is moved to",
    "bits_per_byte": "bits a byte of held-out text, smaller is better",
    "bits_per_byte_all": "bits_per_byte, and 8 bits for each lost byte",
    "lost_share": "share of the text's bytes that the ids cannot give back",
    "tokens_per_byte": "tokens for each byte of held-out text",
    "ratio": "bytes of text a token",
    "accuracy": "share of held-out tokens that are the likeliest",
    "accuracy_interval": "binomial interval of 95 % of the accuracy",
    "kept_interval": "interval of 95 % of what is kept, by resampling questions",
    "overlap": "% of the target's entries that the source has too",
}


def merge(
    columns: Sequence[str], ours: Mapping[str, Sequence[Row]], paper_rows: Sequence[Row]
) -> tuple[list[str], list[dict[str, Any]]]:
    """Puts the paper's rows next to ours.

    Rows of the same `group` come together, ours first; a column `source` says which is which.

    Args:
      columns: of both.
      ours: label ("ours, cpu") -> rows.
      paper_rows: the paper's figures; columns may be missing.

    Returns:
      (columns with `source` second, rows).
    """
    labelled = [dict(row) | {SOURCE: label} for label, rows in ours.items() for row in rows]
    labelled += [dict(row) | {SOURCE: PAPER} for row in paper_rows]
    groups: dict[Any, list[dict[str, Any]]] = {}
    for row in labelled:
        groups.setdefault(group(columns, row), []).append(row)
    merged = [columns[0], SOURCE, *columns[1:]] if SOURCE not in columns else list(columns)
    return merged, [row for group in groups.values() for row in group]


def group(columns: Sequence[str], row: Row) -> Any:
    """What a row stands for: its entry "group", which is not a column, else its first column.

    At another scale a method may have another name (a window of 12 bits for one of 16).
    """
    return row.get("group", row.get(columns[0]))


def smallest_size(paper_rows: Sequence[Row]) -> tuple[str, list[Row]]:
    """The paper's rows to show next to a small model: (label, rows).

    Where they have a column `size`, only those of the first size are kept.
    """
    sizes = [row["size"] for row in paper_rows if "size" in row]
    if not sizes:
        return PAPER, list(paper_rows)
    return f"{PAPER}, {sizes[0]}", [row for row in paper_rows if row.get("size") == sizes[0]]


def heading(name: str) -> str:
    """A column's name as people write it: bits_per_byte is bits/byte."""
    words = name.replace("_per_", "/").replace("_", " ")
    return words.replace("flops/", "FLOPs/").replace("mFLOPs", "MFLOPs")


def cell(value: Any) -> str:
    """One value as text: three decimals at most, thousands parted, "-" for nothing."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if abs(value) < 1e-9:  # what rounding leaves of nothing
            return "0"
        if 0.001 <= abs(value) < 100:
            return f"{value:.3f}".rstrip("0").removesuffix(".")
        return f"{value:,.0f}" if 100 <= abs(value) < 1e7 else f"{value:.2e}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def markdown(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """A Markdown table, numbers to the right."""
    numeric = _numeric(columns, rows)
    head = [[_escape(heading(name)) for name in columns]]
    body = [[_escape(cell(row.get(name))) for name in columns] for row in rows]
    rule = ["---:" if name in numeric else "---" for name in columns]
    return "\n".join("| " + " | ".join(line) + " |" for line in [*head, rule, *body]) + "\n"


def comma_separated(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """CSV with a header line and every digit; an absent value is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if row.get(name) is None else row[name] for name in columns])
    return text.getvalue()


def explained(columns: Sequence[str], meaning: Mapping[str, str]) -> str:
    """What a table says of its own columns, with shared words for those of `columns` it leaves out.

    Args:
      meaning: the experiment's MEANING: column -> what stands there. Columns that are one figure
        at many places (start 1, start 25, ...) have one entry.
    """
    shared = {name: WORDS[name] for name in map(family, columns) if name in WORDS}
    words = {**meaning, **{name: text for name, text in shared.items() if name not in meaning}}
    return " ".join(f"{name}: {text}." for name, text in words.items())


def family(column: str) -> str:
    """The name that columns with a number have in common: "start 25" and "n=4" are start and n."""
    return re.sub(r"[ =]\d+(\.\d+)?$", "", column)


def fitting(columns: Sequence[str], rows: Sequence[Row], *, declared: bool = False) -> list[str]:
    """The columns to show: those that hold something, at most MOST.

    Of columns that are one figure at many places (start 1, start 25, ...) every other is left out;
    then the last ones.

    Args:
      declared: the experiment chose these columns, so that only empty ones are left out.
    """
    shown_names = [name for name in columns if any(row.get(name) is not None for row in rows)]
    if declared:
        return shown_names[:MOST]
    shown_names = [name for name in shown_names if name != "seconds"]
    while len(shown_names) > MOST and (longest := _longest_family(shown_names)):
        thinned = set(longest[1:-1:2])
        shown_names = [name for name in shown_names if name not in thinned]
    return shown_names[:MOST]


def _longest_family(columns: Sequence[str]) -> list[str]:
    """The most columns that have a name in common, where they are more than three."""
    families: dict[str, list[str]] = {}
    for name in columns:
        families.setdefault(family(name), []).append(name)
    longest = max(families.values(), key=len)
    return longest if len(longest) > 3 else []


def shown(
    columns: Sequence[str], ours: Mapping[str, Sequence[Row]], paper_rows: Sequence[Row]
) -> tuple[list[str], list[dict[str, Any]]]:
    """`merge`, without the source where all rows have one."""
    names, rows = merge(columns, ours, paper_rows)
    if len({row[SOURCE] for row in rows}) < 2 and SOURCE not in columns:
        names.remove(SOURCE)
    return names, rows


def terminal(title: str, columns: Sequence[str], rows: Sequence[Row]):
    """A rich table; the paper's rows are dim, a line parts the groups of the first column.

    Columns without any value are left out.
    """
    from rich.table import Table

    columns = [name for name in columns if any(row.get(name) is not None for row in rows)]
    numeric = _numeric(columns, rows)
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in columns:
        side = "right" if name in numeric else "left"
        table.add_column(heading(name), justify=side, overflow="fold")
    for index, row in enumerate(rows):
        last = index + 1 == len(rows) or group(columns, rows[index + 1]) != group(columns, row)
        table.add_row(
            *(cell(row.get(name)) for name in columns),
            style="dim" if row.get(SOURCE) == PAPER else "",
            end_section=last and SOURCE in columns,
        )
    return table


def console():
    """Where tables are printed: the terminal's width, or a wide page in a pipe."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)


def _numeric(columns: Sequence[str], rows: Sequence[Row]) -> set[str]:
    """The columns that hold nothing but numbers."""
    numeric = set()
    for name in columns:
        values = [row[name] for row in rows if row.get(name) is not None]
        if values and all(isinstance(value, int | float) for value in values):
            numeric.add(name)
    return numeric


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
