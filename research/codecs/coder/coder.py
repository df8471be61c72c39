"""The plain arithmetic coder: a message of any length. Pure integer functions on uint32 lanes.

The interval is [low, low + range) in units of 2^-32 of the current scale, and `range` stays at or
above 2^31: after each symbol both are doubled as often as that takes, and the bits that leave `low`
at the top are the message. So the product range * cumulative, two limbs, loses less than 2^-31 of
the interval where the cumulative frequency is rounded, and the message is within a few bits of the
sum of -log2 of the frequencies used. `low` may overflow; the carry goes into bits already emitted.
Emissions are therefore added up (`join`) only when the message is complete.

At the end the message is the shortest one whose value, followed by zeros without end, is in the
interval: at most one more bit. A decoder reads zeros behind the end.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

Cumulative = Callable[[jax.Array], jax.Array]
FIRST_RANGE = 0xFFFFFFFF


class Interval(NamedTuple):
    """Encoder state, uint32 arrays of one shape: [low, low + range), range >= 2^31."""

    low: jax.Array
    range: jax.Array


class Emission(NamedTuple):
    """What one step adds to the message: `width` more bits, 0 to 18, whose value is `value`.

    `value` is `width` + 1 bits long: its top bit is a carry into the bits before.
    """

    value: jax.Array
    width: jax.Array


class Found(NamedTuple):
    """A symbol and its cumulative frequencies [lower, upper), uint32."""

    symbol: jax.Array
    lower: jax.Array
    upper: jax.Array


class Reader(NamedTuple):
    """Decoder state: value - low and range in uint32, bits consumed so far in int32."""

    offset: jax.Array
    range: jax.Array
    consumed: jax.Array


def whole(like: jax.Array) -> Interval:
    """The interval before the first symbol, for each element of `like`."""
    return Interval(
        jnp.zeros(like.shape, jnp.uint32), jnp.full(like.shape, FIRST_RANGE, jnp.uint32)
    )


def encode_step(
    interval: Interval, lower: jax.Array, upper: jax.Array, beta: int
) -> tuple[Interval, Emission]:
    """Narrows to cumulative frequencies [lower, upper), 0 <= lower < upper <= 2^beta.

    [0, 2^beta) changes nothing and emits nothing: padding.
    """
    start = _part(interval.range, lower, beta)
    remaining = _part(interval.range, upper, beta) - start
    low = interval.low + start
    carry = (low < interval.low).astype(jnp.uint32)
    width = jax.lax.clz(remaining)
    emitted = jnp.where(width > 0, low >> (32 - jnp.maximum(width, 1)), 0)
    emission = Emission((carry << width) | emitted, width)
    return Interval(low << width, remaining << width), emission


def finish(interval: Interval) -> Emission:
    """The end: nothing if zeros will do, a carry if they do after one, else a single 1 bit."""
    carry = interval.low + interval.range < interval.low
    # A sum of exactly 2^32 wraps to 0 and is not a carry: 2^32 itself is outside the interval.
    carry &= interval.low + interval.range != 0
    bit = ~carry & (interval.low > 0)
    return Emission((carry | bit).astype(jnp.uint32), bit.astype(jnp.uint32))


def join(emissions: Emission, num_words: int) -> tuple[jax.Array, jax.Array]:
    """Adds up emissions [B, T] to messages.

    Returns:
      words uint32 [B, num_words], most significant bit first, zeros behind the end; bits of
      each message, int32 [B]. Bits past `num_words` are lost: 18 T / 32 + 1 words always do.
    """
    batch = emissions.value.shape[0]
    end = jnp.cumsum(emissions.width.astype(jnp.int32), axis=1)
    # Digits of 16 bits in uint32 leave room for the carries; one more in front and two behind.
    last = (end - 1) // 16 + 1
    shift = ((-end) % 16).astype(jnp.uint32)
    low = (emissions.value & 0xFFFF) << shift
    high = (emissions.value >> 16) << shift
    rows = jnp.arange(batch, dtype=jnp.uint32)[:, None]
    digits = jnp.zeros((batch, 2 * num_words + 2), jnp.uint32)
    digits = digits.at[rows, last].add(low & 0xFFFF, mode="drop")
    digits = digits.at[rows, jnp.maximum(last - 1, 0)].add((low >> 16) + high, mode="drop")
    digits = jax.lax.while_loop(lambda d: jnp.any(d >> 16), _carry, digits)[:, 1:-1]
    return (digits[:, 0::2] << 16) | digits[:, 1::2], end[:, -1]


def encode(
    lower_BxT: jax.Array, upper_BxT: jax.Array, beta: int, num_words: int
) -> tuple[jax.Array, jax.Array]:
    """Whole messages from the cumulative frequencies of their symbols; see `join`."""

    def step(interval, symbol):
        lower, upper = symbol
        return encode_step(interval, lower, upper, beta)

    interval, emissions = jax.lax.scan(step, whole(lower_BxT[:, 0]), (lower_BxT.T, upper_BxT.T))
    last = finish(interval)
    emissions = Emission(
        *(jnp.concatenate([x, y[None]]).T for x, y in zip(emissions, last, strict=True))
    )
    return join(emissions, num_words)


def open_reader(words_BxG: jax.Array) -> Reader:
    """The state before the first symbol; messages as `join` makes them."""
    first = words_BxG[:, 0]
    return Reader(first, jnp.full_like(first, FIRST_RANGE), jnp.zeros(first.shape, jnp.int32))


def locate(
    reader: Reader, cumulative: Cumulative, beta: int, symbols: int, unroll: bool = False
) -> Found:
    """The next symbol of each message. `cumulative`: index -> sum of the frequencies below it."""

    def starts_above(value):
        return _part(reader.range, value, beta) > reader.offset

    zero = jnp.zeros_like(reader.offset)
    return search(starts_above, cumulative, zero, beta, symbols, unroll)


def search(
    starts_above: Callable[[jax.Array], jax.Array],
    cumulative: Cumulative,
    zero: jax.Array,
    beta: int,
    symbols: int,
    unroll: bool = False,
) -> Found:
    """The last symbol that does not start above the point looked for, for every element.

    ceil(log2(symbols)) probes, each one look-up per element; comparing with all 256 cumulative
    frequencies would read the whole table.

    Args:
      starts_above: a cumulative frequency -> whether its point is above; False for 0.
      cumulative: index below `symbols` -> sum of the frequencies below it.
      zero: uint32 zeros, of the elements' shape.
      unroll: quicker to run, slower to compile.
    """
    turns = (symbols - 1).bit_length()

    def probe(turn, best):
        trial = best.symbol + (jnp.uint32(1 << (turns - 1)) >> jnp.asarray(turn, jnp.uint32))
        exists = trial < symbols
        value = cumulative(jnp.minimum(trial, symbols - 1))
        above = starts_above(value)
        keep = exists & ~above
        return Found(
            jnp.where(keep, trial, best.symbol),
            jnp.where(keep, value, best.lower),
            jnp.where(exists & above, value, best.upper),
        )

    first = Found(zero, zero, zero + jnp.uint32(1 << beta))
    return jax.lax.fori_loop(0, turns, probe, first, unroll=unroll)


def decode_step(
    reader: Reader, lower: jax.Array, upper: jax.Array, words_BxG: jax.Array, beta: int
) -> Reader:
    """Takes the located symbol's interval out and reads as many bits as that frees."""
    start = _part(reader.range, lower, beta)
    remaining = _part(reader.range, upper, beta) - start
    width = jax.lax.clz(remaining)
    fresh = _read(words_BxG, reader.consumed + 32, width)
    offset = ((reader.offset - start) << width) | fresh
    return Reader(offset, remaining << width, reader.consumed + width.astype(jnp.int32))


