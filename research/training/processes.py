"""Several processes as one machine: how they join, agree, wait for each other, and end."""

import contextlib
import dataclasses
import json
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np

from research.errors import FreevocabError, UsageError
from research.training.aborts import Catcher
from research.training.config import DistributedConfig
from research.training.run_folder import differences

Log = Callable[[str], None]

AUTO = "auto"
# Process 0 may be encoding a corpus for hours while the others wait.
_PATIENCE_SECONDS = 48 * 3600
_GOODBYE_SECONDS = 3
# Of errors by gloo, NCCL and JAX's coordination service where a process is gone.
_GONE = re.compile(
    "gloo|nccl|barrier|coordination|unavailable|deadline_exceeded|aborted|connection|socket", re.I
)


@dataclasses.dataclass
class _Joined:
    """What has to be known where a process ends, in whatever thread that is."""

    refused: str | None = None
    """While the processes join: what is wrong if they do not."""
    checkpoints: Path | None = None
    """Of the run under way."""
    agreements: int = 0
    """Calls of `check_equal` so far."""

    def line(self) -> str:
        """What to say if JAX ends this process."""
        return self.refused or f"another process ended or no longer answers: {self.advice()}"

    def advice(self) -> str:
        """How to go on."""
        folder = self.checkpoints
        names = [path.name for path in folder.iterdir()] if folder and folder.is_dir() else []
        # One that is being written has a longer name.
        steps = [int(name) for name in names if name.isdigit()]
        return "start all again" + (f", they go on from step {max(steps)}" if steps else "")


_joined = _Joined()
_catcher = Catcher(_joined.line)


def join(options: Any, log: Log) -> Log:
    """Joins the other processes of a command; must run before anything asks JAX for devices.

    Args:
      options: a command's arguments, with `distributed`; the others must be equal everywhere.

    Returns:
      `log` on process 0, silence on the others.

    Raises:
      UsageError: if the fields of `distributed` contradict each other, or another process was
        given other arguments.
      FreevocabError: if the other processes cannot be reached.
    """
    if options.distributed.coordinator and os.environ.get("FREEVOCAB_TRACEBACK") != "1":
        _catcher.install()
    initialize(options.distributed, log)
    values = dataclasses.asdict(options)
    check_equal({name: value for name, value in values.items() if name != "distributed"})
    return first_process(log)


def initialize(config: DistributedConfig, log: Log = print) -> None:
    """Joins the other processes; all fields unset: one process, nothing to do.

    On CPU the processes talk by gloo, JAX's default.

    Raises:
      UsageError: if only some of the fields are set, or they contradict each other.
      FreevocabError: if the port is taken, or the other processes cannot be reached.
    """
    address, count, process_id = config.coordinator, config.process_count, config.process_id
    fields = {"coordinator": address, "process-count": count, "process-id": process_id}
    missing = [name for name, value in fields.items() if value is None]
    if len(missing) == len(fields):
        return
    if address == AUTO:
        if count is not None or process_id is not None:
            raise UsageError("coordinator auto finds the other two itself: leave them out")
        log(f"waiting for the cluster's other processes, {config.timeout} seconds at most")
        _initialize(config.timeout, "the cluster's process 0", {})
        return
    if missing or address is None or process_id is None or count is None:
        raise UsageError(f"several processes need --{' and --'.join(missing)} as well")
    if not 0 <= process_id < count:
        raise UsageError(f"process-id {process_id} is not within 0 to {count - 1}")
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UsageError(f"coordinator {address} is not HOST:PORT, as in node-0:1234, or auto")
    if process_id == 0:
        _try_port(int(port))
    log(
        f"process {process_id} of {count} waits for the others at {address}, "
        f"{config.timeout} seconds at most"
    )
    named = {
        "coordinator_address": address,
        "num_processes": count,
        "process_id": process_id,
        # Else JAX takes one device for each process under SLURM.
        "cluster_detection_method": "deactivate",
    }
    _initialize(config.timeout, address, named)


