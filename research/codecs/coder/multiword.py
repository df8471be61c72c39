"""Wide unsigned integers as 16-bit digits in uint32 lanes, for arithmetic without 64-bit types.

A number is a tuple of G uint32 arrays of one shape, least significant digit first, each below
2^16. The functions are elementwise, so they work under `jit` and `vmap` and on whole batches.
"""

import jax
import jax.numpy as jnp

Digits = tuple[jax.Array, ...]

DIGIT_BITS = 16
_MASK = 0xFFFF


def constant(value: int, size: int, like: jax.Array) -> Digits:
    """`value` as `size` digits, each of the shape of `like`."""
    if value >> (DIGIT_BITS * size):
        raise ValueError(f"{value} does not fit {size} digits")
    return tuple(
        jnp.full(like.shape, (value >> (DIGIT_BITS * g)) & _MASK, jnp.uint32) for g in range(size)
    )


def add(a: Digits, b: Digits) -> Digits:
    """a + b modulo 2^(16 G)."""
    result, carry = [], jnp.zeros_like(a[0])
    for x, y in zip(a, b, strict=True):
        total = x + y + carry
        result.append(total & _MASK)
        carry = total >> DIGIT_BITS
    return tuple(result)


def subtract(a: Digits, b: Digits) -> Digits:
    """a - b for a >= b (modulo 2^(16 G) otherwise)."""
    result, borrow = [], jnp.zeros_like(a[0])
    for x, y in zip(a, b, strict=True):
        total = x - y - borrow
        result.append(total & _MASK)
        borrow = total >> 31
    return tuple(result)


def less(a: Digits, b: Digits) -> jax.Array:
    """a < b, bool."""
    borrow = jnp.zeros_like(a[0])
    for x, y in zip(a, b, strict=True):
        borrow = (x - y - borrow) >> 31
    return borrow == 1


def equal(a: Digits, b: Digits) -> jax.Array:
    """a == b, bool."""
    result = a[0] == b[0]
    for x, y in zip(a[1:], b[1:], strict=True):
        result &= x == y
    return result


def scale(a: Digits, factor: jax.Array, beta: int) -> Digits:
    """floor(a * factor / 2^beta) for 0 <= factor <= 2^beta, 0 <= beta <= 16; G digits again.

    The product of two digits and a carry stays below 2^32. The factor 2^beta itself, which has
    one bit too many at beta = 16, gives `a`.
    """
    product, carry = [], jnp.zeros_like(a[0])
    small = factor & _MASK
    for digit in a:
        total = digit * small + carry
        product.append(total & _MASK)
        carry = total >> DIGIT_BITS
    product.append(carry)
    shifted = [
        ((low >> beta) | (high << (DIGIT_BITS - beta))) & _MASK
        for low, high in zip(product[:-1], product[1:], strict=True)
    ]
    whole = factor == (1 << beta)
    return tuple(jnp.where(whole, x, y) for x, y in zip(a, shifted, strict=True))


def where(condition: jax.Array, a: Digits, b: Digits) -> Digits:
    """Elementwise choice between two numbers."""
    return tuple(jnp.where(condition, x, y) for x, y in zip(a, b, strict=True))


def stack(a: Digits) -> jax.Array:
    """[..., G], least significant digit first."""
    return jnp.stack(a, axis=-1)


def unstack(a: jax.Array) -> Digits:
    """The inverse of `stack`."""
    return tuple(a[..., g] for g in range(a.shape[-1]))