def decode(words_BxG: jax.Array, cumulative_BxTxA: jax.Array, beta: int) -> jax.Array:
    """T symbols of each message, int32 [B, T], with a model for every symbol.

    Args:
      cumulative_BxTxA: unsigned, sum of the frequencies *below* each symbol (the first is 0).
    """
    batch, length, symbols = cumulative_BxTxA.shape
    rows = jnp.arange(batch, dtype=jnp.uint32)

    def step(reader, t):
        def cumulative(index):
            here = cumulative_BxTxA.at[rows, t, index]
            return here.get(mode="promise_in_bounds").astype(jnp.uint32)

        located = locate(reader, cumulative, beta, symbols, unroll=True)
        reader = decode_step(reader, located.lower, located.upper, words_BxG, beta)
        return reader, located.symbol.astype(jnp.int32)

    steps = jnp.arange(length, dtype=jnp.uint32)
    _, symbols_TxB = jax.lax.scan(step, open_reader(words_BxG), steps)
    return symbols_TxB.T


def sum_below(frequencies_BxA: jax.Array, symbol_B: jax.Array) -> jax.Array:
    """Sum of the frequencies below one symbol of each row, uint32 [B]; reads each row once."""
    ids = jax.lax.broadcasted_iota(jnp.int32, frequencies_BxA.shape, 1)
    counted = jnp.where(ids < symbol_B.astype(jnp.int32)[:, None], frequencies_BxA, 0)
    return jnp.sum(counted, axis=1, dtype=jnp.uint32)


