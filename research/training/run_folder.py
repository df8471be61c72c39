"""A run's working directory: its lock, its checkpoints (by Orbax), its metrics as JSON lines.

A checkpoint holds `state` (step, parameters, optimizer) and `meta` (JSON: config, versions, seed,
clock). The data position is the step, because batch = f(seed, step). Arrays are written whole,
whatever their sharding, so a checkpoint opens on any number of devices.
"""

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from research import folders
from research.errors import FreevocabError, UsageError

VERSION = 1


class Checkpoints:
    """The checkpoints of one directory; use as a context manager, or call `close`.

    Saving copies the state off the devices, then writes behind the back of the steps that follow.
    """

    def __init__(self, directory: str | os.PathLike, *, keep: int = 2):
        self.directory = Path(directory).absolute()
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep, enable_async_checkpointing=True, create=True
        )
        try:
            self._manager = ocp.CheckpointManager(self.directory, options=options)
        except (OSError, ValueError) as error:
            raise FreevocabError(
                f"cannot use {self.directory} for checkpoints: {_first_line(error)}"
            ) from error

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Waits for what is being written."""
        self._manager.close()

    def wait(self) -> None:
        """Returns when everything saved so far is on disk."""
        try:
            self._manager.wait_until_finished()
        except (OSError, ValueError, RuntimeError) as error:
            raise self._cannot_write(error) from error

    def latest(self) -> int | None:
        """The newest whole checkpoint's step, or None."""
        return self._manager.latest_step()

    def save(self, step: int, state: Any, meta: dict[str, Any]) -> None:
        """Saves unless this step is saved already.

        Raises:
          FreevocabError: if it cannot be written; also for an earlier one, as that fails late.
        """
        if step == self._manager.latest_step():
            return
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state),
            meta=ocp.args.JsonSave({"version": VERSION, **json.loads(json.dumps(meta))}),
        )
        try:
            self._manager.save(step, args=items)
        except (OSError, ValueError, RuntimeError) as error:
            raise self._cannot_write(error) from error

    def meta(self, step: int) -> dict[str, Any]:
        """The meta of a checkpoint."""
        restored = self._restore(step, meta=ocp.args.JsonRestore())["meta"]
        if restored.get("version") != VERSION:
            raise FreevocabError(
                f"checkpoint {self.directory / str(step)} has version {restored.get('version')}, "
                f"this program reads {VERSION}; update freevocab"
            )
        return restored

    def restore(self, step: int, abstract_state: Any) -> Any:
        """The state, straight into the shardings of `abstract_state` (ShapeDtypeStructs).

        Raises:
          FreevocabError: if it is damaged or its arrays are not those of `abstract_state`.
        """
        return self._restore(step, state=ocp.args.StandardRestore(abstract_state))["state"]

    def _restore(self, step: int, **items: Any) -> Any:
        try:
            return self._manager.restore(step, args=ocp.args.Composite(**items))
        except Exception as error:  # Orbax and tensorstore raise many kinds, none documented
            raise FreevocabError(
                f"cannot read checkpoint {self.directory / str(step)}: {_first_line(error)}; "
                "delete that folder to go on from an earlier one, or use another workdir"
            ) from error

    def _cannot_write(self, error: Exception) -> FreevocabError:
        return FreevocabError(
            f"cannot write a checkpoint to {self.directory}: {_first_line(error)}"
        )


def open_given(directory: str | os.PathLike) -> tuple[Checkpoints, int]:
    """Opens another run's checkpoints for reading: a workdir or its 'checkpoints' folder.

    Raises:
      UsageError: if there is none.
    """
    directory = Path(directory)
    if (directory / "checkpoints").is_dir():
        directory /= "checkpoints"
    if directory.is_dir():
        checkpoints = Checkpoints(directory)
        if (step := checkpoints.latest()) is not None:
            return checkpoints, step
        checkpoints.close()
    raise UsageError(f"there is no checkpoint in {directory}")


@contextlib.contextmanager
def lock(workdir: Path) -> Iterator[None]:
    """Keeps other runs out of `workdir` while entered; process 0 does it for all its processes.

    The lock goes with the process, however that ends. Where the file system has no locks, there
    are none.

    Raises:
      FreevocabError: if another run is in it, or it cannot be written to.
    """
    if jax.process_index() != 0:
        yield
        return
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        file = open(workdir / ".lock", "w")
    except OSError as error:
        raise FreevocabError(f"cannot use {workdir} as a workdir: {error.strerror}") from error
    with file:
        locked = folders.lock(file.fileno())
        if locked is False:
            raise FreevocabError(
                f"another run is using {workdir}: wait for it, or choose another workdir"
            )
        if locked is None:
            file.write("this file system has no locks\n")
        yield


class MetricsFile:
    """Appends JSON lines to workdir/metrics.jsonl.

    The first line of a run, and of each resumption, has "kind": "run" and tells config, versions
    and hardware; the others have "kind": "train" or "eval" and a step. After a crash the file may
    hold lines of steps that were done again: the later line counts. Only process 0 writes.
    """

    def __init__(self, workdir: str | os.PathLike | None):
        self._path = None
        if workdir is not None and jax.process_index() == 0:
            self._path = Path(workdir) / "metrics.jsonl"
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.is_file():
                _drop_half_line(self._path)

    def write(self, kind: str, values: dict[str, Any]) -> None:
        """One line; NaN and infinities are written as strings, which JSON can hold."""
        if self._path is None:
            return
        text = json.dumps({"kind": kind, **values}, default=lambda number: number.item())
        line = json.loads(text, parse_constant=lambda name: str(float(name)))
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def logged(self, last: int) -> list[tuple[str, dict[str, Any]]]:
        """(kind, values) of the "train" and "eval" lines up to step `last`, in order; process 0's.

        Of lines about steps that were done again the later counts.
        """
        if self._path is None or not self._path.is_file():
            return []
        lines: dict[tuple[str, int], dict[str, Any]] = {}
        for values in read_metrics(self._path.parent):
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


def read_metrics(workdir: str | os.PathLike) -> list[dict[str, Any]]:
    """The lines of workdir/metrics.jsonl."""
    with open(Path(workdir) / "metrics.jsonl", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def differences(ours: Any, theirs: Any, name: str = "") -> list[str]:
    """What differs between two JSON values, as 'key: ours, not theirs', by path."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        lines = []
        for key in sorted(ours.keys() | theirs.keys()):
            path = f"{name}.{key}" if name else str(key)
            if key not in ours or key not in theirs:
                lines.append(f"{path} {'is new' if key in ours else 'is gone'}")
            else:
                lines += differences(ours[key], theirs[key], path)
        return lines
    return [] if ours == theirs else [f"{name} is {ours!r}, was {theirs!r}"]


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    # Orbax and tensorstore tell it at the end of a very long line.
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
        if text and os.strerror(number) in text[0]:
            return os.strerror(number)
    return text[0][:300] if text else type(error).__name__
