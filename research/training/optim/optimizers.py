"""OptimizerConfig -> an optax transformation."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax.contrib import MuonDimensionNumbers

from research.errors import UsageError
from research.training import sharding_rules
from research.training.config import OptimizerConfig
from research.training.optim import per_row_adam
from research.training.optim.adafactor import adafactor
from research.training.sharding_rules import LANGUAGE_MODEL_RULES, Rule

__all__ = ["OptimizerConfig", "learning_rate", "make_optimizer"]

# Muon's orthogonal updates have this root mean square times the learning rate, about AdamW's, so
# one learning rate serves both parts (Liu et al. 2025, arXiv 2502.16982, section 2.2).
_MUON_RMS = 0.2


def learning_rate(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """The schedule, float32 of the number of steps done before; `steps` is the run's length.

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
    transforms = {"adamw": _adamw, "adafactor": _adafactor, "muon": _muon}
    transform = _adamw_by_row if by_row else transforms[config.name]
    parts = [transform(config, rate, rules)]
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
        per_row_adam.scale_by_adam(config.beta1, config.beta2, config.epsilon),
        optax.add_decayed_weights(config.weight_decay, _kernels(rules)),
        optax.scale_by_learning_rate(rate),
    )


def _adafactor(config, rate, rules):
    return adafactor(
        rate,
        rules,
        decay_rate=config.decay_rate,
        clip_threshold=config.clip_threshold,
        min_factored=config.min_factored,
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
