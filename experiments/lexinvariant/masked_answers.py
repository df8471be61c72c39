"""A bidirectional model that fills in the masked places at a sequence's end.

Batches hold inputs_BxL (the last N places masked), targets_BxN and, for vocabularies that draw,
keys_Bx2. An example is right only if all N are.
"""

from typing import Any

import jax
import jax.numpy as jnp

from research.models import transformer
from research.models.language_model import LanguageModelConfig
from research.vocabularies.protocol import LossConfig


def loss(
    params: Any, batch: dict[str, jax.Array], *, config: LanguageModelConfig
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """What training minimises, summed over answers; see `research.training.step.LossFn`.

    A drawn vocabulary may give an upper bound (`research.vocabularies.drawn`).
    """
    table, x_BxNxD = _at_masks(params, batch, config)
    targets_BxN = batch["targets_BxN"]
    weights_BxN = jnp.ones(targets_BxN.shape, jnp.float32)
    total, losses = config.vocabulary.loss(
        table, x_BxNxD, targets_BxN, weights_BxN, LossConfig(config.vocab_size)
    )
    return total, _sums(losses)


def exact_loss(
    params: Any, batch: dict[str, jax.Array], *, config: LanguageModelConfig
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The same by the exact losses, for evaluation: 'right' and 'examples' are among the sums."""
    table, x_BxNxD = _at_masks(params, batch, config)
    losses = config.vocabulary.losses(
        table, x_BxNxD, batch["targets_BxN"], LossConfig(config.vocab_size)
    )
    return jnp.sum(losses.nats_BxL), _sums(losses)


def _at_masks(params, batch, config):
    """The batch's table, and what the readout sees at the masked places, [B, N, D]."""
    vocabulary, ids_BxL = config.vocabulary, batch["inputs_BxL"]
    table = vocabulary.table(
        params["vocabulary"],
        ids_BxL,
        batch.get("keys_Bx2"),
        rows=config.rows,
        vocab_size=config.vocab_size,
    )
    x_BxLxD = transformer.apply(params["trunk"], config.trunk, vocabulary.embed(table, ids_BxL))
    return table, x_BxLxD[:, -batch["targets_BxN"].shape[1] :]


def _sums(losses):
    return jax.lax.stop_gradient({
        "nats": jnp.sum(losses.nats_BxL),
        "tokens": jnp.sum(jnp.ones_like(losses.nats_BxL)),
        "right": jnp.sum(jnp.min(losses.correct_BxL, axis=1)),
        "examples": jnp.asarray(len(losses.nats_BxL), jnp.float32),
    })
