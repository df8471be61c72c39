"""What is said before and during long runs: expected time, elapsed time, terminal width."""

import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from research import units
from research.cli import catalog
from research.cli.catalog import Job, Table
from research.reporting import environment
from research.reporting.results import Result, Results


def expected_seconds(table: Table, scale: str, measured: Results) -> float | None:
    """How long the table took last time, or what its configuration says; None if nobody knows.

    A configuration may hold EXPECTED_MINUTES, a dict scale -> minutes.
    """
    last = measured.get(table.key(scale))
    if last is not None:
        return last.seconds
    minutes = getattr(table.configuration(), "EXPECTED_MINUTES", {}).get(scale)
    return None if minutes is None else 60 * minutes


def training(config: Any) -> str | None:
    """What a configuration trains, if it or a part of it has steps, batch_size and length."""
    for part in (config, *vars(config).values()):
        if all(hasattr(part, name) for name in ("steps", "batch_size", "length")):
            return f"{part.steps:,} steps of {part.batch_size} x {part.length} tokens a model"
    return None


def plan(
    jobs: Sequence[Job],
    measured: Results,
    finished: Mapping[str, Result] = MappingProxyType({}),
) -> str:
    """The lines printed before anything runs: each table's expected time and cost, and the sum.

    Args:
      finished: results of earlier runs that stand, by the table's path.
    """
    expected = [
        0.0 if table.path in finished else expected_seconds(table, scale, measured)
        for table, scale, _ in jobs
    ]
    scales = list(dict.fromkeys(job.scale for job in jobs))
    lines = []
    for (table, scale, config), seconds in zip(jobs, expected, strict=True):
        if kept := finished.get(table.path):
            lines.append(
                f"  {table.path}: finished on {kept.date} by this commit with this configuration,"
                " not run again (--again runs it)"
            )
            continue
        last = measured.get(table.key(scale))
        where = f", last measured on {environment.machine(last.hardware)}" if last else ""
        cost = None if catalog.weights_source(config) == "committed" else training(config)
        trains = f"; {cost}" if cost else ""
        name = f"{table.path} ({scale})" if len(scales) > 1 else table.path
        lines.append(f"  {name}: {about(seconds)}{where}{trains}")
    known = [seconds for seconds in expected if seconds is not None]
    total = about(sum(known)) if known else "unknown"
    if known and len(known) < len(expected):
        total += f" and {len(expected) - len(known)} not measured yet"
    plural = "table" if len(jobs) == 1 else "tables"
    plural += f" at {' and '.join(scales)} scale"
    head = f"{len(jobs)} {plural}, expected time: {total}"
    return "\n".join([head, *lines])


def about(seconds: float | None) -> str:
    """The expected time in words."""
    return "not measured yet" if seconds is None else f"about {units.duration(seconds)}"


def console():
    """Where tables are printed: the terminal's width, or a wide page in a pipe."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)
