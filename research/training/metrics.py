"""Metrics as JSON lines, and the progress line."""

import json
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np

from research import units


class MetricsFile:
    """Appends JSON lines to workdir/metrics.jsonl.

    The first line of a run, and of each resumption, has "kind": "run" and tells config, versions
    and hardware; the others have "kind": "train" or "eval" and a step. After a crash the file may
    hold lines of steps that were done again: the later line counts. Only process 0 writes.
    """

    def __init__(self, workdir: str | os.PathLike | None):
        self._path = Path(workdir) / "metrics.jsonl" if workdir is not None else None
        if self._path is None or jax.process_index() != 0:
            self._path = None
        else:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.is_file():
                _drop_half_line(self._path)

    def write(self, kind: str, values: dict[str, Any]) -> None:
        """One line; NaN and infinities are written as strings, which JSON can hold."""
        if self._path is None:
            return
        line = json.dumps(_plain({"kind": kind, **values}), allow_nan=False)
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def logged(self, last: int) -> list[tuple[str, dict[str, Any]]]:
        """(kind, values) of the "train" and "eval" lines up to step `last`, in order; process 0's.

        Of lines about steps that were done again the later counts.
        """
        if self._path is None or not self._path.is_file():
            return []
        lines: dict[tuple[str, int], dict[str, Any]] = {}
        for values in read(self._path.parent):
            kind, step = values.pop("kind"), values["step"]
            if kind != "run" and step <= last:
                lines.pop((kind, step), None)
                lines[kind, step] = values
        return [(kind, values) for (kind, _), values in lines.items()]


def _drop_half_line(path: Path) -> None:
    """A run killed while it wrote leaves a line without an end; what follows must not join it."""
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        with open(path, "r+b") as file:
            file.truncate(data.rfind(b"\n") + 1)


def read(workdir: str | os.PathLike) -> list[dict[str, Any]]:
    """The lines of workdir/metrics.jsonl."""
    with open(Path(workdir) / "metrics.jsonl", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value


def progress_line(step: int, steps: int, loss: float, rate: float, seconds_left: float) -> str:
    """One line for people; loss in nats per token, rate in tokens per second."""
    return (
        f"step {step:>{len(str(steps))}}/{steps}  loss {loss:.4f}  "
        f"{units.quantity(rate)} tokens/s  {units.countdown(seconds_left)} left"
    )
