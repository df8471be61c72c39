"""Positions: T5's bucketed relative bias and the rotary embedding."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from research.models.sizes import RotaryScaling


def bucket(relative: jax.Array, causal: bool, num_buckets: int, max_distance: int) -> jax.Array:
    """T5's bucket of key position minus query position; int32, any shape -> same shape.

    Half of the buckets hold one distance each, the rest grow logarithmically up to
    `max_distance`; everything farther shares the last. Causal: the future falls in bucket 0 (it
    is masked anyway); else the upper half of the buckets is for keys after the query.
    Source: Raffel et al. 2020, section 2.1.
    """
    distance = -relative
    offset = jnp.zeros_like(relative)
    if not causal:
        num_buckets //= 2
        offset = jnp.where(distance < 0, num_buckets, 0)
        distance = jnp.abs(distance)
    distance = jnp.maximum(distance, 0)
    exact = num_buckets // 2
    # Boundaries are integers, so that a bucket never depends on how a device rounds a logarithm.
    steps = num_buckets - exact
    bounds = [exact * (max_distance / exact) ** (step / steps) for step in range(1, steps)]
    far = jnp.full_like(distance, exact)
    for bound in bounds:
        far += (distance >= math.ceil(bound - 1e-9)).astype(far.dtype)
    return offset + jnp.where(distance < exact, distance, far)


def bias_by_offset(table_HxM: jax.Array, length: int, causal: bool, max_distance: int) -> jax.Array:
    """Bias of a full sequence from the table of one layer: [H, L, L], row = query.

    The bias depends only on key minus query, so 2 L values per head are looked up by a matrix
    product (its gradient is one too; a scatter of L * L values would be slow) and spread over
    the diagonals by reshaping.
    """
    num_buckets = table_HxM.shape[1]
    offsets = jnp.arange(2 * length)
    relative = jnp.where(offsets < length, offsets, offsets - 2 * length)
    buckets = bucket(relative, causal, num_buckets, max_distance)
    one_hot = jax.nn.one_hot(buckets, num_buckets, axis=0, dtype=table_HxM.dtype)
    values = jnp.matmul(table_HxM, one_hot, precision=jax.lax.Precision.HIGHEST)
    heads = values.shape[0]
    # Entry (i, j) of the reshaped rows of width 2 L - 1 is value (j - i) mod 2 L.
    rows = jnp.broadcast_to(values[:, None], (heads, length, 2 * length)).reshape(heads, -1)
    rows = rows[:, : length * (2 * length - 1)].reshape(heads, length, 2 * length - 1)
    return rows[:, :, :length]


def bias_by_position(
    table_HxM: jax.Array, relative_BxTxS: jax.Array, causal: bool, max_distance: int
) -> jax.Array:
    """Bias for given key minus query positions: [B, H, T, S]."""
    buckets = bucket(relative_BxTxS, causal, table_HxM.shape[1], max_distance)
    return jnp.moveaxis(table_HxM.T[buckets], -1, 1)


def rotate(
    x_BxTxHxK: jax.Array,
    positions_BxT: jax.Array,
    base: float,
    scaling: RotaryScaling | None = None,
) -> jax.Array:
    """Rotary embedding: pairs (i, i + K/2) turn by position / base^(2 i / K).

    positions: [B, T] or [1, T]. Angles are float32, the result has x's dtype.
    Source: Su et al. 2021, in the half-split layout of Llama.
    """
    half = x_BxTxHxK.shape[-1] // 2
    if scaling is None or scaling.kind == "dynamic":
        grown = base if scaling is None else _dynamic_base(base, scaling, positions_BxT, half)
        frequencies = grown ** (-jnp.arange(half, dtype=jnp.float32) / half)
    else:
        frequencies = jnp.asarray(stretched_frequencies(2 * half, base, scaling))
    angles = positions_BxT.astype(jnp.float32)[:, :, None, None] * frequencies[None, None, None]
    attention = 1.0 if scaling is None else scaling.attention
    sine, cosine = jnp.sin(angles) * attention, jnp.cos(angles) * attention
    first, second = jnp.split(x_BxTxHxK.astype(jnp.float32), 2, axis=-1)
    turned = [first * cosine - second * sine, second * cosine + first * sine]
    return jnp.concatenate(turned, axis=-1).astype(x_BxTxHxK.dtype)


def _dynamic_base(
    base: float, scaling: RotaryScaling, positions_BxT: jax.Array, half: int
) -> jax.Array:
    """The base for the longest sequence of the batch, as transformers has it."""
    assert scaling.length is not None  # `RotaryScaling` has checked
    longest = jnp.maximum(jnp.max(positions_BxT) + 1, scaling.length).astype(jnp.float32)
    growth = scaling.factor * longest / scaling.length - (scaling.factor - 1.0)
    return base * growth ** (half / (half - 1))


def stretched_frequencies(head_dim: int, base: float, scaling: RotaryScaling) -> np.ndarray:
    """float32 [K / 2]: the frequencies of every kind but 'dynamic', which go by the sequence."""
    powers = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    plain = (np.float32(1.0) / np.float32(base) ** powers).astype(np.float32)
    if scaling.kind == "linear":
        return plain / np.float32(scaling.factor)
    if scaling.kind == "yarn":
        return plain * _yarn(head_dim, base, scaling)
    if scaling.kind != "llama3":
        return plain
    wavelengths = 2.0 * math.pi / plain.astype(np.float64)
    assert scaling.length is not None
    turns = scaling.length / wavelengths
    share = (turns - scaling.low_frequency) / (scaling.high_frequency - scaling.low_frequency)
    share = np.clip(share, 0.0, 1.0)
    return (plain * (share + (1.0 - share) / scaling.factor)).astype(np.float32)


def _yarn(head_dim: int, base: float, scaling: RotaryScaling) -> np.ndarray:
    """What frequencies are multiplied by, float32 [K / 2]: 1 up to the number of the one that turns
    `high_frequency` times, 1 / factor from that of the one that turns `low_frequency` times.

    Source: Peng et al. 2023, section 3.2; the order of roundings is transformers'.
    """
    length = scaling.length
    assert length is not None

    def number(turns: float) -> float:
        return head_dim * math.log(length / (turns * 2 * math.pi)) / (2 * math.log(base))

    first, last = number(scaling.high_frequency), number(scaling.low_frequency)
    if scaling.truncate:
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, head_dim - 1)
    width = last - first or 0.001
    share = np.clip((np.arange(head_dim // 2, dtype=np.float32) - first) / width, 0.0, 1.0)
    return ((1.0 - share) + share / scaling.factor).astype(np.float32)
