"""N-gram heads: hard-wired attention to what followed the last n ids (arXiv 2401.12973).

A head of order n looks at every earlier place where the last n ids stood in this order, and
averages what the layer sees at the positions after them; a layer with the orders (1, 2, 3) adds

    y_t = sum_n  W0_n average_n(h)_t  +  W1 h_t

to its input, next to its learned heads and from the same h. Where a context has not occurred, the
average is zero. Which positions match is a matter of ids, and the trunk never sees an id: `matches`
is computed from them outside, by comparisons alone. So it is the same to the bit under any
permutation of the ids, and a trunk with n-gram heads is as lexinvariant as one without.

Unlike the paper, which puts a layer of n-gram heads between two others, every block has them; and
W1 h is there once instead of once for each order.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from research.models.layers import Projection
from research.models.sizes import TrunkConfig, residual_gain


def matches(ids_BxL: jax.Array, max_order: int, segments_BxL: jax.Array | None = None) -> jax.Array:
    """How long a context two places of a sequence share, int8 [B, L, L].

    Entry (t, s) is the largest m <= max_order such that ids[t - k] = ids[s - 1 - k] for all k < m:
    the last m ids up to t are also the m ids just before s. It is 0 unless 1 <= s <= t; with
    segments, all that is compared lies in the segment of t. Memory: L^2 bytes for each sequence.
    """
    places_L = jnp.arange(ids_BxL.shape[1])
    before_BxL = jnp.roll(ids_BxL, 1, axis=1)
    same = ids_BxL[:, :, None] == before_BxL[:, None, :]
    same &= (places_L[None, :, None] >= places_L[None, None]) & (places_L[None, None] > 0)
    if segments_BxL is not None:
        # Both s and s - 1; so the chain of comparisons cannot leave the segment either.
        for other_BxL in (segments_BxL, jnp.roll(segments_BxL, 1, axis=1)):
            same &= segments_BxL[:, :, None] == other_BxL[:, None, :]
    longer, length = same, same.astype(jnp.int8)
    for _ in range(max_order - 1):
        longer = same & jnp.pad(longer[:, :-1, :-1], ((0, 0), (1, 0), (1, 0)))
        length += longer.astype(jnp.int8)
    return length


def average(x_BxSxD: jax.Array, matches_BxTxS: jax.Array, order: int) -> jax.Array:
    """Mean of x over the positions that follow an equal context of `order` ids, [B, T, D]."""
    found_BxTxS = (matches_BxTxS >= order).astype(x_BxSxD.dtype)
    total_BxTxD = jnp.einsum(
        "bts,bsd->btd", found_BxTxS, x_BxSxD, preferred_element_type=jnp.float32
    )
    count_BxT = jnp.sum(matches_BxTxS >= order, axis=2)
    return (total_BxTxD / jnp.maximum(count_BxT, 1)[:, :, None]).astype(x_BxSxD.dtype)


class NGramHeads(nn.Module):
    """[B, T, D] and matches [B, T, T] -> [B, T, D].

    Parameters: averages/kernel [N orders, D, D] (W0), own/kernel [D, D] (W1). With both at zero
    the trunk is what it is without n-gram heads; they start as the trunk's other branches do.
    """

    config: TrunkConfig

    @nn.compact
    def __call__(self, x_BxTxD: jax.Array, matches_BxTxS: jax.Array) -> jax.Array:
        config, gain = self.config, residual_gain(self.config)
        averages_BxTxNxD = jnp.stack(
            [average(x_BxTxD, matches_BxTxS, order) for order in config.ngram_heads], axis=2
        )
        settings = {"gain": gain, "dtype": config.dtype}
        averaged = Projection((config.d_model,), axes=2, name="averages", **settings)
        own = Projection((config.d_model,), name="own", **settings)
        return averaged(averages_BxTxNxD) + own(x_BxTxD)
