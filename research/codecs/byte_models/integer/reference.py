"""The integer model by numpy: plain and slow, in int64, which no sum here can overflow.

Products with kernels go through float64, which holds integers up to 2^53: BLAS adds these, below
2^31, exactly in any order.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from research.codecs.byte_models.integer import layout
from research.codecs.byte_models.integer.layout import EXP_BITS, LIMIT_BITS, LOG_BITS
from research.models.sizes import TrunkConfig


class Row(NamedTuple):
    """Inputs of a linear: q c 2^e."""

    q: np.ndarray
    """int64 [N, I], at most 127."""
    c: np.ndarray
    """int64 [N, 1], 2^14 to 2^15 - 1."""
    e: np.ndarray
    """int64 [N, 1]."""


class History(NamedTuple):
    """Keys and values of the positions of one text, [layers, kv heads, slots, K], int16."""

    keys: np.ndarray
    values: np.ndarray


def empty_history(config: TrunkConfig, slots: int) -> History:
    """Room for so many positions."""
    shape = (config.num_layers, config.kv_heads, slots, config.head_dim)
    return History(np.zeros(shape, np.int16), np.zeros(shape, np.int16))


def with_wide_kernels(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays with kernels as float64."""
    return {
        name: with_wide_kernels(array)
        if isinstance(array, Mapping)
        else array.astype(np.float64)
        if name == "kernel"
        else array.astype(np.int64)
        for name, array in arrays.items()
    }


def step(
    arrays: Mapping[str, Any],
    config: TrunkConfig,
    ids_N: np.ndarray,
    position_N: np.ndarray,
    histories: Sequence[History],
    context: int,
) -> np.ndarray:
    """Runs one id of each of N texts: logits int64 [N, 257], in units of 2^-10 of log2.

    Args:
      arrays: from `with_wide_kernels`.
      histories: of each text, with its earlier positions; this one is written into them.
      context: S.
    """
    heads, kv_heads = config.num_heads, config.kv_heads
    x_NxD = arrays["embedding"][ids_N]
    for number in range(config.num_layers):
        layer = arrays["layers"][str(number)]
        joined_NxHxK = linear(layer["inputs"], normed(x_NxD)).reshape(
            len(ids_N), -1, config.head_dim
        )
        query, key, value = np.split(joined_NxHxK, (heads, heads + kv_heads), axis=1)
        if config.qk_norm:
            query = _scaled(layer["query_norm"], normed(query))
            key = _scaled(layer["key_norm"], normed(key))
        query, key, value = (_limited(x, layout.HEAD_LIMIT) for x in (query, key, value))
        if config.positions == "rotary":
            query, key = (_rotated(arrays["rotary"], x, position_N) for x in (query, key))
        mixed = []
        for row, (history, position) in enumerate(zip(histories, position_N, strict=True)):
            history.keys[number, :, position] = key[row]
            history.values[number, :, position] = value[row]
            seen = slice(max(0, position + 1 - context), position + 1)
            keys_HxSxK, values_HxSxK = (
                array[number, :, seen].astype(np.int64) for array in history
            )
            mixed.append(_attended(arrays, layer, query[row], keys_HxSxK, values_HxSxK))
        x_NxD = _limited(x_NxD + linear(layer["out"], quantized(np.stack(mixed))))
        hidden_NxF = linear(layer["hidden"], normed(x_NxD))
        hidden_NxF = _activated(arrays, layer, config, _limited(hidden_NxF, layout.MLP_LIMIT))
        x_NxD = _limited(x_NxD + linear(layer["down"], quantized(hidden_NxF)))
    return linear(arrays["readout"], normed(x_NxD)) + arrays["readout_bias"]


def counts(exp2_T: np.ndarray, logits_NxA: np.ndarray) -> np.ndarray:
    """The coder's counts q, int64 [N, A], of logits."""
    behind = logits_NxA.max(-1, keepdims=True) - logits_NxA
    weights = _exponential(exp2_T, behind)
    bits, inverse = _inverse(weights.sum(-1, keepdims=True))
    return rounded((weights << 10) * inverse >> 16, bits - 9)


def linear(weights: Mapping[str, Any], row: Row) -> np.ndarray:
    """int64 [N, J]."""
    sums = (row.q.astype(np.float64) @ weights["kernel"]).astype(np.int64)
    up = layout.headroom(weights["kernel"].shape[0])
    product = ((sums << up) * weights["scale"] >> 16) * row.c >> 16
    return rounded(product, weights["shift"] - row.e)


