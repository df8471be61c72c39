"""One language model on token stores: how it is trained and how it is evaluated.

    mesh = parallelism.make_mesh(config.parallelism)
    lm = LM(LanguageModelConfig(trunk, train.vocab_size), mesh, config.parallelism, z_loss=1e-4)
    batch_fn = lm.training_batches(train, seed=0, batch_size=32, length=512)
    result = lm.train(batch_fn, config, workdir)
    totals = lm.evaluate_store(result.params, valid, batch_size=32, length=512)

Every command and table that trains a language model goes through here, with objects and not with
options: what differs between them is fields of `LM` or arguments.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from research.models import language_model
from research.models.language_model import LanguageModelConfig
from research.training import loop, parallelism
from research.training.compile import CompiledStep, compile_step
from research.training.config import ParallelismConfig, TrainConfig
from research.training.data import batches
from research.training.data.batches import Batch
from research.training.data.token_store import TokenStore
from research.training.loop import BatchFn, EvalFn
from research.training.parallelism import DataShard
from research.training.step import EvalTotals, Evaluator, make_evaluator

Params = dict[str, Any]
Sums = dict[str, jax.Array]


@dataclasses.dataclass(frozen=True)
class LM:
    """A language model on a mesh. Equal ones share what is compiled for them."""

    model: LanguageModelConfig
    """Trunk, vocabulary, number of ids (BOS and EOS among them)."""
    mesh: Mesh
    """Of `parallelism.make_mesh(parallelism)`."""
    parallelism: ParallelismConfig = ParallelismConfig()
    """How steps use the mesh."""
    z_loss: float = 0.0
    """Weight of log(Z)^2 in training."""
    chunk_size: int | None = None
    """Positions of each sequence in the training readout at once."""
    exact: bool = True
    """Evaluations compute `exact_loss`, whatever the vocabulary trains on (some on a bound). Off:
    the nats of the training loss; for a learned table they differ by rounding alone, and the
    records of the compressed-text tables hold them."""
    any_vocab_size: bool = False
    """Every batch says how many of the model's ids are real, so that codecs of different sizes
    share what is compiled; model.vocab_size is an upper bound then."""

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters from a typed key."""
        return language_model.init(key, self.model)

    def loss(self, params: Params, batch: dict[str, jax.Array]) -> tuple[jax.Array, Sums]:
        """What a training step minimises, and sums of the batch."""
        return language_model.loss(
            params, self.model, batch, z_loss=self.z_loss, chunk_size=self.chunk_size
        )

    def eval_loss(self, params: Params, batch: dict[str, jax.Array]) -> tuple[jax.Array, Sums]:
        """What an evaluation sums; see `exact`."""
        if not self.exact:
            return self.loss(params, batch)
        return language_model.exact_loss(params, self.model, batch)

    @property
    def shard(self) -> DataShard:
        """The part of each batch that this process builds."""
        return parallelism.data_shard(self.mesh)

    def rows_that_fit(self, batch_size: int) -> int:
        """The nearest batch size not above that divides over the devices; one a device at least."""
        devices = self.mesh.shape[parallelism.AXIS]
        return max(devices, batch_size - batch_size % devices)

    def training_batches(
        self, store: TokenStore, *, seed: int, batch_size: int, length: int, twice: float = 0.0
    ) -> BatchFn:
        """step -> this process's part of the batch.

        Args:
          twice: share of the sequences whose second half repeats the first.
        """
        shard = self.shard

        def batch_fn(step: int) -> Batch:
            batch = batches.sequence_batch(
                store, seed=seed, step=step, batch_size=batch_size, length=length, shard=shard
            )
            batch = batches.said_twice(batch, twice, seed, step, shard)
            return self._completed(batch, seed, step, shard, store.vocab_size)

        return batch_fn

    def evaluation_batches(
        self, store: TokenStore, *, batch_size: int, length: int
    ) -> Iterator[Batch]:
        """Every token of a store as a target once, one draw for each sequence; this process's
        part."""
        shard = self.shard
        stream = batches.evaluation_batches(
            store, batch_size=batch_size, length=length, shard=shard
        )
        for step, batch in enumerate(stream):
            yield self._completed(batch, batches.EVALUATION_SEED, step, shard, store.vocab_size)

    def _completed(
        self, batch: Batch, seed: int, step: int, shard: DataShard, vocab_size: int
    ) -> Batch:
        if self.model.vocabulary.draws:
            batch = batches.with_keys(batch, seed, step, shard)
        if self.any_vocab_size:
            batch = batches.with_vocab_size(batch, vocab_size)
        return batch

    def train(
        self,
        batch_fn: BatchFn,
        config: TrainConfig,
        workdir: str | Path | None,
        *,
        eval_fn: EvalFn | None = None,
        initial_params: Callable[[], Any] | None = None,
        description: Mapping[str, Any] | None = None,
        log: Callable[[str], None] = print,
    ) -> loop.TrainResult:
        """`training.loop.train` with this model's loss, its step compiled at most once."""
        example = batch_fn(0)
        arrays = tuple((name, example[name].shape, example[name].dtype) for name in sorted(example))
        return loop.train(
            self.loss,
            self.init,
            batch_fn,
            config,
            workdir,
            eval_fn=eval_fn,
            initial_params=initial_params,
            description=description,
            compiled=compiled_step(self, config.compiled_part, arrays),
            log=log,
        )

    def evaluate(
        self, params: Mapping[str, Any], stream: Iterable[Batch], num_bytes: int
    ) -> EvalTotals:
        """Sums over this process's parts of batches that stand for `num_bytes` bytes of text."""
        return evaluator(self)(params, stream, num_bytes)

    def evaluate_store(
        self, params: Mapping[str, Any], store: TokenStore, *, batch_size: int, length: int
    ) -> EvalTotals:
        """Sums over all tokens of a store, in sequences of `length`."""
        stream = self.evaluation_batches(store, batch_size=batch_size, length=length)
        return self.evaluate(params, stream, store.num_bytes)


