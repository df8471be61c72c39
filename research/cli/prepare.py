"""`freevocab prepare`: a corpus without duplicates, as ids, in shards that a training opens."""

import dataclasses
import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from research.errors import UsageError
from research.training.config import check_least

if TYPE_CHECKING:
    from research.training.prepare.run import Runner


@dataclasses.dataclass(frozen=True)
class Prepare:
    """Prepare a corpus for training: drop duplicates, encode, write shards. Run again to go on.

    A training reads them with --store OUT. What is written depends on the corpus, the codec, the
    number of shards and --max-document-bytes, not on the runner or the workers.
    """

    options: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[-- OPTION ...]")
    ] = ()
    """After --: options of Beam's runner, such as --runner=FlinkRunner."""
    corpus: str = "builtin"
    """builtin, text:GLOB[;valid=GLOB], tfds:NAME or synthetic."""
    codec: str = "english-b16"
    """A shipped codec's name or a folder that a codec was saved to."""
    out: str = "runs/prepared"
    """Folder for the shards, which all machines share."""
    shards: int = 16
    """Parts of the result. A worker holds one in memory: about 300 MB of text each are good."""
    max_document_bytes: int = 64 * 2**20
    """Longer documents are left out and counted."""
    runner: Literal["pool", "dask", "beam"] = "pool"
    """pool: processes of this machine. dask: a dask.distributed cluster. beam: an Apache Beam
    pipeline, here or on Spark, Flink or Dataflow (extra [beam])."""
    workers: int | None = None
    """Processes on this machine; default: one for each core."""
    scheduler: str | None = None
    """Of dask: address of a running scheduler, such as tcp://HOST:8786; default: a cluster of
    --workers on this machine."""

    def __post_init__(self):
        check_least(self, shards=1, max_document_bytes=1, workers=1)
        if self.scheduler is not None and self.runner != "dask":
            raise UsageError("--scheduler goes with --runner dask")
        if self.options and self.runner != "beam":
            raise UsageError(f"options after -- ({self.options[0]}) go with --runner beam")


def run(options: Prepare, log: Callable[[str], None] = print) -> dict[str, Any]:
    """Prepares the corpus, says what came of it, and returns the content of index.json."""
    from research import corpora, interrupts
    from research.training.prepare import job
    from research.training.prepare.run import prepare
    from research.units import counted, quantity

    runner = _runner(options)
    corpus = corpora.load(options.corpus)
    log(f"reading {corpus.name} for its digest")
    made = job.make(
        corpus,
        options.codec,
        options.out,
        num_shards=options.shards,
        max_document_bytes=options.max_document_bytes,
    )
    try:
        index = prepare(corpus, made, runner, log)
    except interrupts.Interrupted as stop:
        more = "the same command goes on at what is finished"
        raise interrupts.Interrupted(stop.number, f"{stop}; {more}") from None
    for split, counts in index["splits"].items():
        documents = counted(counts["documents"], "document")
        log(
            f"{split}: {quantity(counts['text_bytes'], 'B')} in {documents}, "
            f"{quantity(counts['tokens'])} ids of {index['codec_name']}"
        )
    log(f"left out: {counted(index['duplicates'], 'duplicate')}")
    for kind, bad in index["bad"].items():
        log(f"left out: {bad['documents']} {kind} ({bad['first'][0]})")
    log(f"to train on it: freevocab train m2 --codec {options.codec} --store {options.out}")
    return index


def _runner(options: Prepare) -> "Runner":
    workers = options.workers or os.cpu_count() or 1
    if options.runner == "beam":
        from research.training.prepare import on_beam

        return functools.partial(on_beam.runner, workers=workers, options=options.options)
    if options.runner == "dask":
        from research.training.prepare import on_dask

        return functools.partial(on_dask.runner, workers=workers, scheduler=options.scheduler)
    from research.training.prepare import pool

    return functools.partial(pool.runner, workers=workers)