def _initialize(timeout: int, where: str, named: dict[str, Any]) -> None:
    _joined.refused = (
        f"not all processes came to {where} within {timeout} seconds: start all of them, or give "
        "them longer (--distributed.timeout)"
    )
    # It would catch SIGTERM, and keep it to itself; we have `Interrupts.agreed`.
    jax.config.update("jax_enable_preemption_service", False)
    call = ThreadPoolExecutor(1).submit(
        jax.distributed.initialize,
        initialization_timeout=timeout,
        # Process 0 may be writing a large model at the end.
        shutdown_timeout_seconds=3600,
        **named,
    )
    try:
        call.result()  # in a thread, so that a signal is answered while it waits
    except (RuntimeError, ValueError) as error:
        if not named and "should be defined" in str(error):
            raise UsageError(
                "coordinator auto: JAX sees no cluster here; give HOST:PORT, process-count and "
                "process-id"
            ) from error
        first = str(error).strip().splitlines()[0]
        raise FreevocabError(f"this process could not join {where}: {first}") from error
    _joined.refused = None


def _try_port(port: int) -> None:
    """JAX would crash where another program has the port."""
    dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual else socket.AF_INET
    try:
        socket.create_server(("", port), family=family, dualstack_ipv6=dual).close()
    except OSError as error:
        raise FreevocabError(
            f"process 0 cannot listen at port {port} of this machine ({error.strerror}): give all "
            "processes a coordinator with another port"
        ) from error


def check_equal(values: dict[str, Any]) -> None:
    """Compares values (as JSON) between all processes; to be called by all of them.

    Raises:
      UsageError: on every process, if they differ, naming what does.
    """
    if jax.process_count() == 1:
        return
    from jax.experimental import multihost_utils

    _joined.agreements += 1
    # Collectives give up after 30 s, so all have to be here first.
    barrier(f"equal {_joined.agreements}", _PATIENCE_SECONDS)
    text = json.dumps(values, sort_keys=True, default=str).encode()
    lengths_P = multihost_utils.process_allgather(np.asarray(len(text), np.int32))
    padded = np.frombuffer(text.ljust(int(lengths_P.max())), np.uint8)
    first, *others = (row.tobytes() for row in multihost_utils.process_allgather(padded))
    for process, other in enumerate(others, 1):
        if other != first:
            lines = differences(json.loads(other), json.loads(first), other="in process 0 it is")
            raise UsageError(
                f"process {process} was started with other settings than process 0 "
                f"({'; '.join(lines)}): give all the same"
            )


def note_checkpoints(folder: Path | None) -> None:
    """Where the run under way goes on from, if a process ends."""
    _joined.checkpoints = folder


def first_process(log: Log) -> Log:
    """`log` on process 0, silence on the others."""
    return log if jax.process_index() == 0 else lambda line: None


def gather(params: Any) -> Any:
    """Numpy arrays of parameters that may be spread over several processes."""
    if jax.process_count() == 1:
        return jax.device_get(params)
    from jax.experimental import multihost_utils

    return multihost_utils.process_allgather(params, tiled=True)


def barrier(key: str, seconds: float) -> None:
    """Returns when every process is here; by the coordination service, not a collective.

    Args:
      key: not to be used twice by one process.
    """
    from orbax.checkpoint import multihost

    multihost.get_barrier_sync_fn()(key=key, timeout_ms=int(1000 * seconds))


@contextlib.contextmanager
def process_zero_first(key: str) -> Iterator[None]:
    """Runs the block on process 0, then on the others, and goes on when all are done.

    For files that the processes share: process 0 writes them, the others find them. Where they do
    not share a disk, each writes its own.

    Args:
      key: names this block; not to be used twice by one process.
    """
    if jax.process_count() == 1:
        yield
        return
    if jax.process_index() != 0:
        barrier(f"{key} first", _PATIENCE_SECONDS)
    yield
    if jax.process_index() == 0:
        barrier(f"{key} first", _PATIENCE_SECONDS)
    barrier(f"{key} done", _PATIENCE_SECONDS)


def explain(error: BaseException) -> str | None:
    """What to say of an error that comes from another process being gone; None of other errors."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, jax.errors.JaxRuntimeError) and _GONE.search(str(cause)):
            return _joined.line()
        cause = cause.__cause__
    return None


def leave(exit_code: int) -> None:
    """Ends this process at once, with what the others need of it gone.

    A plain exit waits for the others in JAX's shutdown, and is aborted there. An error of all of
    them is waited for briefly, so that each can say it.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    _catcher.line, _catcher.exit_code = lambda: None, exit_code
    if _joined.refused is None:
        with contextlib.suppress(Exception):
            barrier("leave", _GOODBYE_SECONDS)
    os._exit(exit_code)
