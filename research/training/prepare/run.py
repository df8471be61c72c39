"""Preparing a corpus from the beginning to the index, by one of the runners."""

import functools
import shutil
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from research.corpora import Corpus
from research.errors import flag
from research.training.prepare import job as jobs
from research.training.prepare import shards, spill
from research.training.prepare.job import Job, Log, Task
from research.units import quantity

_LOGGED = 8  # parts or shards between two lines

Map = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]
"""(function, items) -> its results in any order. Function and items can be pickled."""


class Runner(Protocol):
    """Has all shards of a job written, those left out that stand."""

    def __call__(self, job: Job, tasks: Sequence[Task], log: Log) -> None: ...


def prepare(corpus: Corpus, job: Job, runner: Runner, log: Log = print) -> dict[str, Any]:
    """Prepares a corpus, or goes on with what an earlier run has begun; the content of index.json.

    Raises:
      UsageError: the folder holds something else, or the corpus nothing that can be prepared.
      FreevocabError: something cannot be read or written.
    """
    jobs.start(job, [(flag("corpus"), path) for path in corpus.paths])
    pieces = corpus.source.pieces()
    runner(job, jobs.tasks(pieces), log)
    index = shards.write_index(job, [piece.name for piece in pieces])
    shutil.rmtree(job.work)
    return index


def mapped(job: Job, tasks: Sequence[Task], log: Log, map_: Map) -> None:
    """A runner over any `map`: tasks to files, then shards out of them."""
    log(f"looking for finished shards among {job.num_shards}")
    numbers = range(job.num_shards)
    states = map_(functools.partial(_state, job), numbers)
    unfinished = sorted(shard for shard, is_unfinished in states if is_unfinished)
    if not unfinished:
        return
    log(f"{len(unfinished)} shards to write; reading {len(tasks)} parts of {job.corpus_name}")
    num_bytes = 0
    sizes = map_(functools.partial(spill.write, job), list(enumerate(tasks)))
    for done, size in enumerate(sizes, start=1):
        num_bytes += size
        if done == len(tasks) or done % _LOGGED == 0:
            log(f"read {done} of {len(tasks)} parts, {quantity(num_bytes, 'B')}")
    write = functools.partial(_write, job, len(tasks))
    for done, _ in enumerate(map_(write, unfinished), start=1):
        if done == len(unfinished) or done % _LOGGED == 0:
            log(f"wrote {done} of {len(unfinished)} shards")


def one_process(job: Job, tasks: Sequence[Task], log: Log) -> None:
    """The runner without any other process."""
    mapped(job, tasks, log, map)


def _state(job: Job, shard: int) -> tuple[int, bool]:
    return shard, shards.unfinished(job, shard)


def _write(job: Job, num_tasks: int, shard: int) -> None:
    shards.write(job, shard, spill.read(job, shard, num_tasks))