def quantized(x: np.ndarray) -> Row:
    """x along its last axis, |x| < 2^30, in units of 1 / 127."""
    bits, a, m = _normalized(x)
    q = rounded(a * ((127 << 22) // m) >> 16, 21)
    return Row(q, m, bits - 15)


def normed(x: np.ndarray) -> Row:
    """x over its root mean square, in units of sqrt(D) / 127."""
    _, a, m = _normalized(x)
    b = layout.square_bits(x.shape[-1])
    squares = (rounded(a, 30 - b) ** 2).sum(-1, keepdims=True)
    squares = np.maximum(squares, 1)
    k = (30 - _bit_length(squares)) // 2
    c = (m << 15) // _square_root(squares << 2 * k)
    high = c >> 15
    return Row(quantized(x).q, c >> high, b + k - 30 + high)


def rounded(x: np.ndarray, shift: Any) -> np.ndarray:
    """R of the specification."""
    shift = np.asarray(shift, np.int64)
    right, left = np.clip(shift, 0, 30), np.clip(-shift, 0, LIMIT_BITS)
    half = (np.int64(1) << right) >> 1
    limit = np.int64(1 << LIMIT_BITS) >> left
    return np.clip((x + half) >> right, -limit, limit) << left


def _limited(x: np.ndarray, limit: int = 1 << LIMIT_BITS) -> np.ndarray:
    return np.clip(x, -limit, limit)


def _normalized(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bits of the largest |x|, x shifted up to 30 bits, and 15 bits of its largest."""
    largest = np.maximum(np.abs(x).max(-1, keepdims=True), 1)
    bits = _bit_length(largest)
    return bits, x << (30 - bits), (largest << (30 - bits)) >> 15


def _bit_length(x: np.ndarray) -> np.ndarray:
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)


def _square_root(x: np.ndarray) -> np.ndarray:
    """floor(sqrt(x)), x < 2^30."""
    root = np.zeros_like(x)
    for bit in range(14, -1, -1):
        trial = root | (1 << bit)
        root = np.where(trial * trial <= x, trial, root)
    return root


def _scaled(weights: Mapping[str, Any], row: Row) -> np.ndarray:
    """A linear whose kernel is one."""
    product = ((row.q << layout.headroom(1)) * weights["scale"] >> 16) * row.c >> 16
    return rounded(product, weights["shift"] - row.e)


def _rotated(table: np.ndarray, x_NxHxK: np.ndarray, position_N: np.ndarray) -> np.ndarray:
    """Queries or keys turned by their positions; `table` is [cosine or sine, step, 256, K / 2]."""
    one, steps = layout.ROTARY_BITS, layout.ROTARY_STEPS
    (cosine_low, cosine_high), (sine_low, sine_high) = (
        (rows[0, position_N % steps], rows[1, position_N // steps % steps]) for rows in table
    )
    cosine = rounded(cosine_high * cosine_low - sine_high * sine_low, one)[:, None]
    sine = rounded(sine_high * cosine_low + cosine_high * sine_low, one)[:, None]
    first, second = np.split(x_NxHxK, 2, axis=-1)
    turned = [first * cosine - second * sine, second * cosine + first * sine]
    return _limited(rounded(np.concatenate(turned, axis=-1), one), layout.HEAD_LIMIT)


def _attended(arrays, layer, query_HxK, keys_HxSxK, values_HxSxK) -> np.ndarray:
    """Values by their shares, [H K], for the query after the last key."""
    kv_heads, seen, head_dim = keys_HxSxK.shape
    query_HxGxK = query_HxK.reshape(kv_heads, -1, head_dim)
    products = query_HxGxK @ keys_HxSxK.transpose(0, 2, 1)
    scores = rounded(products * layer["score"]["scale"] >> 16, layer["score"]["shift"])
    if "bias_HxM" in layer:
        back_S = np.arange(seen - 1, -1, -1)
        near_S = np.minimum(back_S, layer["bias_HxM"].shape[1] - 1)
        scores += layer["bias_HxM"][:, near_S].reshape(scores.shape)
    behind = scores.max(-1, keepdims=True) - scores
    weights = _exponential(arrays["exp2"], behind) >> (EXP_BITS - 15)
    bits, inverse = _inverse(weights.sum(-1, keepdims=True))
    shares = rounded(weights * inverse, bits + 14 - layout.SHARE_BITS)
    return (shares @ values_HxSxK).reshape(-1)


def _exponential(exp2_T: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """2^-behind, in units of 2^-20, of what is in units of 2^-10."""
    fraction = behind & ((1 << LOG_BITS) - 1)
    return exp2_T.astype(np.int64)[fraction] >> np.minimum(behind >> LOG_BITS, 31)


def _inverse(total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bits of `total`, and its inverse in units of 2^-(14 + bits)."""
    bits = _bit_length(total)
    return bits, (1 << 29) // (total >> (bits - 15))


def _activated(arrays, layer, config: TrunkConfig, hidden_NxF: np.ndarray) -> np.ndarray:
    up, gate = np.split(hidden_NxF, 2, axis=-1) if config.gated else (None, hidden_NxF)
    if layout.is_relu(config):
        active = np.maximum(gate, 0)
    else:
        half = layout.GATE_ENTRIES // 2
        index = np.clip(rounded(gate, layer["gate_shift"]), -half, half - 1) + half
        active = rounded(gate * arrays["activation"][index], 15)
    return active if up is None else active * up
