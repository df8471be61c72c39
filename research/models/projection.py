"""The trunk's two parameterised primitives: a projection without bias, and RMSNorm."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp


class Projection(nn.Module):
    """y = x @ kernel over the last `axes` axes; kernel: [inputs..., *features], no bias.

    Initialised from a normal truncated at two standard deviations, standard deviation
    gain / sqrt(number of inputs), so outputs have the variance of the inputs times gain^2.
    The kernel is float32; the product is in `dtype`.
    """

    features: tuple[int, ...]
    axes: int = 1
    gain: float = 1.0
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        inputs = x.shape[x.ndim - self.axes :]
        initializer = truncated_normal(self.gain / math.sqrt(math.prod(inputs)))
        kernel = self.param("kernel", initializer, (*inputs, *self.features), jnp.float32)
        dtype = jnp.dtype(self.dtype)
        return jnp.tensordot(x.astype(dtype), kernel.astype(dtype), self.axes)


def truncated_normal(stddev: float) -> jax.nn.initializers.Initializer:
    """Normal cut at two standard deviations, widened so that what is left has `stddev`."""
    return jax.nn.initializers.truncated_normal(stddev / 0.87962566103423978)


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + epsilon) * scale over the last axis, computed in float32.

    scale: ones, of the last axis' width. The result has the dtype of x.
    """

    epsilon: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],), jnp.float32)
        wide = x.astype(jnp.float32)
        wide *= jax.lax.rsqrt(jnp.mean(jnp.square(wide), -1, keepdims=True) + self.epsilon)
        return (wide * scale.reshape((1,) * (x.ndim - 1) + (-1,))).astype(x.dtype)
