"""The norms of a trunk: RMSNorm as it is or centred on one, and LayerNorm."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from research.models.projection import RMSNorm
from research.models.sizes import TrunkConfig


class LayerNorm(nn.Module):
    """(x - mean) / sqrt(variance + epsilon) * scale + bias over the last axis, in float32.

    scale: ones, bias: zeros, of the last axis' width. The result has the dtype of x.
    """

    epsilon: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        width, row = (x.shape[-1],), (1,) * (x.ndim - 1) + (-1,)
        scale = self.param("scale", nn.initializers.ones, width, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, width, jnp.float32)
        wide = x.astype(jnp.float32)
        wide -= jnp.mean(wide, -1, keepdims=True)
        wide *= jax.lax.rsqrt(jnp.mean(jnp.square(wide), -1, keepdims=True) + self.epsilon)
        return (wide * scale.reshape(row) + bias.reshape(row)).astype(x.dtype)


def norm(config: TrunkConfig, name: str) -> nn.Module:
    """The config's kind of norm, to be called on [..., D]; parameters under `name`."""
    if config.norm == "layer":
        return LayerNorm(config.norm_epsilon, name=name)
    return RMSNorm(config.norm_epsilon, plus_one=config.norm == "rms_plus_one", name=name)