class Evaluations:
    """An eval_fn of the loop that keeps the exact sums: name prefix -> its last ones.

    Next to bits_per_byte it logs `uniform`, what a model that knows nothing of `vocab_size` ids
    has.
    """

    def __init__(self, evaluators: Mapping[str, Callable[[Any], EvalTotals]], vocab_size: int):
        self._evaluators = evaluators
        self._bits = math.log2(vocab_size)
        self.last: dict[str, EvalTotals] = {}

    def __call__(self, params: Any) -> dict[str, float]:
        values = {}
        for prefix, evaluate in self._evaluators.items():
            self.last[prefix] = totals = evaluate(params)
            values[f"{prefix}bits_per_byte"] = totals.bits_per_byte
            if not prefix:
                values["uniform"] = self._bits / totals.bytes_per_token
                values["bytes_per_token"] = totals.bytes_per_token
        return values


# Four: the models of a table that are used by turns. Compiled programs are large.
@functools.lru_cache(maxsize=4)
def compiled_step(
    lm: LM, config: TrainConfig, arrays: tuple[tuple[str, tuple[int, ...], np.dtype], ...]
) -> CompiledStep:
    """The compiled training step; made once.

    Args:
      arrays: name, shape and dtype of each array of a batch, this process's part.
    """
    batch = {name: np.zeros(shape, dtype) for name, shape, dtype in arrays}
    return compile_step(lm.loss, lm.init, batch, config, mesh=lm.mesh)


@functools.lru_cache(maxsize=4)
def evaluator(lm: LM) -> Evaluator:
    """The compiled evaluation step; made once."""
    params = language_model.abstract_params(lm.model)
    return make_evaluator(lm.eval_loss, lm.parallelism, lm.mesh, params)
