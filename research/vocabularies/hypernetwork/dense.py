"""x @ kernel + bias, and a layer norm: what the network is put together from."""

import flax.linen as nn
import jax
import jax.numpy as jnp

_EPSILON = 1e-5


class Dense(nn.Module):
    """[..., inputs] -> [..., features] in `dtype`; kernel and bias are float32.

    Kernels start from variance 1 / inputs, or at zero; biases at zero.
    """

    features: int
    dtype: str
    zero: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        start = nn.initializers.zeros if self.zero else nn.initializers.lecun_normal()
        kernel = self.param("kernel", start, (x.shape[-1], self.features), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        product = _product(x.astype(jnp.dtype(self.dtype)), kernel)
        return product + bias.astype(product.dtype).reshape((1,) * (x.ndim - 1) + (-1,))


def norm(name: str, dtype: str) -> nn.LayerNorm:
    """LayerNorm over the last axis; statistics are float32 whatever the dtype."""
    return nn.LayerNorm(epsilon=_EPSILON, dtype=jnp.dtype(dtype), name=name)


@jax.custom_vjp
def _product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """x @ kernel in the dtype of x.

    The kernel's gradient is x^T g with float32 sums and no transpose after it, which a CPU runs
    half again as fast as what JAX derives.
    """
    return jnp.tensordot(x, kernel.astype(x.dtype), 1)


def _product_forward(x, kernel):
    return _product(x, kernel), (x, kernel)


def _product_backward(residuals, slope):
    x, kernel = residuals
    batch = tuple(range(x.ndim - 1))
    x_slope = jnp.tensordot(slope, kernel.astype(slope.dtype), ((slope.ndim - 1,), (1,)))
    kernel_slope = jax.lax.dot_general(
        x, slope, ((batch, batch), ((), ())), preferred_element_type=kernel.dtype
    )
    return x_slope, kernel_slope


_product.defvjp(_product_forward, _product_backward)
