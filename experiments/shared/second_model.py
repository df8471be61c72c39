"""M2: one language model trained on a token store and summed over another.

The compiled step depends only on the config and on the number of table rows, and is kept, so that
the rows of a table that share `padded_vocab_size` compile it once; each batch says how many of the
ids are real.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from configs.compressed_text.parts import M2Config
from experiments.shared import weights
from research.codecs import lm_folder
from research.codecs.protocol import Codec
from research.errors import UsageError
from research.models import language_model, sizes
from research.models.language_model import LanguageModelConfig
from research.models.sizes import TrunkConfig
from research.training import evaluation, loop, parallelism, preparation, step
from research.training.config import TrainConfig
from research.training.data import batches
from research.training.data.token_store import TokenStore
from research.vocabularies.learned import LearnedEmbedding

Log = Callable[[str], None]
Batch = dict[str, np.ndarray]

def trunk_config(config: M2Config) -> TrunkConfig:
    """The shape that `config.size` names.

    Raises:
      UsageError: if no size has the name.
    """
    return sizes.size(
        config.size,
        dtype=config.dtype,
        remat=config.remat,
        embedding_dim=config.embedding_dim or None,
    )


def model_config(config: M2Config, vocab_size: int) -> LanguageModelConfig:
    """The model for `vocab_size` ids (BOS and EOS among them), or for any up to the padding.

    Raises:
      UsageError: if padded_vocab_size is set and too small.
    """
    rows = config.padded_vocab_size
    if rows and rows < vocab_size:
        raise UsageError(
            f"padded_vocab_size={rows} is below the {vocab_size} ids of a codec:"
            " raise it, or set it to 0"
        )
    vocabulary = LearnedEmbedding(tied=config.tied)
    if not rows:
        return LanguageModelConfig(trunk_config(config), vocab_size, vocabulary=vocabulary)
    return LanguageModelConfig(
        trunk_config(config), rows, padded_vocab_size=rows, vocabulary=vocabulary
    )


def loss_fn(config: M2Config, model: LanguageModelConfig) -> step.LossFn:
    """What a step minimises: nats and z-loss."""
    return functools.partial(
        _loss, config=model, z_loss=config.z_loss, chunk_size=config.chunk_size or None
    )


def _loss(params, batch, *, config, z_loss, chunk_size):
    return language_model.loss(params, config, batch, z_loss=z_loss, chunk_size=chunk_size)


def init_fn(model: LanguageModelConfig) -> Callable[[jax.Array], Any]:
    """Typed key -> fresh parameters."""
    return functools.partial(language_model.init, config=model)


def train_config(config: M2Config, *, seed: int = 0, eval_every: int = 0) -> TrainConfig:
    """The loop's settings of an M2."""
    return TrainConfig(
        steps=config.steps,
        seed=seed,
        optimizer=config.optimizer,
        parallelism=config.parallelism,
        log_every=max(1, min(50, config.steps // 4)),
        save_every=config.save_every,
        eval_every=eval_every,
    )


@functools.lru_cache(maxsize=4)
def prepared(config: M2Config, model: LanguageModelConfig, keys: tuple[str, ...]):
    """The compiled training step for batches with these arrays; made once."""
    shape = (config.batch_size // share(config)[1], config.length)
    batch = with_vocab_size({key: _example(key, shape) for key in keys}, 3)
    return preparation.prepare(
        loss_fn(config, model), init_fn(model), batch, train_config(config)
    )


@functools.lru_cache(maxsize=4)
def evaluator(config: M2Config, model: LanguageModelConfig) -> evaluation.Evaluator:
    """The compiled evaluation step; made once."""
    params = jax.eval_shape(init_fn(model), jax.random.key(0))
    mesh = parallelism.make_mesh(config.parallelism)
    return evaluation.make_evaluator(loss_fn(config, model), config.parallelism, mesh, params)


def _example(key: str, shape: tuple[int, int]) -> np.ndarray:
    return np.zeros(shape, np.float32 if key == "weights_BxL" else np.int32)


def train(
    config: M2Config,
    vocab_size: int,
    batch_fn: Callable[[int], Batch],
    *,
    seed: int,
    log: Log,
    workdir: Path | None = None,
    eval_fn: Callable[[Any], Mapping[str, float]] | None = None,
    eval_every: int = 0,
) -> loop.TrainResult:
    """Trains from scratch.

    Args:
      vocab_size: ids in all, BOS and EOS among them.
      batch_fn: step -> batch.
      workdir: for checkpoints and metrics; an interrupted training goes on from there.
      eval_fn, eval_every: see `research.training.loop`.

    Raises:
      FreevocabError: if the loss is not finite.
    """
    model = model_config(config, vocab_size)
    keys = tuple(sorted(batch_fn(0)))
    return loop.train(
        loss_fn(config, model),
        init_fn(model),
        lambda number: with_vocab_size(batch_fn(number), vocab_size),
        train_config(config, seed=seed, eval_every=eval_every),
        workdir,
        eval_fn=eval_fn,
        prepared=prepared(config, model, keys),
        log=log,
    )


def evaluate(
    config: M2Config, vocab_size: int, params: Any, stream: Iterator[Batch], num_bytes: int
) -> evaluation.Sums:
    """Totals over a stream of batches that stands for `num_bytes` bytes of text."""
    model = model_config(config, vocab_size)
    batches_ = (with_vocab_size(batch, vocab_size) for batch in stream)
    return evaluator(config, model)(params, batches_, num_bytes)


def save(directory: Path, config: M2Config, params: Any, codec: Codec, facts: dict) -> None:
    """Keeps a trained M2 as a folder that `research.codecs.lm_folder.load` opens."""
    model = model_config(config, codec.vocab_size + 2)
    lm_folder.save(
        directory, params, dataclasses.replace(model, vocab_size=codec.vocab_size + 2), codec, facts
    )


def weights_format(config: M2Config, codec: Codec) -> weights.Format:
    """How an M2 is kept in the repository: a model's folder, with its codec if that is small."""
    model = dataclasses.replace(
        model_config(config, codec.vocab_size + 2), vocab_size=codec.vocab_size + 2
    )

    def save(directory: Path, params: Any) -> None:
        lm_folder.save(
            directory,
            params,
            model,
            codec,
            dtype="bfloat16",
            with_codec=weights.is_small(codec.save),
        )

    return weights.Format(save, lambda directory: lm_folder.load(directory, codec)[0])


def with_vocab_size(batch: Batch, vocab_size: int) -> Batch:
    """The batch, saying how many ids are real."""
    count = len(batch["inputs_BxL"])
    return {**batch, "vocab_size_B": np.full(count, vocab_size, np.int32)}


def training_batches(config: M2Config, store: TokenStore, seed: int) -> Callable[[int], Batch]:
    """step -> this process's share of the batch of a store."""
    index, count = share(config)
    return lambda number: batches.sequence_batch(
        store,
        seed=seed,
        step=number,
        batch_size=config.batch_size,
        length=config.length,
        process_index=index,
        process_count=count,
    )


def evaluation_batches(config: M2Config, store: TokenStore) -> Iterator[Batch]:
    """Every token of a store as a target once; this process's share."""
    index, count = share(config)
    return batches.evaluation_batches(
        store,
        batch_size=config.evaluation_batch_size,
        length=config.length,
        process_index=index,
        process_count=count,
    )


def share(config: M2Config) -> tuple[int, int]:
    """(index, count): this process builds part `index` of `count` of every batch."""
    return parallelism.batch_share(parallelism.make_mesh(config.parallelism))


def own_rows(config: M2Config, array: np.ndarray) -> np.ndarray:
    """This process's rows of an array [B, ...] of a whole batch."""
    return array[batches.own_rows(len(array), *share(config))]


def kernel_count(config: M2Config) -> int:
    """Parameters that FLOPs are counted from: kernels, without embeddings."""
    return sizes.kernel_count(trunk_config(config))
