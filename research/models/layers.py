"""The layers that a trunk is made of: projections, norms, the MLP, capped attention.

`split_batch` reads the mesh that the training step traces under and does nothing where there is
none, so a model neither takes a mesh nor knows what it runs on. Without it the partitioner may
follow a kernel split over 'data' and gather the batch instead.
"""

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import AxisType, PartitionSpec

from research.models.sizes import TrunkConfig, residual_gain


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
        y: Any = multiply(x.astype(jnp.dtype(self.dtype)), kernel, self.axes)
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
        return rms_normed(x, scale, self.epsilon)


def rms_normed(x: jax.Array, scale: jax.Array, epsilon: float) -> jax.Array:
    """x / sqrt(mean(x^2) + epsilon) * scale over the last axis, by float32, in the dtype of x."""
    wide = x.astype(jnp.float32)
    wide *= jax.lax.rsqrt(jnp.mean(jnp.square(wide), -1, keepdims=True) + epsilon)
    return (wide * scale.reshape((1,) * (x.ndim - 1) + (-1,))).astype(x.dtype)


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


ACTIVATIONS = {
    "gelu": functools.partial(jax.nn.gelu, approximate=True),
    "gelu_erf": functools.partial(jax.nn.gelu, approximate=False),
    "silu": jax.nn.silu,
    "relu": jax.nn.relu,
}

# Elementwise work is computed again in the backward pass: keeping its steps, each [B, L, F], takes
# more memory, and on a CPU more time, than the two inputs that they follow from.
_cheaply = functools.partial(jax.checkpoint, prevent_cse=False)


class MLP(nn.Module):
    """[..., D] -> [..., D]; gated: down(act(gate(x)) * up(x)) (Shazeer 2020; T5.1.1 has act = GELU
    by tanh)."""

    config: TrunkConfig

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        config = self.config
        activation = ACTIVATIONS[config.mlp.removeprefix("gated_")]
        settings = {"dtype": config.dtype, "bias": config.mlp_bias}
        hidden = Projection((config.mlp_dim,), name="up", **settings)(x)
        if config.gated:
            gate = Projection((config.mlp_dim,), name="gate", **settings)(x)
            hidden = _cheaply(lambda gate, up: activation(gate) * up)(gate, hidden)
        else:
            hidden = _cheaply(activation)(hidden)
        gain = residual_gain(config)
        return Projection((config.d_model,), gain=gain, name="down", **settings)(hidden)


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


def split_batch(x: jax.Array) -> jax.Array:
    """The same array [B, ...], held split over the mesh axis 'data' and whole otherwise."""
    mesh = jax.sharding.get_abstract_mesh()
    types = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    if types.get("data") is not AxisType.Auto or x.shape[0] % mesh.shape["data"]:
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec("data"))
