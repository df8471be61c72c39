"""OptimizerConfig -> an optax transformation: AdamW, Muon, and an Adafactor by layer."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax.contrib import MuonDimensionNumbers

from research.errors import UsageError
from research.training import sharding_rules
from research.training.config import OptimizerConfig
from research.training.forgetting import scale_by_per_row_adam
from research.training.sharding_rules import LANGUAGE_MODEL_RULES, Rule

# Muon's orthogonal updates have this root mean square times the learning rate, about AdamW's, so
# one learning rate serves both parts (Liu et al. 2025, arXiv 2502.16982, section 2.2).
_MUON_RMS = 0.2
_SQUARE_FLOOR = 1e-30  # epsilon_1 of the paper: keeps unused rows from dividing by zero
_SCALE_FLOOR = 1e-3  # epsilon_2: a parameter of zeros must be able to start


def learning_rate(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """The schedule, float32 of the number of steps done before; `steps` is the run's length.

    Not optax.warmup_cosine_decay_schedule, whose warm-up reaches the peak a step later: the
    numbers of recorded runs would change.

    Raises:
      UsageError: for a schedule whose numbers make no sense.
    """
    peak, warmup = config.learning_rate, config.warmup_steps
    if config.schedule == "rsqrt":
        if warmup < 1:
            raise UsageError("schedule=rsqrt needs warmup_steps >= 1 (the paper has 10,000)")
        return lambda count: peak * jax.lax.rsqrt(jnp.maximum(count, warmup).astype(jnp.float32))
    end = config.decay_steps or steps
    if config.schedule == "cosine" and end <= warmup:
        raise UsageError(f"cosine needs warmup_steps={warmup} below its end at step {end}")

    def rate(count):
        t = jnp.asarray(count, jnp.float32)
        scale = 1.0
        if config.schedule == "cosine":
            progress = jnp.clip((t - warmup) / (end - warmup), 0.0, 1.0)
            span = 1.0 - config.final_fraction
            scale = config.final_fraction + span * 0.5 * (1.0 + jnp.cos(jnp.pi * progress))
        return peak * scale * jnp.minimum(1.0, (t + 1.0) / max(1, warmup))

    return rate


def make_optimizer(
    config: OptimizerConfig,
    steps: int,
    rules: Sequence[Rule] = LANGUAGE_MODEL_RULES,
    *,
    by_row: bool = False,
) -> optax.GradientTransformation:
    """The optimizer for parameters that `rules` describe, with clipping by global norm first.

    Args:
      by_row: AdamW counts the steps of every row of a table, so that rows can be forgotten.

    Raises:
      UsageError: if another optimizer is to count by row.
    """
    if by_row and config.name != "adamw":
        raise UsageError(f"forgetting needs the optimizer adamw, not {config.name}")
    rate = learning_rate(config, steps)
    transforms = {"adamw": _adamw, "adafactor": adafactor, "muon": _muon}
    transform = _adamw_by_row if by_row else transforms[config.name]
    parts: list[optax.GradientTransformation] = [transform(config, rate, rules)]
    if config.clip_norm > 0:
        parts.insert(0, optax.clip_by_global_norm(config.clip_norm))
    return optax.chain(*parts)


def _kernels(rules):
    def mask(params) -> Any:
        return jax.tree.map(lambda rule: rule.kernel, sharding_rules.match(params, rules))

    return mask


def _adamw(config, rate, rules):
    return optax.adamw(
        rate,
        b1=config.beta1,
        b2=config.beta2,
        eps=config.epsilon,
        weight_decay=config.weight_decay,
        mask=_kernels(rules),
    )


def _adamw_by_row(config, rate, rules):
    return optax.chain(
        scale_by_per_row_adam(config.beta1, config.beta2, config.epsilon),
        optax.add_decayed_weights(config.weight_decay, _kernels(rules)),
        optax.scale_by_learning_rate(rate),
    )


def _muon(config, rate, rules):
    def labels(params):
        return jax.tree.map(
            lambda rule: "kernels" if rule.kernel else "others", sharding_rules.match(params, rules)
        )

    def matrices(params):
        return jax.tree.map(
            lambda rule: MuonDimensionNumbers(rule.indices("in"), rule.indices("out")),
            sharding_rules.match(params, rules),
        )

    muon = optax.contrib.muon(
        rate,
        beta=config.momentum,
        weight_decay=config.weight_decay,
        muon_weight_dimension_numbers=matrices,
        consistent_rms=_MUON_RMS,
    )
    return optax.partition({"kernels": muon, "others": _adamw(config, rate, rules)}, labels)


class AdafactorState(NamedTuple):
    """count: steps taken; moments: per parameter {'row', 'col'} or {'full'}, float32."""

    count: jax.Array
    moments: Any


def adafactor(
    config: OptimizerConfig, learning_rate: optax.Schedule, rules: Sequence[Rule]
) -> optax.GradientTransformation:
    """Adafactor (Shazeer & Stern 2018, Algorithm 5, no momentum), with matrices given by rule.

    After t steps (t from 1), decay b = 1 - t^-decay_rate, for a matrix of inputs x outputs:

        row = b row + (1 - b) mean over outputs of (g^2 + 1e-30);  col = likewise over inputs
        u = g / sqrt(row col / mean(row));  u = u / max(1, rms(u) / clip_threshold)
        update = -lr(t) max(1e-3, rms(parameter)) u

    Small matrices and vectors keep the whole second moment in place of row and col. The layers of
    a stacked parameter are separate matrices, as they would be unstacked: what optax.adafactor
    lacks, which factors the two largest axes and takes root mean squares over all layers together.

    Args:
      learning_rate: of the number of steps done before.
    """

    def init(params):
        def start(rule, param):
            return {
                name: jnp.zeros(np.delete(param.shape, _reduced_axes(rule, name)), jnp.float32)
                for name in _moment_names(rule, param.shape, config.min_factored)
            }

        matched = sharding_rules.match(params, rules)
        return AdafactorState(jnp.zeros((), jnp.int32), jax.tree.map(start, matched, params))

    def update(updates, state, params=None):
        decay = 1.0 - (state.count + 1).astype(jnp.float32) ** -config.decay_rate
        rate = jnp.asarray(learning_rate(state.count))

        def one(rule, grad, moments, param):
            square = jnp.square(grad) + _SQUARE_FLOOR
            new = {
                name: decay * old + (1.0 - decay) * _reduced(rule, square, name)
                for name, old in moments.items()
            }
            u = grad * _inverse_root(rule, new)
            axes = tuple(i for i in range(grad.ndim) if i not in rule.indices("layer"))
            u /= jnp.maximum(1.0, _rms(u, axes) / config.clip_threshold)
            return -rate * jnp.maximum(_SCALE_FLOOR, _rms(param, axes)) * u, new

        matched = sharding_rules.match(params, rules)
        both = jax.tree.map(one, matched, updates, state.moments, params)
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
