"""The integer model by JAX: int32 alone, compiled, whole texts or step by step with a cache.

The cache is that of `transformer_step`. Nothing here depends on what a compiler does with it:
integer sums are the same in every order, and none overflows (the bounds are in the specification).
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from research.codecs.byte_models import Stepper, transformer_step
from research.codecs.byte_models.integer import layout
from research.codecs.byte_models.integer.layout import EXP_BITS, LIMIT_BITS, LOG_BITS
from research.codecs.byte_models.transformer_step import StepCache
from research.codecs.coder.frequencies import frequencies_from_counts
from research.errors import UsageError
from research.models.sizes import TrunkConfig

_UNSEEN = -(1 << 28)  # below every score


class Row(NamedTuple):
    """Inputs of a linear: q c 2^e; int8 [..., I], int32 [..., 1], int32 [..., 1]."""

    q: jax.Array
    c: jax.Array
    e: jax.Array


class Piece(NamedTuple):
    """Some of the positions that are attended to."""

    keys_BxHxSxK: jax.Array
    values_BxHxSxK: jax.Array
    distance_BxTxS: jax.Array
    """int32, how far back of each query."""
    seen_BxTxS: jax.Array
    """bool."""


# (number of the layer, keys and values [B, T, kv heads, K]) -> what is attended to.
Remember = Callable[[int, jax.Array, jax.Array], list[Piece]]


def stepper(
    arrays: Mapping[str, Any], config: TrunkConfig, beta: int, batch: int, size: int, symbols: int
) -> Stepper:
    """Pure functions for `batch` rows that look back S = `size` symbols; see `Stepper`.

    Raises:
      UsageError: a context that is too long.
    """
    if not 1 <= size <= layout.LONGEST:
        raise UsageError(f"an integer model looks back 1 to {layout.LONGEST}, not {size}")

    def run(params, last_B, position_B, slot_B, cache):
        places = transformer_step.find_places(position_B, slot_B, size)
        updated: list[tuple[Any, Any]] = []
        rows = jnp.arange(batch)

        def remember(number, key_BxTxHxK, value_BxTxHxK):
            def written(segments, new_BxTxHxK):
                new_BxHxK = new_BxTxHxK[:, 0].astype(jnp.int16)
                return tuple(
                    old.at[rows, :, slot_B].set(new_BxHxK, mode="drop", unique_indices=True)
                    for old, slot_B in zip(segments, places.slot_B, strict=True)
                )

            keys = written(cache.keys[number], key_BxTxHxK)
            values = written(cache.values[number], value_BxTxHxK)
            updated.append((keys, values))
            return [
                Piece(*piece[:2], *(array[:, None] for array in piece[2:]))
                for piece in zip(keys, values, places.distance_BxS, places.seen_BxS, strict=True)
            ]

        logits_BxTxA = _logits(
            params, config, last_B[:, None], position_B[:, None], remember, symbols
        )
        counts_BxA = counts(params["exp2"], logits_BxTxA[:, 0])
        keys, values = zip(*updated, strict=True)
        return frequencies_from_counts(counts_BxA, beta), StepCache(keys, values)

    def start(params):
        empty = transformer_step.empty_cache(config, batch, size, jnp.dtype(jnp.int16))
        zeros_B = jnp.zeros((batch,), jnp.int32)
        frequencies_BxA, cache = run(params, zeros_B + layout.START, zeros_B, zeros_B, empty)
        return frequencies_BxA[0], cache

    def step(params, cache, last_B, length_B):
        slot_B = transformer_step.ring_slots(length_B, size)
        return run(params, last_B, length_B, slot_B, cache)

    return Stepper(jax.tree.map(jnp.asarray, arrays), start, step)


def text_logits(
    params: Mapping[str, Any], config: TrunkConfig, ids_BxL: jax.Array, size: int
) -> jax.Array:
    """Logits after each of the ids, which begin with START, int32 [B, L, 257] in units of 2^-10 of
    the base-2 logarithm; `size` is S."""
    position_1xL = jnp.arange(ids_BxL.shape[1], dtype=jnp.int32)[None]
    distance_1xTxS = position_1xL[:, :, None] - position_1xL[:, None]
    seen_1xTxS = (distance_1xTxS >= 0) & (distance_1xTxS < size)
    shape = (len(ids_BxL), *distance_1xTxS.shape[1:])
    distance_BxTxS = jnp.broadcast_to(jnp.maximum(distance_1xTxS, 0), shape)
    seen_BxTxS = jnp.broadcast_to(seen_1xTxS, shape)

    def remember(number, key_BxTxHxK, value_BxTxHxK):
        keys_BxHxSxK, values_BxHxSxK = (jnp.moveaxis(x, 2, 1) for x in (key_BxTxHxK, value_BxTxHxK))
        return [Piece(keys_BxHxSxK, values_BxHxSxK, distance_BxTxS, seen_BxTxS)]

    position_BxL = jnp.broadcast_to(position_1xL, ids_BxL.shape)
    return _logits(params, config, ids_BxL, position_BxL, remember, layout.SYMBOLS)


def counts(exp2_T: jax.Array, logits_NxA: jax.Array) -> jax.Array:
    """The coder's counts q, int32 [..., A], of logits."""
    behind = jnp.max(logits_NxA, axis=-1, keepdims=True) - logits_NxA
    weights = _exponential(exp2_T, behind, 0)
    bits, inverse = _inverse(_sum(weights))
    return _rounded(_high_product(weights << 10, inverse), bits - 9)


