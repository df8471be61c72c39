"""Probabilities to integer frequencies: one rule, exact after the first rounding.

    q = round(p * 2^17),  S = sum q,  f = 1 + floor(q * (2^beta - A) / S),

and what is missing to 2^beta goes one each to the largest remainders, ties to the smaller symbol.
Every symbol gets at least 1, so every symbol can be coded; that floor costs at most
A / 2^beta / ln 2 bits per symbol (.0227 at A = 256, beta = 14). Rounding is to the nearest integer,
halves to the even one. Nothing after it is a float, so numpy and JAX give equal integers for equal
float32 probabilities.
"""

import sys
from typing import Any

import numpy as np

from research.errors import UsageError

MIN_BETA, MAX_BETA = 8, 16
_SCALE = 1 << 17


def check(symbols: int, beta: int) -> None:
    """Raises UsageError unless `symbols` symbols of at least 1 fit a sum of 2**beta."""
    if not MIN_BETA <= beta <= MAX_BETA:
        raise UsageError(f"beta must lie in {MIN_BETA}..{MAX_BETA}, not {beta}")
    if not 2 <= symbols <= min(257, 1 << beta):
        raise UsageError(f"an alphabet has 2 to 257 symbols, not {symbols}")


def integer_frequencies(probabilities_NxA: Any, beta: int) -> Any:
    """The rule above along the last axis; numpy in, numpy out; JAX in (or traced), JAX out.

    Args:
      probabilities_NxA: float, any leading axes; taken as float32. Rows need not sum to exactly
        one, but to something between 2^-17 and 16, with no negative entry.
      beta: the frequencies of a row sum to 2**beta.

    Returns:
      uint32 of the same shape, each entry at least 1.

    Raises:
      UsageError: beta or A out of range; for numpy input also a row that is not a distribution.
    """
    check(probabilities_NxA.shape[-1], beta)
    if _is_jax(probabilities_NxA):
        return _jax_exact((probabilities_NxA.astype("float32") * _SCALE).round(), beta)
    scaled = np.rint(np.asarray(probabilities_NxA, np.float32) * np.float32(_SCALE))
    total = scaled.sum(-1, dtype=np.float64)
    if scaled.size and not (scaled.min() >= 0 and total.min() >= 1 and total.max() <= 16 * _SCALE):
        raise UsageError("each row of probabilities must be non-negative and sum to about one")
    return _exact(scaled.astype(np.uint64), beta)


def frequencies_from_counts(counts_NxA: Any, beta: int) -> Any:
    """The same rule with q = integer counts; uint32. numpy in, numpy out; JAX in, JAX out.

    Args:
      counts_NxA: integers of at least 0, any leading axes, with sums from 1 to 2^46 (2^22 in JAX).
      beta: the frequencies of a row sum to 2**beta.

    Raises:
      UsageError: beta or A out of range; of numpy counts also a row without any, or a negative one.
    """
    if _is_jax(counts_NxA):
        check(counts_NxA.shape[-1], beta)
        return _jax_exact(counts_NxA, beta)
    counts = np.asarray(counts_NxA)
    check(counts.shape[-1], beta)
    if counts.size and (counts.min() < 0 or not counts.sum(-1).all()):
        raise UsageError("counts must be at least 0, with at least one above 0 in each row")
    return _exact(counts.astype(np.uint64), beta)


def _exact(q: np.ndarray, beta: int) -> np.ndarray:
    symbols = q.shape[-1]
    total = q.sum(-1, keepdims=True)
    product = q * np.uint64((1 << beta) - symbols)
    quotient = product // total
    f = 1 + quotient
    missing = (1 << beta) - f.sum(-1, keepdims=True).astype(np.int64)
    # Remainder, then the smaller symbol: keys that are all different, so that the `missing`
    # largest are those from a threshold on.
    tie = np.arange(511, 511 - symbols, -1, dtype=np.uint64)
    key = (product - quotient * total) * np.uint64(512) + tie
    row = np.sort(key, axis=-1)
    row = np.concatenate([row, np.full_like(row[..., :1], 1 << 63)], axis=-1)
    threshold = np.take_along_axis(row, symbols - missing, axis=-1)
    return (f + (key >= threshold)).astype(np.uint32)


def _is_jax(array: Any) -> bool:
    jax = sys.modules.get("jax")  # not imported where nobody has
    return jax is not None and isinstance(array, jax.Array)


def _jax_exact(q: Any, beta: int) -> Any:
    import jax.numpy as jnp

    symbols = q.shape[-1]
    q = q.astype(jnp.uint32)
    total = jnp.sum(q, axis=-1, keepdims=True, dtype=jnp.uint32)
    # q * (2^beta - A) has up to 33 bits. Long division in two digits keeps all below 2^31:
    # q <= total < 2^22, and a remainder below `total` times 256 stays below 2^30.
    high, low = divmod((1 << beta) - symbols, 256)
    product = q * jnp.uint32(high)
    quotient = product // total
    rest = (product - quotient * total) * 256 + q * jnp.uint32(low)
    second = rest // total
    f = 1 + quotient * 256 + second
    missing = jnp.uint32(1 << beta) - jnp.sum(f, -1, keepdims=True, dtype=jnp.uint32)
    return f + _largest(rest - second * total, missing)


def _largest(remainder: Any, count: Any) -> Any:
    """uint32 1 at the `count` [..., 1] largest entries [..., A], ties to the smaller index, else 0.

    Remainder and index together make keys that are all different, so there is a threshold with
    exactly `count` keys at or above it; it is found bit by bit (cheaper than a sort).
    """
    import jax
    import jax.numpy as jnp

    symbols = remainder.shape[-1]
    index = jnp.arange(symbols, dtype=jnp.uint32).reshape((1,) * (remainder.ndim - 1) + (-1,))
    key = remainder * 512 + (511 - index)

    def set_bit(turn, threshold):
        trial = threshold | (jnp.uint32(1 << 30) >> turn.astype(jnp.uint32))
        enough = jnp.sum(key >= trial, -1, keepdims=True, dtype=jnp.uint32) >= count
        return jnp.where(enough, trial, threshold)

    threshold = jax.lax.fori_loop(0, 31, set_bit, jnp.zeros_like(count))
    return ((key >= threshold) & (count > 0)).astype(jnp.uint32)
