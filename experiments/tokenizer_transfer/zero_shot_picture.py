"""The main table in brief and as a picture: a model moved to each target, beside the original."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.shared.tables import pick
from experiments.tokenizer_transfer.quality import ORIGINAL
from research.reporting import plots
from research.reporting.tables import Row

SHOWN = ("hypernetwork", "hypernetwork + overlap", "focus", "fvt", "omp", "wechsel", "random")
MARKERS = dict(zip(SHOWN, "o*s^DvX", strict=True))
COLOURS = dict(
    zip(
        SHOWN,
        ("tab:blue", "tab:cyan", "tab:orange", "tab:green", "tab:purple", "tab:brown", "tab:grey"),
        strict=True,
    )
)
THEIR_TARGET = "Mistral-7B, GPT-2"


def _targets(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["target"] for row in rows if row["method"] != ORIGINAL))


def _cell(row: Row | None) -> str | None:
    """bits/byte, and % right where it was asked."""
    if row is None:
        return None
    right = row.get("accuracy")
    return f"{row['bits_per_byte']:.2f}" + (f" ({right:.0f} %)" if right is not None else "")


def summary(rows: Sequence[Row], paper_rows: Sequence[Row]) -> tuple[list[str], list[Row]]:
    """(columns, lines): methods by their mean over targets, the model itself first."""
    own, targets = pick(rows, method=ORIGINAL), _targets(rows)
    methods = [name for name in SHOWN if any(row["method"] == name for row in rows)]

    def mean(method: str) -> float:
        """Over the targets that every method has."""
        found = (pick(rows, method=method, target=target) for target in common)
        bits = [row["bits_per_byte"] for row in found if row]
        return sum(bits) / len(bits)

    common = [
        target for target in targets
        if all(pick(rows, method=name, target=target) for name in methods)
    ]  # fmt: skip

    lines = []
    for method in [ORIGINAL] * (own is not None) + sorted(methods, key=mean):
        theirs = pick(paper_rows, method=method, target=THEIR_TARGET)
        line: Row = {"method": method}
        for target in targets:
            line[target] = _cell(pick(rows, method=method, target=target))
        if own is not None and method == ORIGINAL:
            line = {"method": f"{ORIGINAL}, its own {own['target']}"}
            line |= dict.fromkeys(targets, _cell(own))
        lines.append(line | {f"paper ({THEIR_TARGET}), %": theirs and theirs["accuracy"]})
    return list(lines[0]), lines


def draw(path: Path, title: str, rows: Sequence[Row], paper_rows: Sequence[Row]) -> bool:
    """A column for each target, a mark for each method, a line for the model itself."""
    own, targets = pick(rows, method=ORIGINAL), _targets(rows)
    if own is None or not targets:
        return False
    panels = [("bits_per_byte", "bits/byte")]
    if own.get("accuracy") is not None:
        panels.append(("accuracy", "% of continuations right (chance 25)"))
    with plots.canvas(path, (4.5 + 4 * len(panels), 5)) as figure:
        *ours, theirs = figure.subplots(1, len(panels) + 1, width_ratios=[4] * len(panels) + [1.5])
        for plot, (column, name) in zip(ours, panels, strict=True):
            _panel(plot, rows, targets, column)
            plot.set(title="ours", ylabel=name)
        their_rows = [row for row in paper_rows if row["target"] == THEIR_TARGET]
        _panel(theirs, their_rows, [THEIR_TARGET], "accuracy")
        theirs.set(title="paper", ylabel="accuracy, %", xlim=(-0.6, 0.6))
        figure.suptitle(title, fontsize="medium", x=0.01, ha="left")
        handles, labels = ours[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", fontsize=9, frameon=False)
    return True


def _panel(plot: Any, rows: Sequence[Row], targets: Sequence[str], column: str) -> None:
    if own := pick(rows, method=ORIGINAL):
        plot.axhline(
            own[column], color="firebrick", linestyle="--", linewidth=1.2, label="original"
        )
    for number, method in enumerate(SHOWN):
        aside = 0.09 * (number - len(SHOWN) // 2)  # so that none hides another
        found = [pick(rows, method=method, target=target) for target in targets]
        points = [(at + aside, row[column]) for at, row in enumerate(found) if row]
        if points:
            xs, ys = zip(*points, strict=True)
            plot.plot(xs, ys, MARKERS[method], color=COLOURS[method], label=method, markersize=7)
    plot.set_xticks(range(len(targets)), targets, fontsize=8)
    plot.set_xlim(-0.5, len(targets) - 0.5)
    plot.grid(axis="y", alpha=0.3)
