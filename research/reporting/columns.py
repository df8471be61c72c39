"""What the columns of a table mean, and which of them fit on a screen."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from research.reporting import tables

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


def fitting(
    columns: Sequence[str], rows: Sequence[Row], most: int = MOST, declared: bool = False
) -> list[str]:
    """The columns to show: those that hold something, at most `most`.

    Of columns that are one figure at many places (start 1, start 25, ...) every other is left out;
    then the last ones.

    Args:
      declared: the experiment chose these columns, so that only empty ones are left out.
    """
    kept = [name for name in columns if any(row.get(name) is not None for row in rows)]
    if declared:
        return kept[:most]
    kept = [name for name in kept if name != "seconds"]
    while len(kept) > most and (longest := _longest_family(kept)):
        thinned = set(longest[1:-1:2])
        kept = [name for name in kept if name not in thinned]
    return kept[:most]


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
    """`tables.merge`, without the source where all rows have one."""
    names, rows = tables.merge(columns, ours, paper_rows)
    if len({row[tables.SOURCE] for row in rows}) < 2 and tables.SOURCE not in columns:
        names.remove(tables.SOURCE)
    return names, rows
