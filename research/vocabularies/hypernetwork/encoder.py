"""The bidirectional post-norm encoder, on buckets of tokens laid end to end."""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from research.vocabularies.hypernetwork.config import HypernetworkConfig
from research.vocabularies.hypernetwork.dense import Dense, norm
from research.vocabularies.hypernetwork.placement import split_groups


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
