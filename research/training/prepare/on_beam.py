"""A runner that is an Apache Beam pipeline: on this machine, or wherever Beam's options say.

shards -> those unfinished ---------------------------.
   `-------------------------------.                   |
tasks -> records of these shards -> (shard, record) -> by shard -> written
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from research.errors import FreevocabError
from research.training.prepare import reading, shards
from research.training.prepare.job import Job, Log, Task
from research.training.prepare.reading import Record


def runner(
    job: Job, tasks: Sequence[Task], log: Log, *, workers: int, options: Sequence[str] = ()
) -> None:
    """See `run.Runner`.

    Args:
      workers: processes on this machine, if there are no options.
      options: Beam's, as on a command line: `--runner=FlinkRunner`, `--flink_master=HOST:8081`.

    Raises:
      FreevocabError: as `shards.write`; Beam is not installed, or the pipeline fails.
    """
    try:
        import apache_beam as beam  # pyright: ignore[reportMissingImports]
        from apache_beam.options.pipeline_options import (  # pyright: ignore[reportMissingImports]
            PipelineOptions,
        )
    except ImportError as error:
        raise FreevocabError(
            "--runner beam needs Apache Beam: pip install 'freevocab[beam]'"
        ) from error
    here = [
        "--runner=DirectRunner",
        "--direct_running_mode=multi_processing",
        f"--direct_num_workers={workers}",
        "--default_sdk_harness_log_level=WARNING",
    ]
    log(f"a Beam pipeline over {len(tasks)} parts of {job.corpus_name}, {job.num_shards} shards")
    try:
        with beam.Pipeline(options=PipelineOptions([*(options or here)])) as pipeline:
            _build(beam, pipeline, job, tasks)
    except Exception as error:  # a worker's comes as text
        raise FreevocabError(f"the Beam pipeline failed: {_last_line(error)}") from error


def _build(beam: Any, pipeline: Any, job: Job, tasks: Sequence[Task]) -> None:
    unfinished = (
        pipeline
        | "Shards" >> beam.Create(range(job.num_shards))
        | "Spread shards" >> beam.Reshuffle()
        | "Unfinished" >> beam.Filter(functools.partial(shards.unfinished, job))
    )
    records = (
        pipeline
        | "Parts" >> beam.Create(list(tasks))
        | "Spread parts" >> beam.Reshuffle()
        | "Read" >> beam.FlatMap(_keyed, job, beam.pvalue.AsIter(unfinished))
    )
    # A shard without a document is written too.
    empty = unfinished | "Empty shards" >> beam.Map(_without_record)
    _ = (records, empty) | beam.Flatten() | beam.GroupByKey() | "Write" >> beam.Map(_write, job)


def _keyed(task: Task, job: Job, unfinished: Iterable[int]) -> Iterator[tuple[int, tuple]]:
    wanted = frozenset(unfinished)
    if wanted:
        for record in reading.records(job, task):
            shard = job.shard_of(record.digest)
            if shard in wanted:
                yield shard, tuple(record)


def _without_record(shard: int) -> tuple[int, None]:
    return shard, None


def _write(grouped: tuple[int, Iterable[tuple | None]], job: Job) -> int:
    shard, records = grouped
    shards.write(job, shard, (Record(*fields) for fields in records if fields is not None))
    return shard


def _last_line(error: Exception) -> str:
    """What a worker said: the last line of its traceback that names an error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if "Error: " in line]
    return (named or lines or [type(error).__name__])[-1]
