"""A training step on several devices without memory: what records say of the gpu and paper scales.

One function for each paper builds a step from what its configurations hold.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from configs.shared import M2Config, ModelConfig
from experiments.compressed_text import m2
from experiments.shared import language_models
from experiments.tokenizer_transfer import hypernetworks
from research.models import language_model, sizes
from research.training import optimizers, parallelism, sharding_rules, step
from research.training.compile import device_bytes
from research.training.config import ParallelismConfig
from research.transfer.hypernet.loss import make_loss_fn
from research.transfer.hypernet.training import TRANSFER_RULES
from research.transfer.source_model import SourceModel
from research.vocabularies import hypernetwork
from research.vocabularies.protocol import EmbeddingTable

MESH = ParallelismConfig(kind="mesh")
# Ids of a kind; None: the config's vocab_size and two.
IDS = {
    "automata": 21,
    "chain": 8,
    "characters": 130,
    "letters": 29,
    "bytes": 258,
    "unigram": None,
    "english-b16": 65_538,
}
# Pieces a token, about as the paper sheet has them: 2.4 in the mean, 1 % above 7.
SHARES = {1: 0.25, 2: 0.38, 3: 0.22, 4: 0.09, 5: 0.03, 6: 0.02, 8: 0.01}


class Step(NamedTuple):
    """A training step, not yet traced."""

    loss: Callable
    params: Any
    """Shapes."""
    optimizer: Any
    batch: dict[str, Any]
    """Arrays, or their shapes."""
    rules: Any = sharding_rules.LANGUAGE_MODEL_RULES


class Lowered(NamedTuple):
    """A step that was lowered."""

    parameters: int
    device_bytes: int
    """Parameters and optimizer state of a device."""
    params: Any
    """Shapes."""
    traced: Any
    """What jit makes of the step; `traced.lower().compile()` needs the devices."""


def lower(of: Step, config: ParallelismConfig = MESH) -> Lowered:
    """Lowers a step on all the devices there are."""
    mesh = parallelism.make_mesh(config)
    state = jax.eval_shape(
        lambda: step.first_state(
            jax.tree.map(lambda leaf: jax.numpy.zeros(leaf.shape, leaf.dtype), of.params),
            of.optimizer,
            of.rules,
        )
    )
    shardings = step.state_shardings(state, config, mesh, of.rules)
    make = step.make_train_step(of.loss, of.optimizer, config, mesh, shardings, of.rules)
    traced = make.trace(state, of.batch)
    assert "func.func public @main" in traced.lower().as_text()
    held = device_bytes(state.params, shardings.params)
    held += device_bytes(state.opt_state, shardings.opt_state)
    return Lowered(entries(of.params), held, of.params, traced)


def entries(tree: Any) -> int:
    """Numbers in a tree of (abstract) arrays."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def abstract_batch(batch_size: int, length: int, **others: tuple) -> dict[str, Any]:
    """Shapes of a batch of text; `others`: (shape, dtype) of further arrays."""
    shape = batch_size, length
    ints = {name: jax.ShapeDtypeStruct(shape, np.int32) for name in ("inputs_BxL", "targets_BxL")}
    weights = {"weights_BxL": jax.ShapeDtypeStruct(shape, np.float32)}
    return ints | weights | {name: jax.ShapeDtypeStruct(*of) for name, of in others.items()}


def compressed_text_step(config: M2Config, vocab_size: int) -> Step:
    """Of an M2; `vocab_size`: its ids, BOS and EOS included."""
    lm = m2.lm(config, vocab_size)
    batch = abstract_batch(
        config.batch_size, config.length, vocab_size_B=((config.batch_size,), np.int32)
    )
    optimizer = optimizers.make_optimizer(config.optimizer, config.steps)
    return Step(lm.loss, jax.eval_shape(lm.init, jax.random.key(0)), optimizer, batch)


def lexinvariant_step(model: ModelConfig) -> Step:
    """Of a language model whose vocabulary may be drawn."""
    config = language_models.model_config(model, IDS[model.ids] or model.vocab_size + 2)
    lm = language_models.lm(model, config)
    keys = ((model.batch_size, 2), np.uint32)
    batch = abstract_batch(model.batch_size, model.length, keys_Bx2=keys)
    optimizer = optimizers.make_optimizer(model.optimizer, model.steps)
    return Step(lm.loss, jax.eval_shape(lm.init, jax.random.key(0)), optimizer, batch)


def hypernetwork_step(setting: Any) -> Step:
    """Of the hypernetwork of a `TransferConfig` around its model; a group of rows for each of the
    devices there are."""
    settings, groups = setting.hypernetwork, jax.device_count()
    vocab_size = setting.tokenizer.vocab_size or setting.model.vocab_size
    model = language_models.model_config(setting.model, vocab_size + 2)
    model_shapes = jax.eval_shape(
        functools.partial(language_model.init, config=model), jax.random.key(0)
    )
    network = hypernetworks.network_of(settings, SourceModel(model_shapes, model, None))
    rows = jax.ShapeDtypeStruct((vocab_size + 2, model.trunk.d_model), np.float32)
    table = EmbeddingTable(rows, None if network.tied else rows)
    made = functools.partial(hypernetwork.init, config=network)
    params = {
        "hypernetwork": jax.eval_shape(lambda k, t: made(k, source=t), jax.random.key(0), table),
        "model": model_shapes,
    }
    counts_T = np.repeat(
        list(SHARES), [round(share * settings.vocab_size) for share in SHARES.values()]
    )
    layout = hypernetwork.layout_for(
        [counts_T], rows=len(counts_T), max_slots=settings.slots, groups=groups, margin=0.1
    )
    loss_of = hypernetworks.loss_of(settings)
    loss = make_loss_fn(model, network, layout, loss_of, data_shards=groups)
    optimizer = optimizers.make_optimizer(settings.optimizer, settings.steps, TRANSFER_RULES)
    return Step(loss, params, optimizer, _hypernetwork_batch(settings, layout), TRANSFER_RULES)


def _hypernetwork_batch(settings: Any, layout: Any) -> dict[str, Any]:
    slots, tails = (layout.groups, layout.slots), (layout.groups, layout.tails)
    rows = layout.groups, layout.rows // layout.groups
    shapes = {
        "ids_GxN": slots, "counts_GxN": slots, "tail_ids_GxM": tails, "tail_slots_GxM": tails,
        "copies_GxT": rows,
    }  # fmt: skip
    packed = {name: jax.ShapeDtypeStruct(shape, np.int32) for name, shape in shapes.items()}
    packed["offsets_GxT"] = jax.ShapeDtypeStruct(rows, np.float32)
    return packed | abstract_batch(settings.batch_size, settings.length)


def models_of(config: Any) -> list[ModelConfig]:
    """Every ModelConfig inside a config, in the order of its fields."""
    if isinstance(config, ModelConfig):
        return [config]
    if isinstance(config, tuple):
        return [model for each in config for model in models_of(each)]
    if dataclasses.is_dataclass(config):
        fields = [getattr(config, field.name) for field in dataclasses.fields(config)]
        return [model for each in fields for model in models_of(each)]
    return []


def kernels(model: ModelConfig) -> int:
    """Entries of the trunk's matrices."""
    return sizes.kernel_count(language_models.model_config(model, model.vocab_size).trunk)
