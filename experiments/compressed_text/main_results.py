"""Bits/byte and FLOPs/byte of an M2 on every way from text to ids (Table 15, Figures 3 and 4)."""

import dataclasses
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.compressed_text import m2_pipeline
from experiments.compressed_text.rows import NOTHING, learned, learned_of, one_size, uniform
from experiments.shared.tables import Log, Row, pick, remarks_on
from research.reporting import plots, tables

TITLE = "Bits/byte against FLOPs/byte (Tables 15 and 17, Figures 3 and 4)"
COLUMNS = (
    "method",
    "size",
    "vocabulary",
    "ratio",
    "bits_per_byte",
    "mflops_per_byte",
    "bits_per_token",
    "by_position",
    "train_bytes",
    "lost_share",
    "bits_per_byte_all",
    "seconds",
)
MEANING = {
    **m2_pipeline.M2_MEANING,
    "size": "M2's name, whose kernels the FLOPs are counted from",
}

SIZES = ("25m", "113m", "403m", "2b")


def _group(method: str) -> str:
    """What a row stands for, whatever the width of its windows."""
    return re.sub(r" W=\d+", "", method)


def _paper(method, vocabulary, ratio, bits, mflops):
    return [
        {
            "method": method,
            "group": _group(method),
            "size": size,
            "vocabulary": vocabulary,
            "ratio": ratio,
            "bits_per_byte": value,
            "mflops_per_byte": cost,
        }
        for size, value, cost in zip(SIZES, bits, mflops, strict=True)
    ]


PAPER_ROWS: list[Row] = [
    *_paper("Bytes", 256, 1.0, (1.29, 1.16, 1.08, 1.03), (50.0, 226, 806, 4000)),
    *_paper(
        "SentencePiece", 32_000, 4.28, (1.12, 1.01, 0.94, 0.87), (11.69, 52.82, 188.37, 934.84)
    ),
    *_paper("AC", 256, 5.49, (1.46, 1.46, 1.46, 1.46), (15.11, 47.17, 152.81, 734.6)),
    *_paper("AC", 65_536, 10.98, (1.46, 1.46, 1.46, 1.46), (10.55, 26.58, 79.41, 370.3)),
    *_paper("StaticAC", 256, 1.73, (4.61, 4.61, 4.61, 4.61), (28.90, None, None, 2310)),
    *_paper("StaticAC", 65_536, 3.46, (4.60, 4.60, 4.62, 4.62), (14.45, None, None, 1160)),
    *_paper("EqualInfo W=16", 256, 2.66, (1.47, 1.23, 1.09, 0.99), (24.80, 90.96, 309.01, 1510)),
    *_paper(
        "EqualInfo W=16", 65_536, 5.31, (1.25, 1.12, 1.02, 0.94), (15.42, 48.56, 157.79, 759.30)
    ),
    # Table 17, "Delay": the windows that our point+delay makes decodable.
    *_paper(
        "EqualInfo W=16 point+delay", 256, 2.20, (1.50, 1.25, 1.11, 1.00), (None,) * len(SIZES)
    ),
    *_paper(
        "EqualInfo W=16 point+delay",
        65_536,
        4.40,
        (1.23, 1.11, 1.01, 0.93),
        (17.36, 57.36, 190.18, 915.09),
    ),
    *_paper("GZip", 256, 2.23, (2.34, 1.93, 1.69, 1.56), (22.42, 101.35, 361.43, 1790)),
    *_paper("GZip", 65_536, 4.47, (2.92, 2.69, 2.48, 2.26), (11.19, 50.56, 180.31, 894.85)),
]


weights_of = m2_pipeline.weights_of


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """One row for each codec and size of M2; each M2 is a folder that `generate` opens."""
    rows = []
    for size in config.sizes:
        sized = dataclasses.replace(config, m2=dataclasses.replace(config.m2, size=size))
        models = None if config.weights else workdir / "models" / size
        trained = m2_pipeline.train_rows(sized, workdir, log, table="main_results", models=models)
        for row in trained:
            rows.append({"group": _group(row["method"]), "size": size} | row)
    return rows


def remarks(rows: list[Row]) -> list[str]:
    """How much of its ids each M2 has learned, and what the paper's comparison lacks."""
    lines: list[str | None] = []
    for size in dict.fromkeys(row["size"] for row in rows):
        of = [row for row in rows if row["size"] == size]
        lines.append(f"at {size}, learned of a token's bits: {learned_of(of)}")
        subwords, pairs = (pick(of, method=name) for name in ("SentencePiece", "BPE"))
        if subwords and pairs:
            lines.append(
                f"at {size}, BPE of {pairs['vocabulary']:,} entries, which the paper lacks:"
                f" {pairs['bits_per_byte']:.3f} against SentencePiece's"
                f" {subwords['bits_per_byte']:.3f}"
            )
    lossy = [row for row in rows if row["lost_share"] is None]
    if lossy:
        names = ", ".join(dict.fromkeys(row["method"] for row in lossy))
        lines.append(f"encode only, nothing can be read back: {names} (the paper's rule)")
    return remarks_on(rows, *lines)


def _name(row: tables.Row) -> str:
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
        lines.append(
            {
                "method": _name(row),
                "bits/byte": row["bits_per_byte"],
                "uniform": uniform(row),
                "learned": f"{max(0, round(100 * learned(row)))} %",
                "bytes a token": row["ratio"],
                "MFLOPs/byte": row["mflops_per_byte"],
                label: " / ".join(f"{each['bits_per_byte']:.2f}" for each in theirs) or None,
            }
        )
    return list(lines[0]), lines


def picture(path: Path, title: str, rows: Sequence[Row], paper_rows: Sequence[Row]) -> bool:
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


def _short(row: tables.Row, rows: Sequence[tables.Row]) -> str:
    """A name for a point: windows by their bits, tokens by theirs where a method has several."""
    name = row["method"].replace("EqualInfo W=", "W").replace("point+delay", "delay")
    several = sum(each["method"] == row["method"] for each in rows) > 1
    width = f" / {math.log2(row['vocabulary']):.0f}" if several else ""
    return str(SHORT.get(name, name)) + width


def _panel(plot: Any, rows: Sequence[tables.Row]) -> None:
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
