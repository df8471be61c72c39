"""A runner over processes of this machine, which needs nothing but Python."""

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from research import interrupts
from research.errors import FreevocabError
from research.training.prepare.job import Job, Log, Task
from research.training.prepare.run import Map, mapped

_ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",  # an accelerator is not for many processes
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def environment() -> dict[str, str]:
    """Variables of worker processes; what the user has set stays."""
    return {name: os.environ.get(name, value) for name, value in _ENVIRONMENT.items()}


def runner(job: Job, tasks: Sequence[Task], log: Log, *, workers: int) -> None:
    """See `run.Runner`.

    Raises:
      FreevocabError: as `mapped`, or a process has died.
    """
    with processes(workers) as map_:
        mapped(job, tasks, log, map_)


@contextlib.contextmanager
def processes(workers: int) -> Iterator[Map]:
    """A `map` over so many processes, which end with the block, however it ends."""
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
    try:
        yield functools.partial(_map, pool)
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        if isinstance(error, BrokenProcessPool):
            raise FreevocabError(
                "a worker process has died, perhaps for want of memory: use fewer --workers or "
                "more --shards"
            ) from error
        raise
    pool.shutdown()


def _map(
    pool: ProcessPoolExecutor, function: Callable[[Any], Any], items: Iterable[Any]
) -> Iterator[Any]:
    futures: list[Future] = [pool.submit(function, item) for item in items]
    for future in as_completed(futures):
        interrupts.check()
        yield future.result()


def _begin() -> None:
    os.environ.update(environment())
    # Ctrl-C goes to all processes of a terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # it was killed; otherwise this process is ended by it
