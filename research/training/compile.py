"""Everything that happens once before the first step: shardings, compilation, and what a step will
cost, memory per device and FLOPs."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from research.errors import FreevocabError
from research.training import forgetting, parallelism, sharding_rules, step
from research.training.config import ForgettingConfig, TrainConfig
from research.training.optimizers import make_optimizer
from research.training.sharding_rules import LANGUAGE_MODEL_RULES, Rule
from research.training.step import LossFn, TrainState
from research.units import quantity


class Estimate(NamedTuple):
    """Bytes are per device; FLOPs are of the whole step over all devices."""

    params: int
    """Entries of all parameters."""
    params_bytes: int
    """One device's part of them."""
    optimizer_bytes: int
    """One device's part of the optimizer's state."""
    activation_bytes: int | None
    """XLA's temporary memory (activations, gradients, collectives); None where the backend does
    not say."""
    model_flops: int
    """Three times the forward pass's matrix multiplications: the useful ones, which a utilisation
    is measured by."""
    hardware_flops: int
    """Matrix multiplications of a step, with recomputation and those of a matrix optimizer."""
    tokens: int
    """Targets in a batch, counted or not."""

    def lines(self) -> list[str]:
        """For people."""
        activations = self.activation_bytes
        memory = [
            f"parameters {quantity(self.params_bytes, 'B')}",
            f"optimizer {quantity(self.optimizer_bytes, 'B')}",
            "activations " + ("unknown" if activations is None else quantity(activations, "B")),
        ]
        per_token = self.model_flops / max(1, self.tokens)
        return [
            f"{quantity(self.params)} parameters; per device: {', '.join(memory)}",
            f"{quantity(self.tokens)} tokens and {quantity(self.model_flops)} FLOPs a step "
            f"({quantity(per_token)} a token; with recomputation {quantity(self.hardware_flops)})",
        ]


@dataclasses.dataclass(frozen=True)
class CompiledStep:
    """A compiled step and how to get a state for it. Reusable for runs of equal shapes."""

    mesh: Mesh
    """The devices."""
    abstract: TrainState
    """A state's shapes, dtypes and shardings."""
    init: Callable[[int], TrainState]
    """seed -> a fresh state, on the devices."""
    from_params: Callable[[Any], TrainState]
    """A tree of arrays -> a state of these weights at step 0."""
    step: Callable[[TrainState, Any], tuple[TrainState, dict[str, jax.Array]]]
    """(state, batch) -> (state, metrics); see `training.step.make_train_step`."""
    estimate: Estimate
    """Memory and FLOPs of a step."""
    config: TrainConfig
    """What it was compiled for."""
    forget: Callable[[TrainState, ForgettingConfig, int], TrainState] | None = None
    """(state, forgetting config, seed) -> state, see `training.forgetting`; None without."""


