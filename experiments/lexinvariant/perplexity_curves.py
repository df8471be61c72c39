"""Perplexity by the start of a window: the paper's curves (Figures 3 and 7), ours in short."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from research.reporting import plots
from research.reporting.tables import Row

PAPERS, STANDARD = "gaussian", "learned"
STARTS = (1, 25, 50, 100, 150, 200, 250, 300, 350, 400, 413)
KINDS = {  # of the texts that rows name
    "novels": "general English",
    "the Pile": "general English",
    "Wiki-40B": "encyclopaedia",
    "GitHub": "code",
}


def _paper(model: str, text: str, ids: str, values: tuple, **others) -> dict[str, Any]:
    starts = dict(zip((f"start {start}" for start in STARTS), values, strict=True))
    return {
        "model": model, "kind": kind(text, ids), "text": text, **starts, "sequences": 100,
        **others,
    }  # fmt: skip


def kind(text: str, ids: str) -> str:
    """The kind of a text and of its ids: a panel of the plot."""
    return f"{KINDS.get(text, text)}, {ids}"


# Read off Figures 3 and 7; errors are below half a percent of the axis.
PAPER_ROWS: list[dict[str, Any]] = [
    _paper(
        "learned", "the Pile", "characters",
        (2.86, 2.59, 2.54, 2.39, 2.30, 2.26, 2.27, 2.31, 2.32, 2.25, 2.20), spread_last=0.64,
    ),
    _paper(
        "gaussian", "the Pile", "characters",
        (28.1, 16.7, 12.1, 7.71, 5.99, 5.05, 4.56, 4.51, 4.48, 4.26, 4.12),
        spread_first=14.05, spread_last=2.62,
    ),
    _paper(
        "gaussian", "Wiki-40B", "characters",
        (19.7, 11.2, 8.05, 5.62, 4.13, 3.62, 3.34, 3.23, 3.23, 3.13, 3.12),
    ),
    _paper(
        "gaussian", "GitHub", "characters",
        (23.2, 13.4, 8.39, 4.55, 3.23, 2.68, 2.42, 2.32, 2.17, 2.19, 2.11),
    ),
    _paper(
        "learned", "the Pile", "unigram",
        (26.0, 23.5, 22.7, 21.1, 20.0, 19.5, 19.4, 19.8, 20.2, 19.3, 18.9),
    ),
    _paper(
        "gaussian", "the Pile", "unigram",
        (9840, 6694, 5384, 3830, 3486, 2981, 2589, 2545, 2592, 2516, 2288),
    ),
    _paper(
        "gaussian", "Wiki-40B", "unigram",
        (8400, 6718, 5823, 4053, 3170, 2768, 2539, 2352, 2323, 2320, 2101),
    ),
    _paper(
        "gaussian", "GitHub", "unigram",
        (2293, 1273, 689, 416, 318, 237, 300, 383, 274, 301, 237),
    ),
]  # fmt: skip


def curve(row: Row) -> dict[int, float]:
    """Start of the window -> figure, of a row with columns "start N"."""
    figures = {
        int(match[1]): value
        for name, value in row.items()
        if value is not None and (match := re.fullmatch(r"start (\d+)", name))
    }
    return dict(sorted(figures.items()))


def is_floor(model: str) -> bool:
    """Is a row of n-grams that know the sequence alone, or of a compressor?"""
    return model.startswith("n-gram, order") or model in ("gzip", "xz")


COLOURS = {STANDARD: "tab:blue", PAPERS: "tab:orange", "canonical": "tab:green"}
OTHERS = ("tab:purple", "tab:brown", "tab:pink", "tab:olive")
FLOORS = "best of {} floors: n-grams counted in the sequence, gzip, xz"
NAMES = {
    STANDARD: "learned (standard)",
    PAPERS: "gaussian (the paper's)",
    "canonical": "canonical (ours)",
}
THEIR_TEXT = "the Pile"


def _kind(rows: Sequence[Row]) -> str:
    """The first kind of text on which models were trained."""
    trained = [row["kind"] for row in rows if row["model"] == PAPERS]
    return trained[0] if trained else rows[0]["kind"]


def papers_rows(paper_rows: Sequence[Row]) -> list[Row]:
    """The paper's curves on one text, of characters."""
    return [
        row for row in paper_rows
        if row["text"] == THEIR_TEXT and row["kind"].endswith("characters")
    ]


