"""Self-attention of a block, over a whole sequence or one step with a cache."""

import functools
import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from research.models import positions
from research.models.projection import Projection, RMSNorm
from research.models.sizes import TrunkConfig, residual_gain


class Surroundings(NamedTuple):
    """What all layers share about where queries and keys stand.

    Attributes:
      positions_BxT: int32 [B, T] or [1, T], of the queries (for rotary).
      relative_BxTxS: int32 key minus query position, or None where it is simply j - i.
      mask_Bx1xTxS: bool, True = may be seen, beside causality; or None.
      slot_B: int32, the cache slot that this step writes; None for a whole sequence.
      matches_BxTxS: int8, what n-gram heads need to know about the ids; None without them.
      distance_BxTxS: int32 [B or 1, T, S], places from a key to its query; None without a window.
    """

    positions_BxT: jax.Array
    relative_BxTxS: jax.Array | None = None
    mask_Bx1xTxS: jax.Array | None = None
    slot_B: jax.Array | None = None
    matches_BxTxS: jax.Array | None = None
    distance_BxTxS: jax.Array | None = None


class Attention(nn.Module):
    """[B, T, D] -> [B, T, D], and the keys and values, each [B, S, kv heads, K].

    Parameters: query/kernel [D, H, K], key/kernel and value/kernel [D, kv heads, K], out/kernel
    [H, K, D]; with T5 positions position_bias [H, buckets]; with QK-norm query_norm/scale and
    key_norm/scale [K]; with biases {query,key,value}/bias [H, K] and out/bias [D]. Scores are
    scaled by 1 / sqrt(K) unless the config says otherwise; softmax is float32.
    """

    config: TrunkConfig

    @nn.compact
    def __call__(
        self,
        x_BxTxD: jax.Array,
        surroundings: Surroundings,
        cached: tuple[jax.Array, jax.Array] | None = None,
        window: jax.Array | None = None,
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        config = self.config
        heads, kv_heads, head_dim = config.num_heads, config.kv_heads, config.head_dim
        settings = {"dtype": config.dtype, "bias": config.qkv_bias}
        query = Projection((heads, head_dim), name="query", **settings)(x_BxTxD)
        key = Projection((kv_heads, head_dim), name="key", **settings)(x_BxTxD)
        value = Projection((kv_heads, head_dim), name="value", **settings)(x_BxTxD)
        if config.qk_norm:
            query = RMSNorm(config.norm_epsilon, name="query_norm")(query)
            key = RMSNorm(config.norm_epsilon, name="key_norm")(key)
        if config.positions == "rotary":
            turns = (surroundings.positions_BxT, config.rotary_base, config.rotary_scaling)
            query, key = positions.rotate(query, *turns), positions.rotate(key, *turns)
        if cached is not None:
            key = _write(cached[0], key, surroundings.slot_B)
            value = _write(cached[1], value, surroundings.slot_B)
        bias = self._bias(x_BxTxD.shape[1], surroundings) if config.positions == "t5" else None
        attend = jax.nn.dot_product_attention
        if config.score_softcap is not None:
            attend = functools.partial(capped_attention, softcap=config.score_softcap)
        attended = attend(
            query,
            key,
            value,
            bias,
            _mask(surroundings, window),
            scale=config.score_scale,
            is_causal=config.causal and cached is None,
        )
        settings = {"dtype": config.dtype, "bias": config.out_bias}
        gain = residual_gain(config)
        out = Projection((config.d_model,), axes=2, gain=gain, name="out", **settings)
        return out(attended), (key, value)

    def _bias(self, length: int, surroundings: Surroundings) -> jax.Array:
        """[B or 1, H, T, S] float32."""
        config = self.config
        # Not zero: an optimizer whose steps are relative to the parameter would hardly move it.
        initializer = nn.initializers.normal(0.2)
        shape = (config.num_heads, config.num_buckets)
        table = self.param("position_bias", initializer, shape, jnp.float32)
        if surroundings.relative_BxTxS is None:
            return positions.bias_by_offset(table, length, config.causal, config.max_distance)[None]
        return positions.bias_by_position(
            table, surroundings.relative_BxTxS, config.causal, config.max_distance
        )


def capped_attention(
    query_BxTxHxK: jax.Array,
    key_BxSxHxK: jax.Array,
    value_BxSxHxK: jax.Array,
    bias: jax.Array | None,
    mask: jax.Array | None,
    *,
    scale: float | None,
    is_causal: bool,
    softcap: float,
) -> jax.Array:
    """`jax.nn.dot_product_attention` with scores s replaced by c tanh(s / c), [B, T, H, K].

    Bias and mask are [B or 1, H or 1, T, S] and come after the cap; key-value heads divide H.
    Source: Gemma 2 (arXiv 2408.00118), section 2.
    """
    batch, length, heads, width = query_BxTxHxK.shape
    sources, kv_heads = key_BxSxHxK.shape[1:3]
    grouped = query_BxTxHxK.reshape(batch, length, kv_heads, heads // kv_heads, width)
    scores = jnp.einsum(
        "btkgd,bskd->bkgts", grouped, key_BxSxHxK, preferred_element_type=jnp.float32
    ).reshape(batch, heads, length, sources)
    scores *= 1.0 / math.sqrt(width) if scale is None else scale
    scores = softcap * jnp.tanh(scores / softcap)
    if bias is not None:
        scores += bias
    if is_causal:
        causal = jnp.tril(jnp.ones((length, sources), bool))[None, None]
        mask = causal if mask is None else mask & causal
    if mask is not None:
        scores = jnp.where(mask, scores, -0.7 * jnp.finfo(jnp.float32).max)
    shares = jax.nn.softmax(scores, axis=-1).astype(value_BxSxHxK.dtype)
    shares = shares.reshape(batch, kv_heads, heads // kv_heads, length, sources)
    out = jnp.einsum("bkgts,bskd->btkgd", shares, value_BxSxHxK)
    return out.reshape(batch, length, heads, width)


def _mask(surroundings: Surroundings, window: jax.Array | None) -> jax.Array | None:
    """What may be seen beside causality, bool [B or 1, 1, T, S]; window: of this layer."""
    mask = surroundings.mask_Bx1xTxS
    if window is None:
        return mask
    near = (surroundings.distance_BxTxS < window)[:, None]
    return near if mask is None else mask & near


def _write(buffer_BxSxHxK: jax.Array, new_Bx1xHxK: jax.Array, slot_B: jax.Array) -> jax.Array:
    """Each row's new entry in its own slot."""
    size = buffer_BxSxHxK.shape[1]
    here_BxS = jnp.arange(size)[None] == slot_B[:, None]
    return jnp.where(here_BxS[:, :, None, None], new_Bx1xHxK, buffer_BxSxHxK)
