"""Everything that happens once before the first step: mesh, shardings, compilation, estimate."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from research.errors import FreevocabError
from research.training import estimate as estimates
from research.training import parallelism, sharding_rules
from research.training import step as steps
from research.training.config import ForgettingConfig, TrainConfig
from research.training.optim import forgetting
from research.training.optim.optimizers import make_optimizer
from research.training.sharding_rules import LANGUAGE_MODEL_RULES, Rule
from research.training.step import TrainState


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A compiled step and how to get a state for it. Reusable for runs of equal shapes.

    Attributes:
      mesh, shardings: where things live.
      abstract: the state's shapes, dtypes and shardings.
      init: seed -> a fresh state, on the devices.
      from_params: a tree of arrays -> a state of these weights at step 0.
      step: (state, batch) -> (state, metrics), compiled; see `research.training.step`.
      estimate: memory and FLOPs of a step.
      config: what it was made for.
      forget: (state, forgetting config, seed) -> state; see `training.optim.forgetting`. None
        without forgetting.
    """

    mesh: Mesh
    shardings: TrainState
    abstract: TrainState
    init: Callable[[int], TrainState]
    from_params: Callable[[Any], TrainState]
    step: Callable[[TrainState, Any], tuple[TrainState, dict[str, jax.Array]]]
    estimate: estimates.Estimate
    config: TrainConfig
    forget: Callable[[TrainState, ForgettingConfig, int], TrainState] | None = None


def prepare(
    loss_fn: steps.LossFn,
    init_fn: Callable[[jax.Array], Any],
    batch: dict[str, np.ndarray],
    config: TrainConfig,
    *,
    rules: Sequence[Rule] = LANGUAGE_MODEL_RULES,
) -> Prepared:
    """Compiles the training step for batches like `batch` (this process's share).

    Raises:
      UsageError: if devices, mesh, batch and model do not fit together.
      FreevocabError: if a parameter has no sharding rule.
    """
    mesh = parallelism.make_mesh(config.parallelism)
    by_row = config.forgetting is not None
    optimizer = make_optimizer(config.optimizer, config.steps, rules, by_row=by_row)

    def fresh(key):
        return steps.init_state(key, init_fn, optimizer, rules)

    shapes = jax.eval_shape(fresh, jax.random.key(0))
    shardings = steps.state_shardings(shapes, config.parallelism, mesh, rules)
    abstract = jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        shapes,
        shardings,
    )
    # Initialised where it will live: no device, and no host, ever holds an unsharded copy.
    init = jax.jit(fresh, out_shardings=shardings)

    # Copied, because the first step takes the state's memory and the caller may want its own back.
    def adopted(params):
        return steps.first_state(jax.tree.map(jnp.copy, params), optimizer, rules)

    adopt = jax.jit(adopted, out_shardings=shardings)

    def from_params(params):
        _same_shapes(params, shapes.params)
        return adopt(jax.device_put(params, shardings.params))

    train_step = steps.make_train_step(
        loss_fn, optimizer, config.parallelism, mesh, shardings, rules
    )
    placed = parallelism.put_batch(config.parallelism, mesh, batch)
    jaxpr = jax.make_jaxpr(train_step)(abstract, placed)
    compiled = train_step.lower(abstract, placed).compile()  # of the trace just made, cached
    whole_batch = parallelism.abstract_batch(mesh, batch)
    forward = jax.make_jaxpr(loss_fn)(shapes.params, whole_batch)
    estimate = estimates.estimate(
        shapes,
        shardings,
        compiled,
        forward_flops=estimates.matmul_flops(forward),
        step_flops=estimates.matmul_flops(jaxpr),
        tokens=_targets(whole_batch),
    )
    return Prepared(
        mesh=mesh,
        shardings=shardings,
        abstract=abstract,
        init=lambda seed: init(jax.random.key(seed)),
        from_params=from_params,
        step=compiled,
        estimate=estimate,
        config=config,
        forget=forgetting.compiled(init_fn, config.forgetting, shardings) if by_row else None,
    )


def _targets(batch: dict[str, Any]) -> int:
    leaf = batch.get("targets_BxL", next(iter(batch.values())))
    return int(np.prod(leaf.shape))


def _same_shapes(params: Any, wanted: Any) -> None:
    have, want = (
        {sharding_rules.name_of(path): tuple(leaf.shape) for path, leaf in flat}
        for flat, _ in map(jax.tree_util.tree_flatten_with_path, (params, wanted))
    )
    if have != want:
        wrong = sorted(k for k in have.keys() | want.keys() if have.get(k) != want.get(k))
        shown = ", ".join(f"{k} {have.get(k)} instead of {want.get(k)}" for k in wrong[:3])
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise FreevocabError(f"the initial weights are of another model: {shown}{more}")
