"""The bidirectional post-norm encoder, on buckets of tokens laid end to end, and its parts.

Dense layers and norms; the encoder's layer; and where packed tokens and predicted rows live when a
step is spread over a mesh (`split_groups`, `split_rows`: both read the mesh that a training step
traces under and do nothing where there is none).
"""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import AxisType, PartitionSpec

from research.vocabularies.hypernetwork.config import HypernetworkConfig

_EPSILON = 1e-5


def split_groups(x: jax.Array) -> jax.Array:
    """The same array [G, ...], each device having groups of its own if there are enough.

    'model' comes first, so that bringing rows together over 'data' leaves them split on 'model'.
    """
    sizes = _sizes()
    devices = sizes.get("data", 1) * sizes.get("model", 1)
    if not sizes or x.shape[0] % devices:
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec(("model", "data")))


def split_rows(x: jax.Array) -> jax.Array:
    """The same array [V, ...], split over 'model' and whole over 'data', as tables are."""
    sizes = _sizes()
    if not sizes or x.shape[0] % sizes["model"]:
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec("model"))


def _sizes() -> dict[str, int]:
    mesh = jax.sharding.get_abstract_mesh()
    types = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    if types.get("data") is not AxisType.Auto or types.get("model") is not AxisType.Auto:
        return {}
    return {name: mesh.shape[name] for name in ("data", "model")}


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


class Span(NamedTuple):
    """A bucket's place among the slots of a group: `tokens` times `width` from `start` on."""

    start: int
    tokens: int
    width: int


def spans_of(widths: tuple[int, ...], tokens: tuple[int, ...]) -> tuple[Span, ...]:
    """The spans of buckets that follow one another."""
    spans, start = [], 0
    for width, number in zip(widths, tokens, strict=True):
        spans.append(Span(start, number, width))
        start += number * width
    return tuple(spans)


def by_token(x_GxNx: jax.Array, span: Span) -> jax.Array:
    """[G, N, ...] -> [G, tokens, width, ...] of one bucket."""
    part = jax.lax.slice_in_dim(x_GxNx, span.start, span.start + span.tokens * span.width, axis=1)
    return part.reshape(x_GxNx.shape[0], span.tokens, span.width, *x_GxNx.shape[2:])


def first_slots(x_GxNx: jax.Array, spans: tuple[Span, ...]) -> jax.Array:
    """[G, N, ...] -> [G, T, ...]: the first slot of every token."""
    return jnp.concatenate([by_token(x_GxNx, span)[:, :, 0] for span in spans], axis=1)


def token_sums(x_GxNx: jax.Array, spans: tuple[Span, ...]) -> jax.Array:
    """[G, N, ...] -> [G, T, ...]: the sum over each token's slots."""
    return jnp.concatenate([jnp.sum(by_token(x_GxNx, span), axis=2) for span in spans], axis=1)


class Layer(nn.Module):
    """norm(x + attention(x)), then norm(x + ffn(x)).

    With `pooled` only the first slot of each token asks and is kept: [G, N, D] -> [G, T, D], which
    is what the same layer would have there.
    """

    config: HypernetworkConfig
    spans: tuple[Span, ...]
    pooled: bool = False

    @nn.compact
    def __call__(self, x_GxNxD: jax.Array, filled_GxN: jax.Array) -> jax.Array:
        config, dtype = self.config, self.config.dtype
        asking = first_slots(x_GxNxD, self.spans) if self.pooled else x_GxNxD
        attended = self._attend(asking, x_GxNxD, filled_GxN)
        mixed = Dense(config.d_model, dtype, name="out")(attended)
        x = norm("attention_norm", dtype)(asking + mixed)
        hidden = Dense(config.ffn_factor * config.d_model, dtype, name="up")(x)
        hidden = Dense(config.d_model, dtype, name="down")(jax.nn.gelu(hidden))
        return split_groups(norm("ffn_norm", dtype)(x + hidden))

    @nn.nowrap
    def _attend(self, asking, x_GxNxD, filled_GxN):
        config = self.config
        width = config.d_model
        heads = (config.heads, width // config.heads)
        query = Dense(width, config.dtype, name="query")(asking)
        key, value = (Dense(width, config.dtype, name=name)(x_GxNxD) for name in ("key", "value"))
        outs, token = [], 0
        for span in self.spans:
            if self.pooled:
                own = query[:, token : token + span.tokens, None]
                token += span.tokens
            else:
                own = by_token(query, span)
            keys, values = by_token(key, span), by_token(value, span)
            if span.width == 1:
                out = values  # one slot attends to itself, whatever the scores
            else:
                split = (*own.shape[:2], -1, *heads)
                out = _attention(
                    own.reshape(split),
                    keys.reshape(split),
                    values.reshape(split),
                    by_token(filled_GxN, span),
                )
            outs.append(out.reshape(out.shape[0], -1, width))
        return jnp.concatenate(outs, axis=1)


def _attention(query, key, value, filled):
    """[G, T, Q, H, K] over [G, T, W, H, K] where `filled` [G, T, W]; softmax is float32."""
    scores = jnp.einsum("gtqhk,gtwhk->gtqhw", query, key, preferred_element_type=jnp.float32)
    scores /= math.sqrt(query.shape[-1])
    scores = jnp.where(filled[:, :, None, None, :], scores, -1e30)
    shares = jax.nn.softmax(scores, axis=-1).astype(value.dtype)
    return jnp.einsum("gtqhw,gtwhk->gtqhk", shares, value)
