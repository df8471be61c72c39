"""The windowed interval coder: W bits stand for a string. Pure integer functions, elementwise.

A window's interval [low, low + range) lives in [0, 2^P), P = W + 16. The child for a symbol with
cumulative frequencies [l, h) out of 2^beta is

    [low + floor(range * l / 2^beta), low + floor(range * h / 2^beta)),

and the *code* of a string is ceil(low / 2^16), the smallest W-bit point at or above `low`, if that
point is inside the interval. Along a string codes never decrease and points only get fewer, so once
one point is left no longer string has another code.

How a window closes:
  point+delay  the longest prefix with a code gives the code; the window's text is the *shortest*
               non-empty prefix with that code. A decoder walks down to the first string with the
               code: lossless.
  point        the longest prefix with a code (the paper's rule as its ratios show). Encode only.
  dyadic       the longest prefix whose interval holds a whole W-bit cell (the paper's rule as
               written). Encode only.

All arrays are uint32 of one shape (usually [B]); wide numbers are digits (see multiword.py).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.codecs.coder import multiword
from research.codecs.coder.coder import Cumulative, Found, search
from research.codecs.coder.multiword import Digits
from research.codecs.windows import EXTRA_BITS


class Interval(NamedTuple):
    """[low, low + range) in units of 2^-P; W // 16 + 2 digits each, for range may be 2^P."""

    low: Digits
    range: Digits


def whole(window_bits: int, like: jax.Array) -> Interval:
    """The interval of the empty string, [0, 2^P), for every element of `like`."""
    bits = window_bits + EXTRA_BITS
    size = bits // multiword.DIGIT_BITS + 1  # one more than a code has
    low = multiword.constant(0, size, like)
    return Interval(low, multiword.constant(1 << bits, size, like))


def narrow(interval: Interval, lower: jax.Array, upper: jax.Array, beta: int) -> Interval:
    """The child for cumulative frequencies [lower, upper), 0 <= lower < upper <= 2^beta."""
    start = multiword.scale(interval.range, lower, beta)
    end = multiword.scale(interval.range, upper, beta)
    return Interval(multiword.add(interval.low, start), multiword.subtract(end, start))


def code(interval: Interval) -> Digits:
    """ceil(low / 2^16); one digit less than `low`. A code only if `has_point`."""
    return _ceiling(interval.low)


def has_point(interval: Interval) -> jax.Array:
    """True where some W-bit point is inside, bool."""
    end = multiword.add(interval.low, interval.range)
    # code * 2^16 < end, for integers, is code < ceil(end / 2^16).
    return multiword.less(code(interval), _ceiling(end))


def has_one_point(interval: Interval) -> jax.Array:
    """True where exactly one W-bit point is inside, bool: the code is final."""
    end = multiword.add(interval.low, interval.range)
    one = multiword.constant(1, len(interval.low) - 1, interval.low[0])
    return multiword.equal(multiword.add(code(interval), one), _ceiling(end))


def has_cell(interval: Interval) -> jax.Array:
    """True where a whole cell [c, c + 1) * 2^16 is inside, bool."""
    end = multiword.add(interval.low, interval.range)
    return multiword.less(code(interval), end[1:])


def locate(
    interval: Interval, target: Digits, cumulative: Cumulative, beta: int, symbols: int
) -> Found:
    """The symbol whose child interval contains the point `target` (a code) of `interval`."""
    zero = jnp.zeros_like(target[0])
    offset = multiword.subtract((zero, *target), interval.low)

    def starts_above(value):
        return multiword.less(offset, multiword.scale(interval.range, value, beta))

    return search(starts_above, cumulative, zero, beta, symbols)


def _ceiling(value: Digits) -> Digits:
    """ceil(value / 2^16), one digit less."""
    up = (value[0] != 0).astype(jnp.uint32)
    carry = (up, *multiword.constant(0, len(value) - 2, value[0]))
    return multiword.add(value[1:], carry)