def locate_in(reader: Reader, frequencies_BxA: jax.Array, beta: int) -> Found:
    """`locate` from frequencies, A = 256, each at least 1: reads each row once.

    The sums of 16 blocks of 16 symbols say in which block the symbol is, and only that block is
    summed up symbol by symbol.
    """
    batch = frequencies_BxA.shape[0]
    blocks_Bx16x16 = frequencies_BxA.reshape(batch, 16, 16)
    block_B, base_B, _ = _last_start(reader, jnp.sum(blocks_Bx16x16, 2, dtype=jnp.uint32), 0, beta)
    inside_Bx16 = jnp.take_along_axis(blocks_Bx16x16, block_B[:, None, None], 1)[:, 0]
    symbol_B, lower_B, size_B = _last_start(
        reader, inside_Bx16.astype(jnp.uint32), base_B[:, None], beta
    )
    symbol = (16 * block_B + symbol_B).astype(jnp.uint32)
    return Found(symbol, lower_B, lower_B + size_B)


def _last_start(reader: Reader, sizes_BxN: jax.Array, base, beta: int):
    """The last of N neighbours that does not start above the reader's value: index int32, its
    start (the first one's is `base`) and its size, each [B]."""
    # A product with a triangle of ones is quicker than a cumulative sum, and exact below 2^24.
    before = jnp.triu(jnp.ones((16, 16), jnp.float32), 1)
    sums_BxN = jnp.matmul(sizes_BxN.astype(jnp.float32), before, precision="highest")
    starts_BxN = sums_BxN.astype(jnp.uint32) + base
    above_BxN = _part(reader.range[:, None], starts_BxN, beta) > reader.offset[:, None]
    index_B = jnp.sum(~above_BxN, axis=1, dtype=jnp.int32) - 1
    chosen_BxN = jax.lax.broadcasted_iota(jnp.int32, sizes_BxN.shape, 1) == index_B[:, None]
    start_B = jnp.sum(jnp.where(chosen_BxN, starts_BxN, 0), axis=1, dtype=jnp.uint32)
    return index_B, start_B, jnp.sum(jnp.where(chosen_BxN, sizes_BxN, 0), axis=1, dtype=jnp.uint32)


def _part(range_: jax.Array, cumulative: jax.Array, beta: int) -> jax.Array:
    """floor(range * cumulative / 2^beta): a 48-bit product in two limbs."""
    low = (range_ & 0xFFFF) * cumulative
    high = (range_ >> 16) * cumulative + (low >> 16)
    part = (high << (16 - beta)) | ((low & 0xFFFF) >> beta)
    return jnp.where(cumulative == (1 << beta), range_, part)


def _read(words_BxG: jax.Array, position: jax.Array, width: jax.Array) -> jax.Array:
    """`width` <= 18 bits from bit `position` on; zeros behind the end."""
    position = position.astype(jnp.uint32)
    index, skip = position // 32, position % 32
    rows = jnp.arange(words_BxG.shape[0], dtype=jnp.uint32)

    def word(i):
        last = words_BxG.shape[1] - 1
        here = words_BxG.at[rows, jnp.minimum(i, last)]
        return jnp.where(i <= last, here.get(mode="promise_in_bounds"), 0)

    both = (word(index) << skip) | jnp.where(skip > 0, word(index + 1) >> (32 - skip), 0)
    return jnp.where(width > 0, both >> (32 - jnp.maximum(width, 1)), 0)


def _carry(digits_BxG: jax.Array) -> jax.Array:
    """Moves what is above 16 bits one digit up; only a run of full digits takes many rounds."""
    carry = digits_BxG >> 16
    return (digits_BxG & 0xFFFF) + jnp.pad(carry[:, 1:], ((0, 0), (0, 1)))