def compile_step(
    loss_fn: LossFn,
    init_fn: Callable[[jax.Array], Any],
    batch: dict[str, np.ndarray],
    config: TrainConfig,
    *,
    mesh: Mesh | None = None,
    rules: Sequence[Rule] = LANGUAGE_MODEL_RULES,
) -> CompiledStep:
    """Compiles the training step for batches like `batch` (this process's part).

    Args:
      mesh: of config.parallelism; None: made here.

    Raises:
      UsageError: if devices, mesh, batch and model do not fit together.
      FreevocabError: if a parameter has no sharding rule.
    """
    mesh = parallelism.make_mesh(config.parallelism) if mesh is None else mesh
    forgets = config.forgetting
    optimizer = make_optimizer(config.optimizer, config.steps, rules, by_row=forgets is not None)

    def fresh(key):
        return step.first_state(init_fn(key), optimizer, rules)

    shapes = jax.eval_shape(fresh, jax.random.key(0))
    shardings = step.state_shardings(shapes, config.parallelism, mesh, rules)
    abstract = jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        shapes,
        shardings,
    )
    # Initialised where it will live: no device, and no host, ever holds an unsharded copy.
    init = jax.jit(fresh, out_shardings=shardings)

    def adopted(params):
        # Copied: the first step takes the state's memory, and the caller may want its own back.
        return step.first_state(jax.tree.map(jnp.copy, params), optimizer, rules)

    adopt = jax.jit(adopted, out_shardings=shardings)

    def from_params(params):
        _check_shapes(params, shapes.params)
        return adopt(jax.device_put(params, shardings.params))

    train_step = step.make_train_step(
        loss_fn, optimizer, config.parallelism, mesh, shardings, rules
    )
    placed = parallelism.put_batch(config.parallelism, mesh, batch)
    jaxpr = jax.make_jaxpr(train_step)(abstract, placed)
    compiled = train_step.lower(abstract, placed).compile()  # of the trace just made, cached
    whole_batch = parallelism.abstract_batch(mesh, batch)
    forward = jax.make_jaxpr(loss_fn)(shapes.params, whole_batch)
    memory = compiled.memory_analysis()
    targets = whole_batch.get("targets_BxL", next(iter(whole_batch.values())))
    estimate = Estimate(
        params=sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes.params)),
        params_bytes=device_bytes(shapes.params, shardings.params),
        optimizer_bytes=device_bytes(shapes.opt_state, shardings.opt_state),
        activation_bytes=None if memory is None else memory.temp_size_in_bytes,
        model_flops=3 * matmul_flops(forward),
        hardware_flops=matmul_flops(jaxpr),
        tokens=math.prod(targets.shape),
    )
    return CompiledStep(
        mesh=mesh,
        abstract=abstract,
        init=lambda seed: init(jax.random.key(seed)),
        from_params=from_params,
        step=compiled,
        estimate=estimate,
        config=config,
        forget=None if forgets is None else forgetting.compiled(init_fn, forgets, shardings),
    )


def _check_shapes(params: Any, shapes: Any) -> None:
    have, want = (
        {sharding_rules.name_of(path): tuple(leaf.shape) for path, leaf in flat}
        for flat, _ in map(jax.tree_util.tree_flatten_with_path, (params, shapes))
    )
    if have != want:
        wrong = sorted(k for k in have.keys() | want.keys() if have.get(k) != want.get(k))
        shown = ", ".join(f"{k} {have.get(k)} instead of {want.get(k)}" for k in wrong[:3])
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise FreevocabError(f"the initial weights are of another model: {shown}{more}")


def device_bytes(tree: Any, shardings: Any) -> int:
    """Bytes of one device's shards of a tree of (abstract) arrays."""

    def one(leaf, sharding):
        return math.prod(sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize

    return sum(jax.tree.leaves(jax.tree.map(one, tree, shardings)))


def matmul_flops(jaxpr: Any) -> int:
    """Floating point operations of the matrix multiplications in a jaxpr, loops unrolled.

    Counts a multiplication and an addition as two. XLA's own count sees the body of a scan once,
    and with it one layer. Of a `cond` the dearest branch counts; the body of a `while`, whose
    length nobody knows, counts once; a shard_map's body counts for each of its devices.
    """
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    return sum(_equation_flops(equation) for equation in jaxpr.eqns)


def _equation_flops(equation: Any) -> int:
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        left = equation.invars[0].aval.shape
        inner = math.prod(left[axis] for axis in contracted)
        return 2 * inner * math.prod(equation.outvars[0].aval.shape)
    if name == "cond":
        return max(matmul_flops(branch) for branch in params["branches"])
    inner = sum(matmul_flops(sub) for value in params.values() for sub in _jaxprs(value))
    if name == "scan":
        return params["length"] * inner
    if name == "shard_map":
        return params["mesh"].size * inner
    return inner


def _jaxprs(value: Any) -> list[Any]:
    if hasattr(value, "eqns") or hasattr(getattr(value, "jaxpr", None), "eqns"):
        return [value]
    if isinstance(value, list | tuple):
        return [sub for item in value for sub in _jaxprs(item)]
    return []