def _logits(params, config: TrunkConfig, ids_BxT, position_BxT, remember: Remember, symbols: int):
    heads, kv_heads = config.num_heads, config.kv_heads
    x_BxTxD = _looked_up(params["embedding"], ids_BxT).astype(jnp.int32)
    for number in range(config.num_layers):
        layer = params["layers"][str(number)]
        joined_BxTxJ = _linear(layer["inputs"], _normed(x_BxTxD))
        joined_BxTxHxK = joined_BxTxJ.reshape(*ids_BxT.shape, -1, config.head_dim)
        query, key, value = jnp.split(joined_BxTxHxK, (heads, heads + kv_heads), axis=2)
        if config.qk_norm:
            query = _scaled(layer["query_norm"], _normed(query))
            key = _scaled(layer["key_norm"], _normed(key))
        query, key, value = (_limited(x, layout.HEAD_LIMIT) for x in (query, key, value))
        if config.positions == "rotary":
            query, key = (_rotated(params["rotary"], x, position_BxT) for x in (query, key))
        pieces = remember(number, key, value)
        mixed_BxTxI = _attended(params, layer, query, pieces)
        x_BxTxD = _limited(x_BxTxD + _linear(layer["out"], _quantized(mixed_BxTxI)))
        hidden_BxTxF = _limited(_linear(layer["hidden"], _normed(x_BxTxD)), layout.MLP_LIMIT)
        active_BxTxF = _activated(params, layer, config, hidden_BxTxF)
        x_BxTxD = _limited(x_BxTxD + _linear(layer["down"], _quantized(active_BxTxF)))
    readout = {name: array[..., :symbols] for name, array in params["readout"].items()}
    logits_BxTxA = _linear(readout, _normed(x_BxTxD))
    return logits_BxTxA + _last(params["readout_bias"][:symbols], logits_BxTxA)


def _linear(weights: Mapping[str, Any], row: Row) -> jax.Array:
    axes = (((row.q.ndim - 1,), (0,)), ((), ()))
    kernel = weights["kernel"]
    sums = jax.lax.dot_general(row.q, kernel, axes, preferred_element_type=jnp.int32)
    return _rescaled(sums << layout.headroom(kernel.shape[0]), weights, row)


def _scaled(weights: Mapping[str, Any], row: Row) -> jax.Array:
    """A linear whose kernel is one."""
    return _rescaled(row.q.astype(jnp.int32) << layout.headroom(1), weights, row)


def _rescaled(sums: jax.Array, weights: Mapping[str, Any], row: Row) -> jax.Array:
    scale, shift = (_last(weights[name].astype(jnp.int32), sums) for name in ("scale", "shift"))
    return _rounded(_high_product(_high_product(sums, scale), row.c), shift - row.e)


def _quantized(x: jax.Array) -> Row:
    bits, a, m = _normalized(x)
    return Row(_as_int8(a, m), m, bits - 15)


