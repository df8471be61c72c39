"""Plots of tables as PNG: our points and the paper's curves on the same axes."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from research import files
from research.reporting.tables import group, heading

Row = Mapping[str, Any]
BITS_PER_BYTE = ("bits/byte", "bits_per_byte", "bpb")
MARKERS = "os^Dv<>P"
DASHES = ("--", ":", "-.")


@dataclass(frozen=True)
class Axes:
    """What a table's plot shows. An experiment may say it in PLOT, a dict of these fields.

    Attributes:
      x, y: columns with numbers.
      series: the columns that together name a curve.
      log_x, log_y: logarithmic axes.
    """

    x: str
    y: str
    series: tuple[str, ...]
    log_x: bool = False
    log_y: bool = False


def axes_of(columns: Sequence[str], declared: Mapping[str, Any] | None) -> Axes | None:
    """The axes that the experiment declared, else bits/byte against FLOPs/byte, else None."""
    if declared is not None:
        return Axes(**declared)
    costs = [name for name in columns if re.search(r"flops(/|_per_)byte$", name, re.IGNORECASE)]
    bits = [name for name in columns if name in BITS_PER_BYTE]
    if costs and bits:
        series = tuple(name for name in (columns[0], "vocabulary") if name in columns)
        return Axes(x=costs[0], y=bits[0], series=series, log_x=True)
    return None


def save(
    path: str | os.PathLike,
    title: str,
    axes: Axes,
    ours: Mapping[str, Sequence[Row]],
    paper_rows: Sequence[Row],
) -> bool:
    """Draws one plot.

    A series has one colour; the paper's points are joined by a dashed line, ours are filled, with
    another marker for every label.

    Args:
      ours: label ("ours, cpu") -> rows.

    Returns:
      False, and writes nothing, if no row has both figures.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    groups = {label: _points(axes, rows) for label, rows in ours.items()}
    theirs = _points(axes, paper_rows)
    names = list(dict.fromkeys(name for curves in [*groups.values(), theirs] for name, _ in curves))
    if not names:
        return False
    palette = colormaps["tab20" if len(names) > 10 else "tab10"].colors
    colours = {name: palette[index % len(palette)] for index, name in enumerate(names)}
    dashes = dict(zip(dict.fromkeys(variant for _, variant in theirs), cycle(DASHES), strict=False))
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    plot = figure.subplots()
    for (name, variant), points in theirs.items():
        style = {"marker": "o", "markersize": 4, "markerfacecolor": "white", "linewidth": 1}
        xs, ys = zip(*points, strict=True)
        plot.plot(xs, ys, dashes[variant], color=colours[name], **style)
    markers = dict(zip(groups, MARKERS[1:], strict=False))
    for label, curves in groups.items():
        for (name, _), points in curves.items():
            xs, ys = zip(*points, strict=True)
            plot.scatter(xs, ys, color=colours[name], marker=markers[label], s=45, zorder=3)
    if axes.log_x:
        plot.set_xscale("log")
    if axes.log_y:
        plot.set_yscale("log")
    plot.set(title=title, xlabel=heading(axes.x), ylabel=heading(axes.y))
    plot.grid(alpha=0.3, which="both")
    keys = [Line2D([], [], color=colours[name], linewidth=3, label=name) for name in names]
    for label, curves in groups.items():
        if curves:
            mark = {"marker": markers[label], "linestyle": "none"}
            keys.append(Line2D([], [], color="black", label=label, **mark))
    for variant, dash in dashes.items():
        text = ", ".join(part for part in ("paper", variant) if part)
        keys.append(Line2D([], [], color="black", linestyle=dash, linewidth=1, label=text))
    figure.legend(handles=keys, loc="outside right upper", fontsize="small", frameon=False)
    with files.atomic_path(path) as temporary:
        # Without the software's version in it, the same rows give the same file.
        figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})
    return True


def _points(axes: Axes, rows: Sequence[Row]) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """(what a row stands for, its variant) -> (x, y), in the order of x.

    The first series column names the curve (or the row's `group`, see `tables.group`), the others
    its variant. Rows that lack x or y are left out.
    """
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in rows:
        x, y = row.get(axes.x), row.get(axes.y)
        if isinstance(x, int | float) and isinstance(y, int | float):
            variant = [
                heading(name) + f" {row[name]:,}" if isinstance(row[name], int) else str(row[name])
                for name in axes.series[1:]
                if row.get(name) is not None
            ]
            key = (str(group(axes.series, row)), ", ".join(variant))
            found.setdefault(key, []).append((x, y))
    return {key: sorted(points) for key, points in found.items()}


def path_of(directory: Path, paper: str, table: str) -> Path:
    """Where a table's plot lies in a report."""
    return directory / paper / f"{table}.png"
