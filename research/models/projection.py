"""Matrix multiplication of the trunk: one float32 kernel, activations in the config's dtype."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp


def multiply(x: jax.Array, kernel: jax.Array, axes: int, row_invariant: bool) -> jax.Array:
    """Contracts the last `axes` axes of x [..., I] with the first of kernel [I, O] -> [..., O]."""
    batch = x.shape[: x.ndim - axes]
    outputs = kernel.shape[axes:]
    inner = math.prod(kernel.shape[:axes])
    x_MxI = x.reshape(-1, inner)
    kernel_IxO = kernel.reshape(inner, -1)
    y_MxO = row_invariant_matmul(x_MxI, kernel_IxO) if row_invariant else x_MxI @ kernel_IxO
    return y_MxO.reshape(*batch, *outputs)


def row_invariant_matmul(x_MxI: jax.Array, kernel_IxO: jax.Array) -> jax.Array:
    """Each row of the product, [M, O], from a multiplication of its own."""
    return jax.lax.map(lambda x_I: x_I @ kernel_IxO, x_MxI)


class Projection(nn.Module):
    """y = x @ kernel over the last `axes` axes; kernel: [inputs..., *features], no bias.

    Initialised from a normal truncated at two standard deviations, standard deviation
    gain / sqrt(number of inputs), so outputs have the variance of the inputs times gain^2.
    """

    features: tuple[int, ...]
    axes: int = 1
    gain: float = 1.0
    dtype: str = "float32"
    row_invariant: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        inputs = x.shape[x.ndim - self.axes :]
        initializer = truncated_normal(self.gain / math.sqrt(math.prod(inputs)))
        kernel = self.param("kernel", initializer, (*inputs, *self.features), jnp.float32)
        dtype = jnp.dtype(self.dtype)
        return multiply(x.astype(dtype), kernel.astype(dtype), self.axes, self.row_invariant)


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
