"""Pictures of tables with one M2 a row: what it learned of its ids, and at what cost.

The main table's is `draw`, with the table in brief (`summary`); tables of few rows have
`draw_learned`.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.compressed_text.verdict_parts import NOTHING, learned, one_size, uniform
from research.reporting import plots, tables
from research.reporting.tables import Row


def _name(row: Row) -> str:
    """The method, and what it stands for where M2 learned nothing of its ids."""
    if learned(row) > NOTHING:
        return row["method"]
    return f"{row['method']} (= {'its M1' if row['method'] == 'AC' else 'uniform'})"


def summary(rows: Sequence[Row], paper_rows: Sequence[Row]) -> tuple[list[str], list[Row]]:
    """(columns, lines): the methods by the share of a token's bits that M2 learned."""
    label, paper = tables.smallest_size(paper_rows)
    label += " (8 / 16-bit tokens)"
    lines = []
    for row in sorted(one_size(rows), key=learned, reverse=True):
        theirs = [each for each in paper if each["group"] == row["group"]]
        lines.append({
            "method": _name(row),
            "bits/byte": row["bits_per_byte"],
            "uniform": uniform(row),
            "learned": f"{max(0, round(100 * learned(row)))} %",
            "bytes a token": row["ratio"],
            "MFLOPs/byte": row["mflops_per_byte"],
            label: " / ".join(f"{each['bits_per_byte']:.2f}" for each in theirs) or None,
        })
    return list(lines[0]), lines


def draw(path: Path, title: str, rows: Sequence[Row], paper_rows: Sequence[Row]) -> bool:
    """bits/byte against FLOPs/byte, ours and the paper's smallest; a stroke from uniform down."""
    label, paper = tables.smallest_size(paper_rows)
    with plots.canvas(path, (12, 5.5)) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for plot, name, shown in zip(
            panels, (f"ours, {rows[0]['size']}", label), (one_size(rows), paper), strict=True
        ):
            _panel(plot, [row for row in shown if row.get("mflops_per_byte")])
            plot.set(title=name, xlabel="MFLOPs/byte")
        panels[0].set_ylabel("bits/byte")
        figure.suptitle(title)
    return True


SHORT = {"Bytes": "bytes", "SentencePiece": "SP", "StaticAC": "static AC"}
TOP = 5.6  # bits/byte; the stroke of bytes, from 8, goes on above


def _short(row: Row, rows: Sequence[Row]) -> str:
    """A name for a point: windows by their bits, tokens by theirs where a method has several."""
    name = row["method"].replace("EqualInfo W=", "W").replace("point+delay", "delay")
    several = sum(each["method"] == row["method"] for each in rows) > 1
    width = f" / {math.log2(row['vocabulary']):.0f}" if several else ""
    return str(SHORT.get(name, name)) + width


def _panel(plot: Any, rows: Sequence[Row]) -> None:
    from matplotlib import ticker

    plot.set_xscale("log")
    costs = [row["mflops_per_byte"] for row in rows]
    low, high = min(costs) / 1.3, max(costs) * 1.6
    plot.set(xlim=(low, high), ylim=(0, TOP))
    coder = [row for row in rows if row["method"] == "AC"]
    if coder:
        m1 = min(min(row["bits_per_byte"], uniform(row)) for row in coder)
        plot.axhline(m1, color="firebrick", linewidth=1, linestyle="--")
        plot.text(
            0.99, m1 + 0.04, f"M1 itself (AC) {m1:.2f}", color="firebrick", fontsize=8, ha="right",
            va="bottom", transform=plot.get_yaxis_transform(),
        )  # fmt: skip
    placed: list[tuple[float, float]] = []
    for row in sorted(rows, key=lambda row: row["bits_per_byte"]):
        x, y, top = row["mflops_per_byte"], row["bits_per_byte"], uniform(row)
        nothing = learned(row) <= NOTHING
        colour = "grey" if nothing else "tab:blue"
        plot.plot([x, x], [y, top], color=colour, linewidth=1)
        plot.plot([x], [min(top, TOP)], marker="_", color=colour, markersize=9)
        plot.plot([x], [y], marker="x" if nothing else "o", color=colour, markersize=6)
        place = math.log(x / low) / math.log(high / low), y
        while any(abs(place[0] - u) < 0.13 and abs(place[1] - v) < 0.17 for u, v in placed):
            place = place[0], place[1] + 0.02
        placed.append(place)
        plot.text(x * (high / low) ** 0.015, place[1], _short(row, rows), fontsize=8,
                  color=colour, va="center")  # fmt: skip
    plot.plot([], [], color="tab:blue", marker="_", label="from uniform ...")
    plot.plot([], [], color="tab:blue", marker="o", linestyle="none", label="... to M2")
    plot.plot([], [], color="grey", marker="x", linestyle="none", label="nothing learned")
    plot.legend(loc="upper left", fontsize=8)
    plot.grid(alpha=0.3)
    plot.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    plot.xaxis.set_major_formatter("{x:g}")
    plot.xaxis.set_minor_formatter(ticker.NullFormatter())


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
