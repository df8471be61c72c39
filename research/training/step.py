"""The steps of training (loss = all nats / all tokens) and evaluation, on any kind of parallelism.

Gradients of the *sum* of nats are added over devices and divided by the sum of tokens, so the
result does not depend on how a batch is split, whatever each part's number of counted tokens. An
evaluation adds up sums over a whole split, on the host in float64.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from research.training import parallelism, sharding_rules
from research.training.config import ParallelismConfig
from research.training.sharding_rules import LANGUAGE_MODEL_RULES, Rule

# Batches of an evaluation in flight: enough that a device never waits, few enough to hold little
# memory.
_IN_FLIGHT = 8
# loss_fn(params, batch) -> (sum to minimise, float32; sums {'tokens', and if it differs from what
# is minimised 'nats', and any others}).
LossFn = Callable[[Any, dict[str, jax.Array]], tuple[jax.Array, dict[str, jax.Array]]]


class TrainState(NamedTuple):
    """All that changes from step to step; step: int32, updates done."""

    step: jax.Array
    params: Any
    opt_state: Any


def first_state(params: Any, optimizer, rules: Sequence[Rule] = ()) -> TrainState:
    """These parameters at step 0; the optimizer knows of those that `rules` do not freeze."""
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
        trained, frozen = sharding_rules.split(state.params, rules)

        def loss_of(trained, batch):
            return loss_fn(sharding_rules.join(trained, frozen), batch)

        value_and_grad = jax.value_and_grad(loss_of, has_aux=True)
        (objective, sums), grads = value_and_grad(trained, batch)
        grads, sums = collect((grads, {"nats": objective, **sums}))
        tokens = jnp.maximum(sums["tokens"], 1.0)
        grads = jax.tree.map(lambda g: g / tokens, grads)
        metrics = {**sums, "grad_norm": optax.tree.norm(grads)}
        updates, opt_state = optimizer.update(grads, state.opt_state, trained)
        params = sharding_rules.join(optax.apply_updates(trained, updates), frozen)
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


class EvalTotals(NamedTuple):
    """Exact sums over a text."""

    nats: float
    """-ln p summed over all counted targets, float64, EOS included."""
    tokens: int
    """Counted targets."""
    bytes: int
    """Bytes of the original text (special tokens have none)."""
    others: dict[str, float]
    """The loss function's other sums ('correct', ...), float64."""

    @property
    def bits_per_byte(self) -> float:
        """nats / ln 2 / bytes."""
        return self.nats / float(np.log(2.0)) / self.bytes

    @property
    def bytes_per_token(self) -> float:
        """The compression ratio in tokens, specials counted."""
        return self.bytes / self.tokens


# evaluate(params, batches, num_bytes) -> totals; the same for all splits, compiled once per shape.
Evaluator = Callable[[Any, Iterable[dict[str, np.ndarray]], int], EvalTotals]


def make_evaluator(
    loss_fn: LossFn, config: ParallelismConfig, mesh: Mesh, params: Any
) -> Evaluator:
    """Compiles an evaluation for parameters like a language model's `params` (real or abstract).

    The batches are this process's share, as many on every process; parameters of another
    sharding are moved first.
    """
    whole = parallelism.replicated(config, mesh)
    if config.kind == "pmap":
        shardings = jax.tree.map(lambda _: whole, params)
    else:
        shardings = sharding_rules.param_shardings(
            params, mesh, LANGUAGE_MODEL_RULES, fsdp=config.fsdp
        )
    collect = sum_over_devices(config)

    def sums_of(params, batch) -> dict[str, jax.Array]:
        objective, sums = loss_fn(params, batch)
        return collect({"nats": objective, **sums})

    step = parallelism.parallelize(
        sums_of, config, mesh, in_shardings=shardings, out_shardings=whole, donate=False
    )

    def evaluate(params, batches, num_bytes):
        params = jax.device_put(params, shardings)
        totals: dict[str, float] = {}
        waiting = []

        def settle(left):
            while len(waiting) > left:
                for name, value in jax.device_get(waiting.pop(0)).items():
                    totals[name] = totals.get(name, 0.0) + float(value)

        for batch in batches:
            waiting.append(step(params, parallelism.put_batch(config, mesh, batch)))
            settle(_IN_FLIGHT)
        settle(0)
        nats, tokens = totals.pop("nats", 0.0), totals.pop("tokens", 0.0)
        return EvalTotals(nats, round(tokens), num_bytes, totals)

    return evaluate
