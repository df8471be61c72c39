"""The training step: loss = all nats / all tokens, on any kind of parallelism.

Gradients of the *sum* of nats are added over devices and divided by the sum of tokens, so the
result does not depend on how a batch is split, whatever each part's number of counted tokens.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from research.training import parallelism, sharding_rules
from research.training.config import ParallelismConfig
from research.training.sharding_rules import Rule

# loss_fn(params, batch) -> (sum to minimise, float32; sums {'tokens', and if it differs from what
# is minimised 'nats', and any others}).
LossFn = Callable[[Any, dict[str, jax.Array]], tuple[jax.Array, dict[str, jax.Array]]]


class TrainState(NamedTuple):
    """All that changes from step to step; step: int32, updates done."""

    step: jax.Array
    params: Any
    opt_state: Any


def init_state(
    key: jax.Array, init_fn: Callable[[jax.Array], Any], optimizer, rules: Sequence[Rule] = ()
) -> TrainState:
    """A fresh state; to be compiled with the shardings of `state_shardings`.

    Args:
      rules: which parameters are frozen, if any.
    """
    return first_state(init_fn(key), optimizer, rules)


def first_state(params: Any, optimizer, rules: Sequence[Rule] = ()) -> TrainState:
    """These parameters at step 0; the optimizer knows of those that are trained."""
    trained, _ = sharding_rules.split(params, rules)
    return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(trained))


def state_shardings(
    state: TrainState, config: ParallelismConfig, mesh: Mesh, rules: Sequence[Rule]
) -> TrainState:
    """NamedSharding of every array of a (possibly abstract) state."""
    whole = parallelism.replicated(config, mesh)
    if config.kind == "pmap":
        sharding_rules.match(state.params, rules)  # the optimizer reads the rules as well
        return jax.tree.map(lambda _: whole, state)
    params = sharding_rules.param_shardings(state.params, mesh, rules, fsdp=config.fsdp)
    opt_state = sharding_rules.state_shardings(
        state.opt_state, state.params, mesh, rules, fsdp=config.fsdp
    )
    # A state of shardings in place of arrays.
    return TrainState(whole, params, opt_state)  # pyright: ignore[reportArgumentType]


def make_train_step(
    loss_fn: LossFn,
    optimizer: optax.GradientTransformation,
    config: ParallelismConfig,
    mesh: Mesh,
    shardings: TrainState,
    rules: Sequence[Rule] = (),
) -> Any:
    """step(state, batch) -> (state, metrics); the state is donated.

    Parameters that `rules` freeze come out as they went in, and nothing is computed for them.

    metrics: float32 scalars: the sums of loss_fn ('nats', 'tokens', ...) over the whole batch and
    'grad_norm', before clipping, of the mean loss.
    """
    collect = sum_over_devices(config)

    def step(state: TrainState, batch) -> tuple[TrainState, dict[str, jax.Array]]:
        trained, kept = sharding_rules.split(state.params, rules)

        def loss_of(trained, batch):
            return loss_fn(sharding_rules.join(trained, kept), batch)

        value_and_grad = jax.value_and_grad(loss_of, has_aux=True)
        (objective, sums), grads = value_and_grad(trained, batch)
        grads, sums = collect((grads, {"nats": objective, **sums}))
        tokens = jnp.maximum(sums["tokens"], 1.0)
        grads = jax.tree.map(lambda g: g / tokens, grads)
        metrics = {**sums, "grad_norm": optax.tree.norm(grads)}
        updates, opt_state = optimizer.update(grads, state.opt_state, trained)
        params = sharding_rules.join(optax.apply_updates(trained, updates), kept)
        return TrainState(state.step + 1, params, opt_state), metrics

    return parallelism.parallelize(
        step,
        config,
        mesh,
        in_shardings=shardings,
        out_shardings=(shardings, parallelism.replicated(config, mesh)),
        donate=True,
    )


def sum_over_devices(config: ParallelismConfig) -> Callable[[Any], Any]:
    """Sums over devices: by hand under pmap, by the partitioner elsewhere."""
    if config.kind == "pmap":
        return lambda tree: jax.lax.psum(tree, parallelism.AXIS)
    return lambda tree: tree
