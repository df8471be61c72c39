"""M2: one language model trained on a token store and summed over another.

The compiled step depends only on the config and on the number of table rows, and is kept, so that
the rows of a table that share `padded_vocab_size` compile it once; each batch says how many of the
ids are real.
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from configs.compressed_text.parts import M2Config
from research.errors import FreevocabError, UsageError
from research.models import language_model, sizes
from research.models.language_model import LanguageModelConfig
from research.models.sizes import TrunkConfig
from research.training import batches, optimizers, parallelism, sharding_rules, step
from research.training.token_store import TokenStore

Log = Callable[[str], None]
Batch = dict[str, np.ndarray]

SMALL_SIZES = {
    # d_model, heads, head_dim, layers, mlp: 16 k kernels, for tests
    "tiny": TrunkConfig(32, 2, 16, 1, 64),
    # 1.05 M kernels, for minutes on two cores
    "small": TrunkConfig(192, 6, 32, 2, 640),
}


@dataclasses.dataclass(frozen=True)
class Compiled:
    """A model's functions for one config: jitted, so traced once for each shape of batch."""

    model: LanguageModelConfig
    init: Callable[[jax.Array], step.TrainState]
    step: Callable[[step.TrainState, Any], tuple[step.TrainState, dict[str, jax.Array]]]
    evaluate: Callable[[Any, Any], dict[str, jax.Array]]
    put: Callable[[Batch], Any]


@dataclasses.dataclass(frozen=True)
class Sums:
    """Totals of an evaluation: nats and the number of targets predicted right, over tokens."""

    nats: float
    tokens: float
    correct: float


def trunk_config(config: M2Config) -> TrunkConfig:
    """The shape that `config.size` names.

    Raises:
      UsageError: if no size has the name.
    """
    if config.size in SMALL_SIZES:
        trunk = SMALL_SIZES[config.size]
        return dataclasses.replace(trunk, dtype=config.dtype, remat=config.remat)
    if config.size not in sizes.SIZES:
        names = ", ".join([*SMALL_SIZES, *sizes.SIZES])
        raise UsageError(f"unknown model size {config.size!r}; choose from {names}")
    return sizes.size(config.size, dtype=config.dtype, remat=config.remat)


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
    if not rows:
        return LanguageModelConfig(trunk_config(config), vocab_size)
    return LanguageModelConfig(trunk_config(config), rows, padded_vocab_size=rows)


def loss_fn(config: M2Config, model: LanguageModelConfig) -> step.LossFn:
    """What a step minimises: nats and z-loss."""
    return functools.partial(
        _loss, config=model, z_loss=config.z_loss, chunk_size=config.chunk_size or None
    )


def _loss(params, batch, *, config, z_loss, chunk_size):
    return language_model.loss(params, config, batch, z_loss=z_loss, chunk_size=chunk_size)


@functools.lru_cache(maxsize=4)
def compiled(config: M2Config, model: LanguageModelConfig) -> Compiled:
    """The functions of a config, made once; nothing is traced before the first call."""
    mesh = parallelism.make_mesh(config.parallelism)
    optimizer = optimizers.make_optimizer(config.optimizer, config.steps)
    loss = loss_fn(config, model)

    def init(key):
        return step.init_state(key, lambda k: language_model.init(k, model), optimizer)

    abstract = jax.eval_shape(init, jax.random.key(0))
    shardings = step.state_shardings(
        abstract, config.parallelism, mesh, sharding_rules.LANGUAGE_MODEL_RULES
    )
    return Compiled(
        model=model,
        init=jax.jit(init, out_shardings=shardings),
        step=step.make_train_step(loss, optimizer, config.parallelism, mesh, shardings),
        evaluate=step.make_eval_step(loss, config.parallelism, mesh, shardings.params),
        put=functools.partial(parallelism.put_batch, config.parallelism, mesh),
    )


def train(
    config: M2Config,
    vocab_size: int,
    batch_fn: Callable[[int], Batch],
    *,
    seed: int,
    log: Log,
    after_step: Callable[[int, Any], None] | None = None,
) -> Any:
    """Trains from scratch and returns the parameters.

    Args:
      vocab_size: ids in all, BOS and EOS among them.
      batch_fn: step -> batch.
      after_step: called with the number of steps done and the parameters, which the next step
        reuses: it must not keep them.

    Raises:
      FreevocabError: if the loss is not finite.
    """
    functions = compiled(config, model_config(config, vocab_size))
    state = functions.init(jax.random.key(seed))
    began = reported = time.monotonic()
    for done in range(1, config.steps + 1):
        batch = with_vocab_size(batch_fn(done - 1), vocab_size)
        state, metrics = functions.step(state, functions.put(batch))
        if after_step:
            after_step(done, state.params)
        now = time.monotonic()
        # Fetching the loss waits for the device: twice in ten seconds, and at the end.
        if now - reported >= 5 or done == config.steps:
            nats = float(metrics["nats"]) / float(metrics["tokens"])
            if not math.isfinite(nats):
                raise FreevocabError(
                    f"the loss is {nats} at step {done}: lower m2.optimizer.learning_rate"
                )
            left = (now - began) / done * (config.steps - done)
            log(f"step {done}/{config.steps}, {nats:.3f} nats a token, {left:.0f} s to go")
            reported = now
    return state.params


def evaluate(
    config: M2Config, vocab_size: int, params: Any, stream: Iterator[Batch]
) -> Sums:
    """Totals over a stream of batches, added up in float64 on the host."""
    functions = compiled(config, model_config(config, vocab_size))
    parts = [
        functions.evaluate(params, functions.put(with_vocab_size(batch, vocab_size)))
        for batch in stream
    ]
    total = {
        name: sum(float(part[name]) for part in parts) for name in ("nats", "tokens", "correct")
    }
    return Sums(**total)


def with_vocab_size(batch: Batch, vocab_size: int) -> Batch:
    """The batch, saying how many ids are real."""
    count = len(batch["inputs_BxL"])
    return {**batch, "vocab_size_B": np.full(count, vocab_size, np.int32)}


def training_batches(config: M2Config, store: TokenStore, seed: int) -> Callable[[int], Batch]:
    """step -> batch of a store."""
    return lambda number: batches.sequence_batch(
        store, seed=seed, step=number, batch_size=config.batch_size, length=config.length
    )


def evaluation_batches(config: M2Config, store: TokenStore) -> Iterator[Batch]:
    """Every token of a store as a target once."""
    return batches.evaluation_batches(
        store, batch_size=config.evaluation_batch_size, length=config.length
    )


def kernel_count(config: M2Config) -> int:
    """Parameters that FLOPs are counted from: kernels, without embeddings."""
    return sizes.kernel_count(trunk_config(config))
