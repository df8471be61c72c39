"""Choosing the next id from logits: temperature, top-k, top-p."""

import jax
import jax.numpy as jnp


def sample(
    key: jax.Array,
    logits_BxV: jax.Array,
    temperature: float | jax.Array = 1.0,
    top_k: int | jax.Array = 0,
    top_p: float | jax.Array = 1.0,
) -> jax.Array:
    """Draws one id per row, int32 [B].

    All three settings may be traced scalars, so changing them compiles nothing anew. A logit of
    -inf is never drawn as long as the row has a finite one.

    Args:
      key: typed PRNG key; rows draw independently.
      temperature: divides the logits; 0 takes the largest (the first of equals).
      top_k: keep the k largest logits (and what equals the k-th); 0 keeps all.
      top_p: after top-k, keep the most probable ids up to the first at which their sum reaches p;
        at least one. 1 keeps all. (Nucleus sampling, Holtzman et al. 2020.)
    """
    logits_BxV = logits_BxV.astype(jnp.float32)
    temperature = jnp.asarray(temperature, jnp.float32)
    scaled = logits_BxV / jnp.where(temperature > 0, temperature, 1.0)
    kept = jnp.where(scaled >= cutoff(scaled, top_k, top_p)[:, None], scaled, -jnp.inf)
    drawn = jax.random.categorical(key, kept, axis=-1)
    return jnp.where(temperature > 0, drawn, jnp.argmax(logits_BxV, axis=-1)).astype(jnp.int32)


def cutoff(logits_BxV: jax.Array, top_k: int | jax.Array, top_p: float | jax.Array) -> jax.Array:
    """The smallest logit that top-k and top-p keep, [B]; equal logits stand or fall together."""
    size = logits_BxV.shape[-1]
    top_k = jnp.asarray(top_k, jnp.int32)
    top_k = jnp.where((top_k <= 0) | (top_k > size), size, top_k)
    top_p = jnp.asarray(top_p, jnp.float32)
    falling = -jnp.sort(-logits_BxV, axis=-1)
    falling = jnp.where((jnp.arange(size) < top_k)[None], falling, -jnp.inf)
    probabilities = jax.nn.softmax(falling, axis=-1)
    before = jnp.cumsum(probabilities, axis=-1) - probabilities
    # An exact 1 must keep everything, whatever the rounding of the sum.
    kept = (before < top_p) | (top_p >= 1.0)
    kept = (kept & jnp.isfinite(falling)).at[:, 0].set(True)
    return jnp.min(jnp.where(kept, falling, jnp.inf), axis=-1)
