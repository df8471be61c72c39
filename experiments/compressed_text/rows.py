"""Rows of this paper's tables: the share of their ids that M2 learned, rows by name, a picture.

A row that knows only how often each id occurs leaves .91 of a token's bits (a whole window of 12
bits, `compression_ratios`), so nothing counts as learned above .9, and nothing that counts of ids
by their place give as well (column `by_position`); and "nothing is learned" is said of a codec only
where a model of another did learn.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.shared.tables import remarks_on
from research.evaluation import per_byte
from research.reporting import plots, tables
from research.reporting.claims import NOT_RUN, Evidence, Ruling
from research.reporting.tables import Row

Decide = Callable[[Evidence], Ruling | None]
LEARNED = 0.1  # of a token's bits: more than frequencies alone give
NOTHING = 0.01  # of a token's bits: as good as uniform
SAME_RATIO = 1.01  # ratios of one text within 1 % are no order
ACCURACY = 0.02  # shares of right targets that differ by less are the same


def learned(row: Row) -> float:
    """Share of a token's bits that M2 saves over the uniform distribution."""
    return 1 - row["bits_per_byte"] * row["ratio"] / math.log2(row["vocabulary"])


def uniform(row: Row) -> float:
    """Bits/byte of the uniform distribution over the row's ids."""
    return per_byte.uniform_bits_per_byte(row["vocabulary"], row["ratio"])


def beyond_counts(row: Row) -> float | None:
    """Share of a token's bits that M2 saves over counts; None where nobody has counted."""
    if row.get("by_position") is None:
        return None
    counted = row["by_position"] - row["bits_per_byte"] * row["ratio"]
    return counted / math.log2(row["vocabulary"])


def passes_counts(row: Row, margin: float) -> bool:
    """Is M2 better than counts by more than seeds scatter (`margin`, bits/byte)?"""
    beyond = beyond_counts(row)
    return beyond is not None and beyond > max(NOTHING, margin / uniform(row))


def has_learned(row: Row, margin: float) -> bool:
    """Has M2 learned part of its ids, and that beyond counts?"""
    return learned(row) > LEARNED and passes_counts(row, margin)


def of_the_new_protocol(decide: Decide) -> Decide:
    """`decide`, but records that were measured before the protocol was mended count as not run.

    Until then sequences began anywhere, M1 was counted on M2's own text, and documents came in the
    order of their kinds. Configurations of that time cut no examples; those of tables that never
    do so (`learn_the_coder`, each text a message) have codecs without a `beta`.
    """

    def decide_new(evidence: Evidence) -> Ruling | None:
        if evidence.rows and not _is_new(evidence.config):
            return Ruling(NOT_RUN, "measured under the old protocol")
        return decide(evidence)

    return decide_new


def _is_new(config: Any) -> bool:
    """Does a configuration say, anywhere, how examples are cut, or have codecs with a `beta`?"""
    if isinstance(config, Mapping):
        if config.get("example_bytes") or ("window_bits" in config and "beta" in config):
            return True
        return any(map(_is_new, config.values()))
    return isinstance(config, list | tuple) and any(map(_is_new, config))


def widths(rows: Iterable[Row]) -> list[int]:
    """The vocabularies of the rows' tokens, narrow ones first."""
    return sorted({row["vocabulary"] for row in rows})


def windows(rows: Sequence[Row], *, delay: bool = False) -> Row | None:
    """The row of equal-info windows with the widest tokens: the paper's, or point+delay."""
    suffix = r" point\+delay" if delay else ""
    of_windows = [row for row in rows if re.fullmatch(rf"EqualInfo W=\d+{suffix}", row["method"])]
    return max(of_windows, key=lambda row: row["vocabulary"], default=None)


def by_window(rows: Sequence[Row]) -> list[Row]:
    """The paper's windows, short ones first."""
    of_windows = [row for row in rows if re.fullmatch(r"EqualInfo W=\d+", row["method"])]
    return sorted(of_windows, key=lambda row: int(row["method"].partition("=")[2]))


def widest(rows: Sequence[Row], method: str) -> Row | None:
    """A method's row with the widest tokens."""
    of_method = [row for row in rows if row["method"] == method]
    return max(of_method, key=lambda row: row["vocabulary"], default=None)


def one_size(rows: Sequence[Row]) -> list[Row]:
    """The rows of the first size of M2."""
    return [row for row in rows if row.get("size") == rows[0].get("size")]


def figures(rows: Sequence[Row], column: str = "bits_per_byte") -> str:
    """A column of some rows in words."""
    return ", ".join(f"{row['method']} {row[column]:.3f}" for row in rows)


def learned_of(rows: Sequence[Row]) -> str:
    """The share that each row's M2 has learned, in words."""
    return ", ".join(f"{row['method']} {round(100 * learned(row))} %" for row in rows)


def learned_by_width(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Remarks: the share that each row's M2 has learned, a line for each width of tokens."""
    lines = []
    for vocabulary in widths(rows):
        of = [row for row in rows if row["vocabulary"] == vocabulary]
        lines.append(f"V = {vocabulary:,}, learned of a token's bits: {learned_of(of)}")
    return remarks_on(rows, *lines)


def draw_learned(path: Path, title: str, rows: Sequence[Row], paper_rows: Sequence[Row]) -> bool:
    """Bits/byte of uniform (stroke) and of M2 (dot), ours and the paper's of its first size."""
    label, paper = tables.smallest_size(paper_rows)
    furthest = max(map(uniform, (*rows, *paper)))
    with plots.canvas(path, (12, 2 + 0.33 * max(len(rows), len(paper)))) as figure:
        panels = figure.subplots(1, 2, sharex=True)
        for plot, name, shown in zip(panels, ("ours", label), (rows, paper), strict=True):
            for at, row in enumerate(reversed(shown)):
                left, right = row["bits_per_byte"], uniform(row)
                nothing = learned(row) <= NOTHING
                colour = "grey" if nothing else "tab:blue"
                plot.plot([left, right], [at, at], color=colour, linewidth=1.5)
                plot.plot([right], [at], "|", color=colour, markersize=11)
                plot.plot([left], [at], "x" if nothing else "o", color=colour)
            names = [_row_name(row) for row in reversed(shown)]
            plot.set_yticks(range(len(shown)), names, fontsize=8)
            plot.set(title=name, xlabel="bits/byte", xlim=(0, 1.05 * furthest))
            plot.set_ylim(-0.6, len(shown) - 0.4)
            plot.grid(axis="x", alpha=0.3)
        figure.suptitle(f"{title}: from uniform (|) to M2 (o; x: nothing learned)")
    return True


def _row_name(row: Row) -> str:
    matched = row.get("matched", "-")
    same = f", same {matched}" if matched != "-" else ""
    return f"{row['method']}, {math.log2(row['vocabulary']):.0f}-bit tokens{same}"