def _models(rows: Sequence[Row]) -> list[Row]:
    """One curve for each vocabulary: averages over draws are in the report."""
    return [row for row in rows if not row["floor"] and " draws" not in row["model"]]


def floor(rows: Sequence[Row]) -> Row | None:
    """What n-grams that know the sequence alone, gzip and xz come to: the least at each start."""
    curves = [curve(row) for row in rows if is_floor(row["model"])]
    if not curves:
        return None
    least = {f"start {at}": min(values[at] for values in curves) for at in curves[0]}
    return {"model": FLOORS.format(len(curves)), **least}


def summary(rows: Sequence[Row], paper_rows: Sequence[Row]) -> tuple[list[str], list[Row]]:
    """(columns, lines): perplexity in the first window, at 50, at 150 and in the last one."""
    here = [row for row in rows if row["kind"] == _kind(rows)]
    uniform = [row for row in here if row["model"] == "uniform"]
    shown = [*_models(here), *filter(None, [floor(here)]), *uniform]
    places = [at for at in (1, 50, 150) if at in curve(shown[0])]
    places += [at for at in list(curve(shown[0]))[-1:] if at not in places]
    paper = {row["model"]: curve(row) for row in papers_rows(paper_rows)}
    lines = []
    for row in shown:
        line = {"model": NAMES.get(row["model"], row["model"])}
        line |= {f"start {at}": round(curve(row)[at], 1) for at in places}
        theirs = [paper.get(row["model"], {}).get(at) for at in places]
        known = [f"{value:.3g}" for value in theirs if value is not None]
        lines.append(line | {f"paper ({THEIR_TEXT})": " / ".join(known) or None})
    return list(lines[0]), lines


def picture(path: Path, title: str, rows: Sequence[Row], paper_rows: Sequence[Row]) -> bool:
    """Perplexity by the start of the window; the paper's curves are dashed."""
    kind = _kind(rows)
    here = [row for row in rows if row["kind"] == kind]
    with plots.canvas(path, (9, 5.5)) as figure:
        plot = figure.subplots()
        spare = iter(OTHERS)
        for row in _models(here):
            name = row["model"]
            colour = COLOURS.get(name) or next(spare, "black")
            _curve(plot, row, f"{name}, ours", color=colour, linewidth=2, marker="o", markersize=4)
        if best := floor(here):
            label = best["model"].replace(": ", ":\n", 1)
            _curve(plot, best, label, color="black", linewidth=1.5)
        for row in here:
            if row["model"] == "uniform":
                _curve(plot, row, "uniform", color="grey", linewidth=1, linestyle=":")
        for row in papers_rows(paper_rows):
            style = {"color": COLOURS[row["model"]], "linewidth": 1, "linestyle": "--"}
            _curve(plot, row, f"{row['model']}, paper", **style)
        plot.set_yscale("log")
        plot.set(title=f"{title}\n{kind}", xlabel="start of the window", ylabel="perplexity")
        ticks = [value for value in (2, 5, 10, 20, 50, 100) if plot.get_ylim()[0] < value]
        plot.set_yticks(ticks, [f"{value}" for value in ticks])
        plot.set_yticks([], minor=True)
        plot.grid(alpha=0.3)
        figure.legend(loc="outside right upper", fontsize=9, frameon=False)
    return True


def _curve(plot: Any, row: Row, label: str, **style: Any) -> None:
    values = curve(row)
    plot.plot(list(values), list(values.values()), label=label, **style)
