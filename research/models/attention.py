"""Self-attention of a block, over a whole sequence or one step with a cache."""

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
    """

    positions_BxT: jax.Array
    relative_BxTxS: jax.Array | None = None
    mask_Bx1xTxS: jax.Array | None = None
    slot_B: jax.Array | None = None
    matches_BxTxS: jax.Array | None = None


class Attention(nn.Module):
    """[B, T, D] -> [B, T, D], and the keys and values, each [B, S, kv heads, K].

    Parameters: query/kernel [D, H, K], key/kernel and value/kernel [D, kv heads, K], out/kernel
    [H, K, D]; with T5 positions position_bias [H, buckets]; with QK-norm query_norm/scale and
    key_norm/scale [K]. Scores are scaled by 1 / sqrt(K); softmax is float32.
    """

    config: TrunkConfig

    @nn.compact
    def __call__(
        self,
        x_BxTxD: jax.Array,
        surroundings: Surroundings,
        cached: tuple[jax.Array, jax.Array] | None = None,
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        config = self.config
        heads, kv_heads, head_dim = config.num_heads, config.kv_heads, config.head_dim
        query = Projection((heads, head_dim), name="query", dtype=config.dtype)(x_BxTxD)
        key = Projection((kv_heads, head_dim), name="key", dtype=config.dtype)(x_BxTxD)
        value = Projection((kv_heads, head_dim), name="value", dtype=config.dtype)(x_BxTxD)
        if config.qk_norm:
            query = RMSNorm(config.norm_epsilon, name="query_norm")(query)
            key = RMSNorm(config.norm_epsilon, name="key_norm")(key)
        if config.positions == "rotary":
            query = positions.rotate(query, surroundings.positions_BxT, config.rotary_base)
            key = positions.rotate(key, surroundings.positions_BxT, config.rotary_base)
        if cached is not None:
            key = _write(cached[0], key, surroundings.slot_B)
            value = _write(cached[1], value, surroundings.slot_B)
        bias = self._bias(x_BxTxD.shape[1], surroundings) if config.positions == "t5" else None
        attended = jax.nn.dot_product_attention(
            query,
            key,
            value,
            bias,
            surroundings.mask_Bx1xTxS,
            is_causal=config.causal and cached is None,
        )
        out = Projection(
            (config.d_model,), axes=2, gain=residual_gain(config), name="out", dtype=config.dtype
        )
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


def _write(buffer_BxSxHxK: jax.Array, new_Bx1xHxK: jax.Array, slot_B: jax.Array) -> jax.Array:
    """Each row's new entry in its own slot."""
    size = buffer_BxSxHxK.shape[1]
    here_BxS = jnp.arange(size)[None] == slot_B[:, None]
    return jnp.where(here_BxS[:, :, None, None], new_Bx1xHxK, buffer_BxSxHxK)
