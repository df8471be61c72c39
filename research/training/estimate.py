"""What a step will cost, before the first one: memory per device and FLOPs."""

import math
from typing import Any, NamedTuple

import jax

from research.training.metrics import quantity
from research.training.step import TrainState


class Estimate(NamedTuple):
    """Bytes are per device; FLOPs are of the whole step over all devices.

    Attributes:
      params: entries of all parameters.
      params_bytes, optimizer_bytes: one device's share.
      activation_bytes: XLA's temporary memory (activations, gradients, collectives); None where
        the backend does not say.
      model_flops: three times the forward pass's matrix multiplications: the useful ones, which
        a utilisation is measured by.
      hardware_flops: matrix multiplications that the step does, recomputation and a matrix
        optimizer's included.
      tokens: targets in a batch, counted or not.
    """

    params: int
    params_bytes: int
    optimizer_bytes: int
    activation_bytes: int | None
    model_flops: int
    hardware_flops: int
    tokens: int

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


def estimate(
    state: TrainState,
    shardings: TrainState,
    compiled: Any,
    *,
    forward_flops: int,
    step_flops: int,
    tokens: int,
) -> Estimate:
    """Puts together what is known of a compiled step.

    Args:
      state: abstract or real; shardings: of the same tree.
      compiled: the compiled step.
      forward_flops, step_flops: `matmul_flops` of the loss and of the step, for all devices.
      tokens: targets in a batch.
    """
    memory = compiled.memory_analysis()
    return Estimate(
        params=sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state.params)),
        params_bytes=device_bytes(state.params, shardings.params),
        optimizer_bytes=device_bytes(state.opt_state, shardings.opt_state),
        activation_bytes=None if memory is None else memory.temp_size_in_bytes,
        model_flops=3 * forward_flops,
        hardware_flops=step_flops,
        tokens=tokens,
    )


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
