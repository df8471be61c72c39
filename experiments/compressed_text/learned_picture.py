"""A picture for tables of few rows: how far M2 comes down from uniform, row by row."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.compressed_text.verdict_parts import NOTHING, learned, uniform
from research.reporting import plots, tables

Row = dict[str, Any]


def draw(path: Path, title: str, rows: Sequence[Row], paper_rows: Sequence[Row]) -> bool:
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
            plot.set_yticks(range(len(shown)), [_name(row) for row in reversed(shown)], fontsize=8)
            plot.set(title=name, xlabel="bits/byte", xlim=(0, 1.05 * furthest))
            plot.set_ylim(-0.6, len(shown) - 0.4)
            plot.grid(axis="x", alpha=0.3)
        figure.suptitle(f"{title}: from uniform (|) to M2 (o; x: nothing learned)")
    return True


def _name(row: Row) -> str:
    matched = row.get("matched", "-")
    same = f", same {matched}" if matched != "-" else ""
    return f"{row['method']}, {math.log2(row['vocabulary']):.0f}-bit tokens{same}"
