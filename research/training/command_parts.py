"""What the training and evaluation commands are put together from."""

import functools
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from research import codecs, files, vocabularies
from research.codecs import lm_folder
from research.codecs.protocol import Codec
from research.corpora import Corpus
from research.errors import UsageError, flag
from research.files import shown
from research.models import language_model
from research.models.language_model import LanguageModelConfig
from research.training import distributed, evaluation, parallelism
from research.training.command_configs import TrainLexinvariant, TrainM1, TrainM2
from research.training.config import ParallelismConfig, TrainConfig
from research.training.data import batches, token_store
from research.training.data.token_store import TokenStore
from research.training.evaluation import Sums
from research.training.metrics import quantity

Log = Callable[[str], None]
Batch = dict[str, np.ndarray]


def first_process(log: Log) -> Log:
    """`log` on process 0, silence on the others."""
    return log if jax.process_index() == 0 else lambda line: None


def loss_fn(model: LanguageModelConfig, z_loss: float, chunk_size: int | None = None):
    """The language model's loss as the loop wants it."""
    return functools.partial(_loss, config=model, z_loss=z_loss, chunk_size=chunk_size)


def _loss(params, batch, *, config, z_loss, chunk_size):
    return language_model.loss(params, config, batch, z_loss=z_loss, chunk_size=chunk_size)


def vocabulary_of(options: TrainM2):
    """The vocabulary that a command's arguments describe.

    Raises:
      UsageError: if they do not fit together.
    """
    if not isinstance(options, TrainLexinvariant):
        return vocabularies.make("learned", tied=options.tied)
    more: dict[str, Any] = {}
    if options.vocabulary == "canonical":
        more = {"slots": options.length, "tied": options.tied}
    elif options.vocabulary == "learned":
        more = {"tied": options.tied}
    elif options.vocabulary == "partial":
        more = {"p": options.p, "per": options.per}
    return vocabularies.make(options.vocabulary, **more)


def train_config(options: TrainM1 | TrainM2) -> TrainConfig:
    """The loop's part of a command's arguments."""
    names = ("steps", "seed", "optimizer", "parallelism", "log_every", "save_every", "eval_every")
    return TrainConfig(**{name: getattr(options, name) for name in names})


def share(mesh: jax.sharding.Mesh) -> dict[str, int]:
    """Which part of a batch this process builds, as keyword arguments."""
    index, count = parallelism.batch_share(mesh)
    return {"process_index": index, "process_count": count}


def sequences(
    store: TokenStore,
    seed: int,
    rows: int,
    length: int,
    share: dict[str, int],
    *,
    draws: bool = False,
) -> Callable[[int], Batch]:
    """step -> this process's share of the batch, with keys if the vocabulary draws."""

    def batch_fn(step: int) -> Batch:
        batch = batches.sequence_batch(
            store, seed=seed, step=step, batch_size=rows, length=length, **share
        )
        return batches.with_keys(batch, seed, step, **share) if draws else batch

    return batch_fn


def evaluator(
    model: LanguageModelConfig, config: ParallelismConfig
) -> Callable[[Any, Iterable[Batch], int], Sums]:
    """(params, batches, bytes) -> sums of exact nats alone."""
    shapes = jax.eval_shape(lambda key: language_model.init(key, model), jax.random.key(0))
    mesh = parallelism.make_mesh(config)

    def exact(params, batch):
        return language_model.exact_loss(params, model, batch)

    return evaluation.make_evaluator(exact, config, mesh, shapes)


def evaluation_rows(mesh: jax.sharding.Mesh, rows: int) -> int:
    """`rows`, or the nearest number below that divides over the devices; at least one for each."""
    devices = mesh.shape["data"]
    return max(devices, rows - rows % devices)


def evaluation_of(
    model: LanguageModelConfig, config: ParallelismConfig, store: TokenStore, rows: int, length: int
) -> Callable[[Any], Sums]:
    """params -> sums over a store."""
    mesh = parallelism.make_mesh(config)
    rows, part = evaluation_rows(mesh, rows), share(mesh)
    evaluate = evaluator(model, config)

    def evaluate_store(params: Any) -> Sums:
        stream = batches.evaluation_batches(store, batch_size=rows, length=length, **part)
        if model.vocabulary.draws:
            stream = (
                batches.with_keys(batch, batches.EVALUATION_SEED, step, **part)
                for step, batch in enumerate(stream)
            )
        return evaluate(params, stream, store.num_bytes)

    return evaluate_store


def store_builder(
    corpus: Corpus, workdir: Path, max_bytes: int | None, valid_bytes: int | None, log: Log
) -> Callable[[str, Codec], TokenStore]:
    """(split, codec) -> its store under `workdir`, announced by a line."""

    def build(split: str, codec: Codec) -> TokenStore:
        with distributed.process_zero_first(f"store {split} {codec.fingerprint()}"):
            store = token_store.build(
                corpus,
                split,
                codec,
                workdir / "stores",
                max_bytes=max_bytes if split == "train" else valid_bytes,
                progress=progress_of(split, codec, log),
            )
        log(
            f"{split}: {quantity(store.num_bytes, 'B')} of {corpus.name} in "
            f"{store.num_documents} documents, {quantity(store.num_tokens)} ids of {codec.name}"
        )
        return store

    return build


def progress_of(split: str, codec: Codec, log: Log) -> token_store.Progress:
    """Says how far the encoding of a split is."""

    def progress(done: int, rate: float) -> None:
        log(f"encoding {split} with {codec.name}: {quantity(done, 'B')}, {quantity(rate, 'B')}/s")

    return progress


def weights_of(directory: str, codec: Codec) -> Callable[[], Any]:
    """Loads a model folder's weights when called; whether its codec fits is checked at once."""
    if not Path(directory, "model.json").is_file():
        raise UsageError(f"{directory} is no model folder: it has no model.json")
    theirs = codecs.load(Path(directory) / "codec")
    if theirs.fingerprint() != codec.fingerprint():
        raise UsageError(
            f"{directory} was trained with codec {theirs.name}, whose ids mean something else: "
            "give the same --codec"
        )
    return lambda: lm_folder.load(directory)[0]


def whole(params: Any) -> Any:
    """Numpy arrays of parameters that may lie on several processes."""
    if jax.process_count() == 1:
        return jax.device_get(params)
    from jax.experimental import multihost_utils

    return multihost_utils.process_allgather(params, tiled=True)


def workdir_of(options: Any, inputs: Sequence[str], mark: str) -> Path:
    """The folder for what a training keeps on its way, once it is sure that its result can be
    written to --out: better now than after the training.

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
    read = {flag(name): getattr(options, name) for name in inputs}
    given = [(name, None if one in codecs.names() else one) for name, one in read.items()]
    files.check_out(options.out, [("--workdir", workdir), *given], mark=mark)
    return workdir
