"""The trunk's two parameterised primitives: a projection, by default without bias, and RMSNorm."""

import functools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp


class Projection(nn.Module):
    """y = x @ kernel (+ bias) over the last `axes` axes; kernel: [inputs..., *features].

    Initialised from a normal truncated at two standard deviations, standard deviation
    gain / sqrt(number of inputs), so outputs have the variance of the inputs times gain^2.
    The kernel is float32; the product is in `dtype`. With `bias` zeros [*features] are added.
    """

    features: tuple[int, ...]
    axes: int = 1
    gain: float = 1.0
    dtype: str = "float32"
    bias: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        inputs = x.shape[x.ndim - self.axes :]
        initializer = truncated_normal(self.gain / math.sqrt(math.prod(inputs)))
        kernel = self.param("kernel", initializer, (*inputs, *self.features), jnp.float32)
        y = multiply(x.astype(jnp.dtype(self.dtype)), kernel, self.axes)
        if self.bias:
            bias = self.param("bias", nn.initializers.zeros, self.features, jnp.float32)
            outer = (1,) * (y.ndim - bias.ndim)
            y += bias.reshape(outer + bias.shape).astype(y.dtype)
        return y


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def multiply(x: jax.Array, kernel: jax.Array, axes: int = 1) -> jax.Array:
    """Contracts the last `axes` axes of x with the first of the kernel, in the dtype of x.

    The kernel's gradient is x^T g, written so that no transpose follows, and keeps float32
    sums. (The gradient that JAX derives is (g^T x)^T, which a CPU runs at a third of the speed.)
    """
    return jnp.tensordot(x, kernel.astype(x.dtype), axes)


def _multiply_forward(x, kernel, axes):
    return multiply(x, kernel, axes), (x, kernel)


def _multiply_backward(axes, residuals, slope):
    x, kernel = residuals
    outputs = kernel.ndim - axes
    batch = tuple(range(x.ndim - axes))
    back = (tuple(range(slope.ndim - outputs, slope.ndim)), tuple(range(axes, kernel.ndim)))
    x_slope = jax.lax.dot_general(slope, kernel.astype(x.dtype), (back, ((), ())))
    kernel_slope = jax.lax.dot_general(
        x, slope, ((batch, batch), ((), ())), preferred_element_type=kernel.dtype
    )
    return x_slope, kernel_slope


multiply.defvjp(_multiply_forward, _multiply_backward)


def truncated_normal(stddev: float) -> jax.nn.initializers.Initializer:
    """Normal cut at two standard deviations, widened so that what is left has `stddev`."""
    return jax.nn.initializers.truncated_normal(stddev / 0.87962566103423978)


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + epsilon) * scale over the last axis, computed in float32.

    scale: ones, of the last axis' width. The result has the dtype of x. With `plus_one` the scale
    is kept less one, so zeros at first (Gemma): rows written by others come back bit by bit.
    """

    epsilon: float
    plus_one: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        start = nn.initializers.zeros if self.plus_one else nn.initializers.ones
        scale = self.param("scale", start, (x.shape[-1],), jnp.float32)
        if self.plus_one:
            scale = 1.0 + scale
        wide = x.astype(jnp.float32)
        wide *= jax.lax.rsqrt(jnp.mean(jnp.square(wide), -1, keepdims=True) + self.epsilon)
        return (wide * scale.reshape((1,) * (x.ndim - 1) + (-1,))).astype(x.dtype)
