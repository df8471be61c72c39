"""Perplexity by position in brief and as a picture: models, the best floor, the paper's curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.lexinvariant.verdicts_on_texts import PAPERS, STANDARD, curve, is_floor
from research.reporting import plots
from research.reporting.tables import Row

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


def _models(rows: Sequence[Row]) -> list[Row]:
    """One curve for each vocabulary: averages over draws are in the report."""
    return [row for row in rows if not row["floor"] and " draws" not in row["model"]]


def floor(rows: Sequence[Row]) -> Row | None:
    """What n-grams that know the sequence alone, gzip and xz come to: the least at each start."""
    found = [row for row in rows if is_floor(row["model"])]
    if not found:
        return None
    curves = [curve(row) for row in found]
    least = {f"start {at}": min(values[at] for values in curves) for at in curves[0]}
    return {"model": FLOORS.format(len(found)), **least}


def summary(rows: Sequence[Row], paper_rows: Sequence[Row]) -> tuple[list[str], list[Row]]:
    """(columns, lines): perplexity in the first window, at 50, at 150 and in the last one."""
    here = [row for row in rows if row["kind"] == _kind(rows)]
    uniform = [row for row in here if row["model"] == "uniform"]
    shown = [*_models(here), *filter(None, [floor(here)]), *uniform]
    places = [at for at in (1, 50, 150) if at in curve(shown[0])]
    places += [at for at in list(curve(shown[0]))[-1:] if at not in places]
    paper = {
        row["model"]: curve(row) for row in paper_rows
        if row["text"] == THEIR_TEXT and row["kind"].endswith("characters")
    }
    lines = []
    for row in shown:
        line = {"model": NAMES.get(row["model"], row["model"])}
        line |= {f"start {at}": round(curve(row)[at], 1) for at in places}
        theirs = [paper.get(row["model"], {}).get(at) for at in places]
        known = [f"{value:.3g}" for value in theirs if value is not None]
        lines.append(line | {f"paper ({THEIR_TEXT})": " / ".join(known) or None})
    return list(lines[0]), lines


def draw(path: Path, title: str, rows: Sequence[Row], paper_rows: Sequence[Row]) -> bool:
    """Perplexity by the start of the window; the paper's curves are dashed."""
    kind = _kind(rows)
    here = [row for row in rows if row["kind"] == kind]
    paper = [
        row for row in paper_rows
        if row["text"] == THEIR_TEXT and row["kind"].endswith("characters")
    ]
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
        for row in paper:
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
