"""A runner over a dask.distributed cluster: one that runs, or processes of this machine."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from research.errors import FreevocabError
from research.training.prepare.job import Job, Log, Task
from research.training.prepare.pool import environment
from research.training.prepare.run import Map, mapped


def runner(
    job: Job, tasks: Sequence[Task], log: Log, *, workers: int, scheduler: str | None = None
) -> None:
    """See `run.Runner`.

    Args:
      workers: processes on this machine, if no scheduler is given.
      scheduler: address of one whose workers share the folders of corpus, codec and result with
        this machine, and have freevocab installed. Give them one thread each (--nthreads 1).

    Raises:
      FreevocabError: as `mapped`; dask is not installed, or there is no scheduler at the address.
    """
    with _client(workers, scheduler) as client:
        mapped(job, tasks, log, _map_of(client))


@contextlib.contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Any]:
    try:
        import distributed  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise FreevocabError(
            "--runner dask needs dask.distributed: pip install 'freevocab[dask]'"
        ) from error
    if scheduler is not None:
        try:
            client = distributed.Client(scheduler)
        except (OSError, ValueError) as error:
            line = (str(error).splitlines() or ["no answer"])[0]
            raise FreevocabError(f"no dask scheduler at {scheduler}: {line}") from error
        with client:
            yield client
        return
    # Each worker is a process with one thread: numba and JAX have their own.
    cluster = distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,  # pyright: ignore[reportArgumentType]
        env=environment(),
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


def _map_of(client: Any) -> Map:
    import distributed  # pyright: ignore[reportMissingImports]

    def map_(function, items):
        # Not pure: a task that was finished before a shard was removed has to run again.
        futures = client.map(function, items, pure=False)
        for _, result in distributed.as_completed(futures, with_results=True):
            yield result

    return map_
