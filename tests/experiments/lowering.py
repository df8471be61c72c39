"""A training step on eight devices without memory: what records say of the gpu and paper scales."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from research.training import parallelism, sharding_rules, step
from research.training.compile import device_bytes
from research.training.config import ParallelismConfig

EIGHT = ParallelismConfig(kind="mesh")


class Lowered(NamedTuple):
    """A step that was lowered."""

    parameters: int
    device_bytes: int
    """Parameters and optimizer state of a device."""
    params: Any
    """Shapes."""


def lower(loss: Callable, init: Callable, optimizer: Any, batch: Any) -> Lowered:
    """Lowers the step of a language model.

    Args:
      init: typed key -> parameters.
      batch: arrays, or their shapes.
    """
    mesh = parallelism.make_mesh(EIGHT)
    shapes = jax.eval_shape(lambda key: step.first_state(init(key), optimizer), jax.random.key(0))
    rules = sharding_rules.LANGUAGE_MODEL_RULES
    shardings = step.state_shardings(shapes, EIGHT, mesh, rules)
    traced = step.make_train_step(loss, optimizer, EIGHT, mesh, shardings).trace(shapes, batch)
    assert "func.func public @main" in traced.lower().as_text()
    held = device_bytes(shapes.params, shardings.params)
    held += device_bytes(shapes.opt_state, shardings.opt_state)
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes.params))
    return Lowered(count, held, shapes.params)


def abstract_batch(batch_size: int, length: int, **others: tuple) -> dict[str, Any]:
    """Shapes of a batch of text; `others`: (shape, dtype) of further arrays."""
    shape = batch_size, length
    ints = {name: jax.ShapeDtypeStruct(shape, np.int32) for name in ("inputs_BxL", "targets_BxL")}
    weights = {"weights_BxL": jax.ShapeDtypeStruct(shape, np.float32)}
    return ints | weights | {name: jax.ShapeDtypeStruct(*of) for name, of in others.items()}