def _normed(x: jax.Array) -> Row:
    _, a, m = _normalized(x)
    b = layout.square_bits(x.shape[-1])
    squares = jnp.maximum(_sum(jnp.square(_rounded(a, 30 - b))), 1)
    k = (30 - _bit_length(squares)) >> 1
    c = jax.lax.div(m << 15, _square_root(squares << (2 * k)))
    high = c >> 15
    return Row(_as_int8(a, m), c >> high, b + k - 30 + high)


def _as_int8(a: jax.Array, m: jax.Array) -> jax.Array:
    inverse = jax.lax.div(jnp.full_like(m, 127 << 22), m)
    return _rounded(_high_product(a, inverse), 21).astype(jnp.int8)


def _normalized(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Bits of the largest |x|, x shifted up to 30 bits, and 15 bits of its largest."""
    largest = jnp.maximum(jnp.max(jnp.abs(x), axis=-1, keepdims=True), 1)
    bits = _bit_length(largest)
    return bits, x << (30 - bits), (largest << (30 - bits)) >> 15


def _rotated(table: jax.Array, x_BxTxHxK: jax.Array, position_BxT: jax.Array) -> jax.Array:
    one, steps = layout.ROTARY_BITS, layout.ROTARY_STEPS
    digits = position_BxT % steps, position_BxT // steps % steps
    (cosine_low, cosine_high), (sine_low, sine_high) = (
        [_looked_up(rows[n].astype(jnp.int32), digit) for n, digit in enumerate(digits)]
        for rows in table
    )
    cosine = _rounded(cosine_high * cosine_low - sine_high * sine_low, one)[:, :, None]
    sine = _rounded(sine_high * cosine_low + cosine_high * sine_low, one)[:, :, None]
    first, second = jnp.split(x_BxTxHxK, 2, axis=-1)
    turned = [first * cosine - second * sine, second * cosine + first * sine]
    return _limited(_rounded(jnp.concatenate(turned, axis=-1), one), layout.HEAD_LIMIT)


def _attended(params, layer, query_BxTxHxK: jax.Array, pieces: list[Piece]) -> jax.Array:
    """Values by their shares, [B, T, H K]. All rows see something of the first piece."""
    batch, length, heads, head_dim = query_BxTxHxK.shape
    kv_heads = pieces[0].keys_BxHxSxK.shape[1]
    grouped = query_BxTxHxK.reshape(batch, length, kv_heads, -1, head_dim)
    query_BxHxGxTxK = jnp.moveaxis(grouped, 1, 3)
    inner = query_BxHxGxTxK.shape[:-1]

    def of_each(compute: Callable[..., jax.Array], some: Any, otherwise: int, width: int | None):
        """`compute(piece, x)` for each piece and its x; a piece that no row sees is left out."""
        results = []
        for number, (piece, x) in enumerate(zip(pieces, some, strict=True)):
            if number == 0:
                results.append(compute(piece, x))
                continue
            shape = (*inner, piece.keys_BxHxSxK.shape[2] if width is None else width)
            left_out = functools.partial(jnp.full, shape, otherwise, jnp.int32)
            computed = functools.partial(compute, piece, x)
            results.append(jax.lax.cond(jnp.any(piece.seen_BxTxS), computed, left_out))
        return results

    def mixture(piece: Piece, weights: jax.Array) -> jax.Array:
        shares = _rounded(weights * inverse, bits + 14 - layout.SHARE_BITS)
        return _product("bhgts,bhsk->bhgtk", shares, piece.values_BxHxSxK)

    scored = functools.partial(_scores, layer, query_BxHxGxTxK)
    scores = of_each(lambda piece, _: scored(piece), pieces, _UNSEEN, None)
    peaks = [jnp.max(some, axis=-1, keepdims=True) for some in scores]
    peak = functools.reduce(jnp.maximum, peaks)
    down = EXP_BITS - 15
    weights = of_each(lambda _, x: _exponential(params["exp2"], peak - x, down), scores, 0, None)
    bits, inverse = _inverse(functools.reduce(jnp.add, map(_sum, weights)))
    mixed = functools.reduce(jnp.add, of_each(mixture, weights, 0, head_dim))
    return jnp.moveaxis(mixed, 3, 1).reshape(batch, length, heads * head_dim)


def _scores(layer, query_BxHxGxTxK: jax.Array, piece: Piece) -> jax.Array:
    products = _product("bhgtk,bhsk->bhgts", query_BxHxGxTxK, piece.keys_BxHxSxK)
    scale, shift = (layer["score"][name].astype(jnp.int32) for name in ("scale", "shift"))
    scores = _rounded(_high_product(products, scale), shift)
    if "bias_HxM" in layer:
        bias_MxH = layer["bias_HxM"].T
        near_BxTxS = jnp.minimum(piece.distance_BxTxS, len(bias_MxH) - 1)
        bias_BxTxSxH = _looked_up(bias_MxH, near_BxTxS)
        scores += jnp.moveaxis(bias_BxTxSxH, 3, 1).reshape(scores.shape)
    return jnp.where(piece.seen_BxTxS[:, None, None], scores, _UNSEEN)


def _activated(params, layer, config: TrunkConfig, hidden_BxTxF: jax.Array) -> jax.Array:
    up, gate = jnp.split(hidden_BxTxF, 2, axis=-1) if config.gated else (None, hidden_BxTxF)
    if layout.is_relu(config):
        active = jnp.maximum(gate, 0)
    else:
        half = layout.GATE_ENTRIES // 2
        index = jnp.clip(_rounded(gate, layer["gate_shift"].astype(jnp.int32)), -half, half - 1)
        share = _looked_up(params["activation"], index + half).astype(jnp.int32)
        active = _rounded(gate * share, 15)
    return active if up is None else active * up


def _high_product(x: jax.Array, factor: jax.Array) -> jax.Array:
    """(x factor) >> 16 without more than 32 bits, factor from 0 to 2^15."""
    return (x >> 16) * factor + (((x & 0xFFFF) * factor) >> 16)


def _rounded(x: jax.Array, shift: Any) -> jax.Array:
    """R of the specification, |x| up to 2^30."""
    if isinstance(shift, int):
        return _limited((x + (1 << shift >> 1)) >> shift)
    right, left = jnp.clip(shift, 0, 30), jnp.clip(-shift, 0, LIMIT_BITS)
    half = jnp.left_shift(jnp.int32(1), right) >> 1
    limit = jnp.right_shift(jnp.int32(1 << LIMIT_BITS), left)
    return jnp.clip((x + half) >> right, -limit, limit) << left


def _limited(x: jax.Array, limit: int = 1 << LIMIT_BITS) -> jax.Array:
    return jnp.clip(x, -limit, limit)


def _bit_length(x: jax.Array) -> jax.Array:
    return 32 - jax.lax.clz(x)


def _square_root(x: jax.Array) -> jax.Array:
    root = jnp.zeros_like(x)
    for bit in range(14, -1, -1):
        trial = root | (1 << bit)
        root = jnp.where(trial * trial <= x, trial, root)
    return root


def _exponential(exp2_T: jax.Array, behind: jax.Array, down: int) -> jax.Array:
    """2^-behind, in units of 2^(down - 20), of what is in units of 2^-10."""
    whole = jnp.minimum(behind >> LOG_BITS, 31 - down)
    return _looked_up(exp2_T, behind & ((1 << LOG_BITS) - 1)) >> (whole + down)


def _inverse(total: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Bits of `total`, and its inverse in units of 2^-(14 + bits)."""
    bits = _bit_length(total)
    return bits, jax.lax.div(jnp.full_like(total, 1 << 29), total >> (bits - 15))


def _product(equation: str, x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.einsum(equation, x, y.astype(jnp.int32), preferred_element_type=jnp.int32)


def _sum(x: jax.Array) -> jax.Array:
    return jnp.sum(x, axis=-1, keepdims=True, dtype=jnp.int32)


def _looked_up(rows: jax.Array, index: jax.Array) -> jax.Array:
    return rows.at[index].get(mode="promise_in_bounds")


def _last(row: jax.Array, x: jax.Array) -> jax.Array:
    """`row`, to go along the last axis of `x`."""
    return row.reshape((1,) * (x.ndim - row.ndim) + row.shape)
