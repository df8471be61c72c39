"""Plots of tables as PNG: our points and the paper's curves on the same axes."""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from research import files
from research.reporting.tables import Row, group, heading

BITS_PER_BYTE = ("bits/byte", "bits_per_byte", "bpb")
MARKERS = "os^Dv<>P"
DASHES = ("--", ":", "-.")


@dataclass(frozen=True)
class Axes:
    """What a table's plot shows. An experiment may say it in PLOT, a dict of these fields."""

    x: str
    y: str
    """`x`, `y`: columns with numbers."""
    series: tuple[str, ...]
    """The columns that together name a curve."""
    log_x: bool = False
    log_y: bool = False
    """`log_x`, `log_y`: logarithmic axes."""
    across: str = ""
    """If set, a row is a whole curve: the columns named `across` and a number hold y at that x
    ("start 25"), and `x` and `y` are names for the axes only."""
    lines: bool = False
    """Join our points too."""
    panels: str = ""
    """a column; each of its values has a panel of its own."""
    abreast: int = 3
    """Panels in a line."""
    thin: str = ""
    """a column; where it is true, our points are a thin line without markers."""


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
    from matplotlib import color_sequences

    every = [row for rows in (*ours.values(), paper_rows) for row in rows]
    panels = [None]
    if axes.panels:
        in_order = [*paper_rows, *every]
        drawn = [row.get(axes.panels) for row in in_order if _points(axes, [row])]
        panels = list(dict.fromkeys(drawn))
    names = list(dict.fromkeys(name for name, _ in _points(axes, every)))
    if not names:
        return False
    # The ten strong colours first; their pale ones only where there are more names.
    palette = [*color_sequences["tab10"], *color_sequences["tab20"][1::2]]
    colours = {name: palette[index % len(palette)] for index, name in enumerate(names)}
    variants = dict.fromkeys(variant for _, variant in _points(axes, paper_rows))
    dashes = dict(zip(variants, cycle(DASHES), strict=False))
    markers = dict(zip(ours, MARKERS[1:], strict=False))
    columns = min(axes.abreast, len(panels))
    lines = -(-len(panels) // columns)
    size = (5.5 + 3.5 * columns, 5.5 if lines == 1 else 4 * lines)
    spread = [x for points in _points(axes, every).values() for x, _ in points]
    log_x = axes.log_x and min(spread) > 0 and max(spread) > 3 * min(spread)
    with canvas(path, size) as figure:
        plots = figure.subplots(lines, columns, sharey="row", squeeze=False)
        for plot in plots.flat[len(panels) :]:
            plot.set_axis_off()
        for plot, panel in zip(plots.flat, panels, strict=False):
            _curves(plot, axes, panel, ours, paper_rows, colours, dashes, markers)
            if log_x:
                plot.set_xscale("log")
                if axes.across:  # few places, the columns' own: name these and no powers of ten
                    places = sorted(set(spread))
                    plot.set_xticks(places, [f"{x:g}" for x in places])
                    plot.set_xticks([], minor=True)
            if axes.log_y:
                plot.set_yscale("log")
            plot.set_title(title if panel is None else panel, fontsize="medium")
            plot.set_xlabel(heading(axes.x))
            plot.grid(alpha=0.3, which="both")
        for plot in plots[:, 0]:
            plot.set_ylabel(heading(axes.y))
        if axes.panels:
            figure.suptitle(title)
        drawn = [label for label, rows in ours.items() if _points(axes, rows)]
        keys = _legend(colours, {label: markers[label] for label in drawn}, dashes)
        if axes.thin and any(row.get(axes.thin) for row in every):
            keys.append(_line(color="grey", linewidth=0.8, label=f"thin: {axes.thin}"))
        figure.legend(handles=keys, loc="outside right upper", fontsize="small", frameon=False)
    return True


@contextlib.contextmanager
def canvas(path: str | os.PathLike, size: tuple[float, float], dpi: int = 110) -> Iterator[Any]:
    """A matplotlib figure to draw on, written to `path` as a PNG when the block ends well."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    yield figure
    with files.atomic_path(path) as temporary:
        # Without the software's version in it, the same rows give the same file.
        figure.savefig(temporary, format="png", dpi=dpi, metadata={"Software": None})


def _curves(plot, axes, panel, ours, paper_rows, colours, dashes, markers) -> None:
    """The paper's lines and our points in one panel."""
    for (name, variant), points in _points(axes, _of(axes, panel, paper_rows)).items():
        style = {"marker": "o", "markersize": 4, "markerfacecolor": "white", "linewidth": 1}
        xs, ys = zip(*points, strict=True)
        plot.plot(xs, ys, dashes[variant], color=colours[name], **style)
    for label, rows in ours.items():
        for row_points, thin in _our_curves(axes, _of(axes, panel, rows)):
            for (name, _), points in row_points.items():
                xs, ys = zip(*points, strict=True)
                style = {"color": colours[name], "linestyle": "none"}
                if axes.lines:
                    style |= {"linestyle": "-", "linewidth": 0.8 if thin else 1.5}
                if not thin:
                    style |= {"marker": markers[label], "markersize": 6.5, "zorder": 3}
                plot.plot(xs, ys, **style)


def _of(axes: Axes, panel: Any, rows: Sequence[Row]) -> list[Row]:
    """The rows of a panel."""
    return [row for row in rows if not axes.panels or row.get(axes.panels) == panel]


def _our_curves(axes: Axes, rows: Sequence[Row]):
    """(points by curve, whether they are thin), thin ones first, so that they lie below."""
    for thin in (True, False):
        chosen = [row for row in rows if bool(axes.thin and row.get(axes.thin)) == thin]
        yield _points(axes, chosen), thin


def _legend(colours, markers, dashes) -> list:
    """A key for each curve, each of our labels, and each kind of the paper's lines."""
    keys = [_line(color=colour, linewidth=3, label=name) for name, colour in colours.items()]
    for label, marker in markers.items():
        keys.append(_line(color="black", marker=marker, linestyle="none", label=label))
    for variant, dash in dashes.items():
        text = ", ".join(part for part in ("paper", variant) if part)
        keys.append(_line(color="black", linestyle=dash, linewidth=1, label=text))
    return keys


def _line(**style):
    from matplotlib.lines import Line2D

    return Line2D([], [], **style)


def _points(axes: Axes, rows: Sequence[Row]) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """(what a row stands for, its variant) -> (x, y), in the order of x.

    The first series column names the curve (or the row's `group`, see `tables.group`), the others
    its variant. What lacks x or y is left out.
    """
    curves: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in rows:
        variant = [
            heading(name) + f" {row[name]:,}" if isinstance(row[name], int) else str(row[name])
            for name in axes.series[1:]
            if row.get(name) is not None
        ]
        key = (str(group(axes.series, row)), ", ".join(variant))
        for x, y in _pairs(axes, row):
            if isinstance(x, int | float) and isinstance(y, int | float):
                curves.setdefault(key, []).append((x, y))
    return {key: sorted(points) for key, points in curves.items()}


def _pairs(axes: Axes, row: Row) -> list[tuple[Any, Any]]:
    """The row's (x, y), or those that stand in it side by side."""
    if not axes.across:
        return [(row.get(axes.x), row.get(axes.y))]
    pattern = re.compile(re.escape(axes.across) + r"(\d+(?:\.\d+)?)")
    return [(float(match[1]), row[name]) for name in row if (match := pattern.fullmatch(name))]
