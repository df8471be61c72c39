"""How far tables are: finished by earlier runs, time spent, time to expect."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from research import contents, files, units
from research.cli import catalog
from research.cli.catalog import Job
from research.reporting import environment, results
from research.reporting.results import Result, Results


def finished(jobs: Iterable[Job], own: Results) -> dict[str, Result]:
    """Results that would only be measured again, by the table's path.

    Those are of the same configuration, commit and versions of packages. Nothing counts as
    finished where no commit names the code.

    Args:
      own: of the work directory.
    """
    by_path = {}
    commit = environment.commit()
    if not environment.is_clean(commit):
        return by_path
    for job in jobs:
        last = own.get(job.key)
        if last is None or last.config != results.plain(dataclasses.asdict(job.config)):
            continue
        if (last.commit, last.versions) == (commit, environment.versions()):
            by_path[job.table.path] = last
    return by_path


@contextlib.contextmanager
def clock(job: Job, workdir: Path, *, again: bool) -> Iterator[Callable[[], float]]:
    """Times a table; an interruption keeps the time for the next run.

    The time of an earlier run counts if that was of the same configuration and commit.

    Args:
      again: the table is measured from the beginning.

    Yields:
      () -> seconds since the table was first begun, without the time when nothing ran.
    """
    path = workdir / job.table.paper / f"{job.table.name}-{job.scale}-stopped.json"
    run = {"config": results.plain(dataclasses.asdict(job.config)), "commit": environment.commit()}
    before, start = 0.0 if again else _spent(path, run), time.monotonic()

    def seconds() -> float:
        return before + time.monotonic() - start

    try:
        yield seconds
    except KeyboardInterrupt:
        files.write_json(path, {**run, "seconds": round(seconds(), 1)})
        raise
    path.unlink(missing_ok=True)


def _spent(path: Path, run: Mapping[str, Any]) -> float:
    """Seconds that an interrupted run noted, if it was the same."""
    try:
        stopped = contents.parse_json(path.read_text(encoding="utf-8"))
        return float(stopped["seconds"]) if run.items() <= stopped.items() else 0.0
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0.0


def training(config: Any) -> str | None:
    """What a configuration trains, if it or a part of it has steps, batch_size and length."""
    for part in (config, *vars(config).values()):
        if all(hasattr(part, name) for name in ("steps", "batch_size", "length")):
            return f"{part.steps:,} steps of {part.batch_size} x {part.length} tokens a model"
    return None


def plan(jobs: Sequence[Job], measured: Results, finished: Mapping[str, Result]) -> str:
    """The lines printed before anything runs: each table's expected time and cost, and the sum.

    Args:
      finished: results of earlier runs that stand, by the table's path.
    """
    expected = [
        0.0 if table.path in finished else table.expected_seconds(scale, measured)
        for table, scale, _ in jobs
    ]
    scales = list(dict.fromkeys(job.scale for job in jobs))
    lines = []
    for (table, scale, config), seconds in zip(jobs, expected, strict=True):
        if done := finished.get(table.path):
            lines.append(
                f"  {table.path}: finished on {done.date} by this commit with this configuration,"
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
