"""Work in a forked process under limits: how it ends, whatever it does.

The parent imports what is slow to import (`warm`) but computes nothing with it, so that a child
begins at once, as a fresh process would go on after its imports.
"""

import importlib
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from research import interrupts

MEMORY = 4 << 30
"""Bytes of address space that a child may take in addition to what it is born with."""
_IMPORTS = (
    "flax", "jax.numpy", "ml_dtypes", "numba", "optax", "orbax.checkpoint", "safetensors.numpy",
    "scipy.sparse", "sentencepiece", "tokenizers", "zstandard",
    "research.cli.files", "research.cli.transfer", "research.codecs.container",
    "research.codecs.subword", "research.models.pretrained", "research.training.lm",
    "research.training.model_folders", "research.transfer.convert.hf_folder",
)  # fmt: skip
_BROKE = 99
_running: set[int] = set()


class End(NamedTuple):
    """How a child ended."""

    code: int
    """Its exit code; minus the number of the signal that ended it."""
    output: str
    """The end of what it printed."""


def warm() -> None:
    """Imports what the children will need; to be called before any child or use of JAX."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    for name in _IMPORTS:
        importlib.import_module(name)


def start(work: Callable[[], int | None], output: Path, *, memory: int | None = None) -> int:
    """Forks a child that does `work` and ends with its code; its standard output and error go to
    the file `output`. Returns its process id, which is also its group's.

    Args:
      memory: as MEMORY; None: without a limit.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    # A signal has to wait until the child has its own handlers (`command`).
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, interrupts.SIGNALS)
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        _running.add(child)
        return child
    code = _BROKE
    try:
        os.setpgid(0, 0)
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        if memory is not None:
            limit = _address_space() + memory
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        code = work() or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(child: int, seconds: float) -> int | None:
    """The child's exit code as in `End`; None if it still runs after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            _running.discard(child)
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            return None
        time.sleep(0.002)


def kill(child: int) -> int:
    """Ends a child and its group at once; its exit code."""
    _running.discard(child)
    os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_all() -> None:
    """Ends every child that still runs."""
    for child in list(_running):
        kill(child)


def run(
    work: Callable[[], int | None], output: Path, *, seconds: float = 600, memory: int | None = None
) -> End:
    """Does `work` in a child to its end; one that takes longer than `seconds` is killed."""
    child = start(work, output, memory=memory)
    code = wait(child, seconds)
    code = kill(child) if code is None else code
    return End(code, output.read_text("utf-8", "replace")[-2000:])


def command(folder: Path, argv: list[str]) -> Callable[[], int]:
    """What the command line `freevocab ARGV` does in a working directory."""

    def work() -> int:
        from research import cli

        os.chdir(folder)
        try:
            interrupts.install()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts.SIGNALS)
            code = cli.call(argv)
            signal.pthread_sigmask(signal.SIG_BLOCK, interrupts.SIGNALS)
            return code
        except interrupts.Interrupted as stop:  # before or after all else
            print(f"freevocab: {stop}", file=sys.stderr)
            return stop.exit_code

    return work


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
