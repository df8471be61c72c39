"""How far tables are: finished by earlier runs, time spent, time to expect."""

import dataclasses
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

from research import files, units
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


class Clock:
    """Times a table; while entered, an interruption keeps the time for the next run.

    The time of an earlier run counts if that was of the same configuration and commit.

    Args:
      again: the table is measured from the beginning.
    """

    def __init__(self, job: Job, workdir: Path, *, again: bool):
        self._path = workdir / job.table.paper / f"{job.table.name}-{job.scale}-stopped.json"
        self._what = {
            "config": results.plain(dataclasses.asdict(job.config)),
            "commit": environment.commit(),
        }
        self._before = 0.0 if again else self._spent()
        self._start = time.monotonic()

    def seconds(self) -> float:
        """Since the table was first begun, without the time when nothing ran."""
        return self._before + time.monotonic() - self._start

    def __enter__(self) -> "Clock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._path.unlink(missing_ok=True)
        elif isinstance(error, KeyboardInterrupt):
            files.write_json(self._path, {**self._what, "seconds": round(self.seconds(), 1)})

    def _spent(self) -> float:
        try:
            stopped = json.loads(self._path.read_text(encoding="utf-8"))
            same = {name: stopped[name] for name in self._what} == self._what
            return float(stopped["seconds"]) if same else 0.0
        except (OSError, ValueError, KeyError, TypeError):
            return 0.0


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
        0.0 if table.path in finished else table.expected_seconds(scale, measured)
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
