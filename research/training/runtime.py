"""What a command does around its work: joins other processes, chooses its folder, encodes text."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax

from research import codecs, files
from research.codecs.protocol import Codec
from research.corpora import Corpus
from research.errors import FreevocabError, UsageError, flag
from research.files import shown
from research.training.config import DistributedConfig
from research.training.data import sharded_store, token_store
from research.training.data.token_store import TokenStore
from research.units import counted, quantity

Log = Callable[[str], None]

# Process 0 may be encoding a corpus for hours while the others wait.
_PATIENCE_MS = 48 * 3600 * 1000


def initialize(config: DistributedConfig) -> None:
    """Joins the other processes; must run before anything asks JAX for devices.

    All fields unset: one process, nothing to do. On CPU the processes talk by gloo, JAX's default.

    Raises:
      UsageError: if only some of the three fields are set, or they contradict each other.
      FreevocabError: if the other processes cannot be reached.
    """
    fields = {
        "coordinator": config.coordinator,
        "process-count": config.process_count,
        "process-id": config.process_id,
    }
    missing = [name for name, value in fields.items() if value is None]
    if len(missing) == len(fields):
        return
    process_id, count = config.process_id, config.process_count
    if missing or process_id is None or count is None:
        raise UsageError(f"several processes need --{' and --'.join(missing)} as well")
    if not 0 <= process_id < count:
        raise UsageError(f"process-id {process_id} is not within 0 to {count - 1}")
    try:
        jax.distributed.initialize(config.coordinator, count, process_id)
    except (RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise FreevocabError(
            f"process {config.process_id} could not join {config.coordinator}: {first}"
        ) from error


def first_process(log: Log) -> Log:
    """`log` on process 0, silence on the others."""
    return log if jax.process_index() == 0 else lambda line: None


def gather(params: Any) -> Any:
    """Numpy arrays of parameters that may be spread over several processes."""
    if jax.process_count() == 1:
        return jax.device_get(params)
    from jax.experimental import multihost_utils

    return multihost_utils.process_allgather(params, tiled=True)


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
    # The coordination service's barrier, not a collective: collectives give up after 30 s.
    from orbax.checkpoint import multihost

    barrier = multihost.get_barrier_sync_fn()
    if jax.process_index() != 0:
        barrier(key=f"{key} first", timeout_ms=_PATIENCE_MS)
    yield
    if jax.process_index() == 0:
        barrier(key=f"{key} first", timeout_ms=_PATIENCE_MS)
    barrier(key=f"{key} done", timeout_ms=_PATIENCE_MS)


def workdir_of(options: Any, inputs: Sequence[str], mark: str) -> Path:
    """The folder for what a command's training keeps on its way, by default OUT.work.

    Also makes sure that the result can be written to --out: better now than after the training.

    Args:
      options: arguments with `out`, `workdir` and the inputs.
      inputs: names of those that are a file, folder or shipped codec which the training reads.
      mark: a file that every folder with such a result has.

    Raises:
      UsageError: --out must not be replaced, or holds the workdir or an input.
      FreevocabError: --out cannot be written.
    """
    workdir = Path(options.workdir or f"{Path(options.out)}.work")
    if shown(workdir) != os.fspath(workdir):
        raise UsageError(f"checkpoints cannot go to {shown(workdir)}, a name that is no UTF-8: "
                         f"choose another --{'workdir' if options.workdir else 'out'}")  # fmt: skip
    paths = {flag(name): getattr(options, name) for name in inputs}
    read = [(name, None if path in codecs.names() else path) for name, path in paths.items()]
    files.check_out(options.out, [("--workdir", workdir), *read], mark=mark)
    return workdir


def store_builder(
    corpus: Corpus, workdir: Path, max_bytes: int | None, valid_bytes: int | None, log: Log
) -> Callable[[str, Codec], TokenStore]:
    """(split, codec) -> its store under `workdir`, announced by a line."""

    def build(split: str, codec: Codec) -> TokenStore:
        with process_zero_first(f"store {split} {codec.fingerprint()}"):
            store = token_store.build(
                corpus,
                split,
                codec,
                workdir / "stores",
                max_bytes=max_bytes if split == "train" else valid_bytes,
                progress=progress_of(split, codec.name, log),
            )
        log(_described(split, store))
        return store

    return build


def store_opener(
    directory: str, max_bytes: int | None, valid_bytes: int | None, log: Log
) -> Callable[[str, Codec], TokenStore]:
    """(split, codec) -> its store out of a folder that `freevocab prepare` wrote.

    Calling it raises:
      UsageError: the folder is another one, has no such split, or is of another codec.
      FreevocabError: a shard is missing or damaged.
    """

    def build(split: str, codec: Codec) -> TokenStore:
        most = max_bytes if split == "train" else valid_bytes
        store = sharded_store.open_split(directory, split, max_bytes=most)
        if store.meta["source"]["codec"] != codec.fingerprint():
            raise UsageError(
                f"{directory} holds ids of {store.meta['codec_name']}, not of this {codec.name}: "
                "give the --codec that it was prepared with"
            )
        log(_described(split, store))
        return store

    return build


def _described(split: str, store: TokenStore) -> str:
    return (
        f"{split}: {quantity(store.num_bytes, 'B')} of {store.meta['corpus_name']} in "
        f"{counted(store.num_documents, 'document')}, {quantity(store.num_tokens)} ids of "
        f"{store.meta['codec_name']}"
    )


def progress_of(split: str, codec_name: str, log: Log) -> token_store.Progress:
    """Says how far the encoding of a split is."""

    def progress(done: int, rate: float) -> None:
        log(f"encoding {split} with {codec_name}: {quantity(done, 'B')}, {quantity(rate, 'B')}/s")

    return progress
