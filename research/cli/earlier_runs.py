"""What earlier runs left in a work directory: tables that are finished, time that is spent."""

import dataclasses
import json
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from research import files
from research.cli.catalog import Job, Table
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
    for table, scale, config in jobs:
        last = own.get(table.key(scale))
        if last is None or last.config != results.plain(dataclasses.asdict(config)):
            continue
        if same_code(last):
            by_path[table.path] = last
    return by_path


def same_code(last: Result) -> bool:
    """Was it measured by the code that runs now?"""
    commit = environment.commit()
    same = last.commit == commit and last.versions == environment.versions()
    return environment.is_clean(commit) and same


class Clock:
    """Times a table; while entered, an interruption keeps the time for the next run.

    The time of an earlier run counts if that was of the same configuration and commit.

    Args:
      again: the table is measured from the beginning.
    """

    def __init__(self, table: Table, config: Any, scale: str, workdir: Path, *, again: bool):
        self._path = workdir / table.paper / f"{table.name}-{scale}-stopped.json"
        self._what = {
            "config": results.plain(dataclasses.asdict(config)),
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
