"""Adafactor (Shazeer & Stern 2018, Algorithm 5, no momentum), with matrices given by rule.

After t steps (t from 1), decay b = 1 - t^-decay_rate, for a matrix of inputs x outputs:

    row = b row + (1 - b) mean over outputs of (g^2 + 1e-30);  col = likewise over inputs
    u = g / sqrt(row col / mean(row));  u = u / max(1, rms(u) / clip_threshold)
    update = -lr(t) max(1e-3, rms(parameter)) u

Small matrices and vectors keep the whole second moment in place of row and col. The layers of a
stacked parameter are separate matrices, as they would be unstacked; optax.adafactor instead
factors the two largest axes and takes root mean squares over all layers together.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from research.training import sharding_rules
from research.training.sharding_rules import Rule

_SQUARE_FLOOR = 1e-30  # epsilon_1 of the paper: keeps unused rows from dividing by zero
_SCALE_FLOOR = 1e-3  # epsilon_2: a parameter of zeros must be able to start


class AdafactorState(NamedTuple):
    """count: steps taken; moments: per parameter {'row', 'col'} or {'full'}, float32."""

    count: jax.Array
    moments: Any


def adafactor(
    learning_rate: optax.Schedule,
    rules: Sequence[Rule],
    *,
    decay_rate: float = 0.8,
    clip_threshold: float = 1.0,
    min_factored: int = 128,
) -> optax.GradientTransformation:
    """The optimizer above; `learning_rate` takes the number of steps done before."""

    def init(params):
        def start(rule, param):
            return {
                name: jnp.zeros(_kept_shape(rule, param.shape, name), jnp.float32)
                for name in _moment_names(rule, param.shape, min_factored)
            }

        matched = sharding_rules.match(params, rules)
        return AdafactorState(jnp.zeros((), jnp.int32), jax.tree.map(start, matched, params))

    def update(grads, state, params):
        decay = 1.0 - (state.count + 1).astype(jnp.float32) ** -decay_rate
        rate = learning_rate(state.count)

        def one(rule, grad, moments, param):
            square = jnp.square(grad) + _SQUARE_FLOOR
            new = {
                name: decay * old + (1.0 - decay) * _reduced(rule, square, name)
                for name, old in moments.items()
            }
            u = grad * _inverse_root(rule, new)
            axes = tuple(i for i in range(grad.ndim) if i not in rule.indices("layer"))
            u /= jnp.maximum(1.0, _rms(u, axes) / clip_threshold)
            return -rate * jnp.maximum(_SCALE_FLOOR, _rms(param, axes)) * u, new

        matched = sharding_rules.match(params, rules)
        both = jax.tree.map(one, matched, grads, state.moments, params)
        updates, moments = (
            jax.tree.map(lambda _, pair, k=k: pair[k], matched, both) for k in (0, 1)
        )
        return updates, AdafactorState(state.count + 1, moments)

    return optax.GradientTransformation(init, update)


def _moment_names(rule: Rule, shape, min_factored: int) -> tuple[str, ...]:
    sides = [math.prod(shape[i] for i in rule.indices(kind)) for kind in ("in", "out")]
    factored = rule.indices("in") and rule.indices("out") and min(sides) >= min_factored
    return ("row", "col") if factored else ("full",)


def _reduced_axes(rule: Rule, name: str) -> tuple[int, ...]:
    return {"row": rule.indices("out"), "col": rule.indices("in"), "full": ()}[name]


def _kept_shape(rule: Rule, shape, name: str) -> tuple[int, ...]:
    gone = _reduced_axes(rule, name)
    return tuple(size for i, size in enumerate(shape) if i not in gone)


def _reduced(rule: Rule, square: jax.Array, name: str) -> jax.Array:
    axes = _reduced_axes(rule, name)
    return jnp.mean(square, axes) if axes else square


def _inverse_root(rule: Rule, moments: dict[str, jax.Array]) -> jax.Array:
    """1 / sqrt of the estimated second moment, of a shape that multiplies the gradient."""
    if "full" in moments:
        return jax.lax.rsqrt(moments["full"])
    row = jnp.expand_dims(moments["row"], rule.indices("out"))
    col = jnp.expand_dims(moments["col"], rule.indices("in"))
    row /= jnp.mean(row, rule.indices("in"), keepdims=True)
    return jax.lax.rsqrt(row) * jax.lax.rsqrt(col)


def _rms(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    return jnp.sqrt(jnp.mean(jnp.square(x), axes, keepdims=True))
