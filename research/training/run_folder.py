"""A run's working directory: its lock, its checkpoints (by Orbax), its metrics as JSON lines.

A checkpoint holds `state` (step, parameters, optimizer) and `meta` (JSON: config, versions, seed,
clock, a checksum of every array and one of itself). The data position is the step, because batch =
f(seed, step). Arrays are written whole, whatever their sharding, so a checkpoint opens on any
number of devices.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from research import folders
from research.errors import FreevocabError, UsageError

VERSION = 2  # from 2 on with checksums; 1 is read


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

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        # If another process is gone, there is nothing to wait for together.
        if kind is None or jax.process_count() == 1 or not issubclass(kind, RuntimeError):
            self.close()

    def close(self) -> None:
        """Waits for what is being written."""
        self._manager.close()

    def wait(self) -> None:
        """Returns when everything saved so far is on disk."""
        try:
            self._manager.wait_until_finished()
        except jax.errors.JaxRuntimeError:  # of a device or another process, not of the disk
            raise
        except (OSError, ValueError, RuntimeError) as error:
            raise self._cannot_write(error) from error

    def latest(self, before: float = math.inf) -> int | None:
        """The newest whole checkpoint's step (of those before a step), or None."""
        return max((step for step in self._manager.all_steps() if step < before), default=None)

    def save(self, step: int, state: Any, meta: dict[str, Any]) -> None:
        """Saves unless this step is saved already.

        Raises:
          FreevocabError: if it cannot be written; also for an earlier one, as that fails late.
        """
        if step == self._manager.latest_step():
            return
        meta = {**meta, "version": VERSION, "checksums": checksums(state)}
        meta = json.loads(json.dumps(meta))
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state),
            meta=ocp.args.JsonSave({**meta, "digest": _digest(meta)}),
        )
        try:
            self._manager.save(step, args=items)
        except jax.errors.JaxRuntimeError:
            raise
        except (OSError, ValueError, RuntimeError) as error:
            raise self._cannot_write(error) from error

    def meta(self, step: int) -> dict[str, Any]:
        """The meta of a checkpoint.

        Raises:
          FreevocabError: if it is damaged, or of a newer program.
        """
        restored = self._restore(step, meta=ocp.args.JsonRestore())["meta"]
        version = restored.get("version") if isinstance(restored, dict) else None
        digest = restored.pop("digest", None) if version != 1 else _digest(restored)
        if digest != _digest(restored):
            raise self._cannot_read(step, "its description was changed")
        if version not in (1, VERSION):
            raise FreevocabError(
                f"checkpoint {self.directory / str(step)} has version {version}, "
                f"this program reads {VERSION}; update freevocab"
            )
        return restored

    def restore(self, step: int, abstract_state: Any) -> Any:
        """The state, straight into the shardings of `abstract_state` (ShapeDtypeStructs).

        Raises:
          FreevocabError: if it is damaged or its arrays are not those of `abstract_state`.
        """
        state = self._restore(step, state=ocp.args.StandardRestore(abstract_state))["state"]
        expected = self.meta(step).get("checksums")
        if expected is not None and expected != (found := checksums(state)):
            changed = sorted(name for name in found if found[name] != expected.get(name))
            raise self._cannot_read(step, f"numbers in it were changed ({', '.join(changed[:1])})")
        return state

    def _restore(self, step: int, **items: Any) -> Any:
        try:
            return self._manager.restore(step, args=ocp.args.Composite(**items))
        except Exception as error:  # Orbax and tensorstore raise many kinds, none documented
            raise self._cannot_read(step, _first_line(error)) from error

    def _cannot_read(self, step: int, why: str) -> FreevocabError:
        if why == os.strerror(errno.EACCES):
            return FreevocabError(f"cannot read checkpoint {self.directory / str(step)}: {why}")
        return FreevocabError(
            f"cannot read checkpoint {self.directory / str(step)}: {why}; "
            "delete that folder to go on from an earlier one, or use another workdir"
        )

    def _cannot_write(self, error: Exception) -> FreevocabError:
        return FreevocabError(
            f"cannot write a checkpoint to {self.directory}: {_first_line(error)}"
        )


def checksums(state: Any) -> dict[str, int]:
    """Path of each array -> a number that any single changed bit changes, whatever the sharding.

    The array's words, each times an odd number of its place, summed mod 2^32: a sum of integers is
    the same in every order, so also over devices.
    """
    leaves = jax.tree_util.tree_leaves_with_path(state)
    sums = jax.device_get(_sums([leaf for _, leaf in leaves]))
    names = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]
    return {name: int(value) for name, value in zip(names, sums, strict=True)}


@jax.jit
def _sums(arrays: list[jax.Array]) -> list[jax.Array]:
    return [_sum(array) for array in arrays]


def _sum(array: jax.Array) -> jax.Array:
    words = array.astype(jnp.uint32) if array.dtype == bool else array
    if words.dtype.itemsize < 4:
        words = jax.lax.bitcast_convert_type(words, f"uint{8 * words.dtype.itemsize}")
    elif words.dtype != jnp.uint32:
        words = jax.lax.bitcast_convert_type(words, jnp.uint32)
    place = jnp.zeros(words.shape, jnp.uint32)
    for axis in range(words.ndim):
        count = jax.lax.broadcasted_iota(jnp.uint32, words.shape, axis)
        place = place * jnp.uint32(0x01000193) + count
    return jnp.sum(words.astype(jnp.uint32) * (2 * place + 1), dtype=jnp.uint32)


def _digest(meta: Any) -> str:
    """Of JSON values."""
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()


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


def differences(ours: Any, theirs: Any, name: str = "", *, other: str = "was") -> list[str]:
    """What differs between two JSON values by path, as 'key is ours, was theirs'; `other` is said
    in place of "was"."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        lines = []
        for key in sorted(ours.keys() | theirs.keys()):
            path = f"{name}.{key}" if name else str(key)
            if key not in ours or key not in theirs:
                lines.append(f"{path} {'is new' if key in ours else 'is gone'}")
            else:
                lines += differences(ours[key], theirs[key], path, other=other)
        return lines
    return [] if ours == theirs else [f"{name} is {ours!r}, {other} {theirs!r}"]


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    # Orbax and tensorstore tell it at the end of a very long line.
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
        if text and os.strerror(number) in text[0]:
            return os.strerror(number)
    return text[0][:300] if text else type(error).__name__
