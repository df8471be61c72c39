"""Arithmetic coding with a Transformer: one compiled loop for encoding and decoding.

The loop is that of coder/batched.py, the arithmetic that of coder.py.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from research.codecs.byte_models.transformer import START
from research.codecs.coder import batched, coder
from research.codecs.coder.batched import choose
from research.codecs.coder.coder import Interval, Reader

END = 256
SYMBOLS = 257


class Work(NamedTuple):
    """What the rows are to do in one call; all [B, ...].

    Attributes:
      decode: bool.
      fresh: bool, the row starts a new document.
      text: uint8 [B, M], encoding: the next bytes.
      available: int32, how many.
      ends: bool, the document ends with them.
      words: uint32 [B, G], decoding: the message from the 32-bit word on in which the row stands
        (its first unread bit is 32 bits behind `consumed`); zeros behind the end.
      left: int32, decoding: bits from the start of `words` to the message's end.
    """

    decode: jax.Array
    fresh: jax.Array
    text: jax.Array
    available: jax.Array
    ends: jax.Array
    words: jax.Array
    left: jax.Array


class Rows(NamedTuple):
    """State between calls: the model's cache, and the frequencies after START, [A]; then, all [B],
    the latest byte (or START), bytes since the context's start, the encoder's interval, the
    decoder's reader; `consumed` counts from `words`.
    """

    cache: Any
    first: jax.Array
    last: jax.Array
    context: jax.Array
    interval: Interval
    reader: Reader


class Output(NamedTuple):
    """What one call made: emissions [B, M], symbols taken [B], text [B, M], and whether the last
    symbol was the end [B]."""

    values: jax.Array
    widths: jax.Array
    count: jax.Array
    text: jax.Array
    ended: jax.Array


def words_per_call(turns: int) -> int:
    """G, so that `turns` symbols of at most 18 bits never read past the words."""
    return (18 * turns) // 32 + 4


def initial_rows(params: Any, *, start, batch: int) -> Rows:
    """Rows that have to be started by `fresh`. `start` is that of a `Stepper`."""
    first_A, cache = start(params)
    zeros = jnp.zeros((batch,), jnp.int32)
    words = jnp.zeros((batch, 1), jnp.uint32)
    return Rows(cache, first_A, zeros, zeros, coder.whole(zeros), coder.open_reader(words))


def run(
    params: Any, rows: Rows, work: Work, *, step, beta: int, example_bytes: int, turns: int
) -> tuple[Rows, Output]:
    """At most `turns` symbols for each row, or until no row can go on."""
    batch = work.available.shape[0]
    zeros = jnp.zeros((batch,), jnp.int32)
    start, opened = coder.whole(zeros), coder.open_reader(work.words)
    rows = rows._replace(
        last=jnp.where(work.fresh, START, rows.last),
        context=jnp.where(work.fresh, 0, rows.context),
        interval=choose(work.fresh, start, rows.interval),
        reader=choose(work.fresh, opened, rows.reader),
    )
    output = Output(
        values=jnp.zeros((batch, turns), jnp.uint32),
        widths=jnp.zeros((batch, turns), jnp.uint32),
        count=zeros,
        text=jnp.zeros((batch, turns), jnp.uint8),
        ended=jnp.zeros((batch,), bool),
    )

    return batched.loop(
        params,
        rows,
        output,
        step=step,
        turns=turns,
        active=lambda rows, output: _active(rows, output, work),
        seen=lambda rows: rows.context,
        take=lambda sums_BxA, goes, rows, output: _symbol(
            sums_BxA, goes, rows, output, work, beta, example_bytes
        ),
    )


def _active(rows: Rows, output: Output, work: Work) -> jax.Array:
    """Whether each row has what it needs for a symbol."""
    at_hand = (output.count < work.available) | work.ends
    goes_on = jnp.where(work.decode, rows.reader.consumed <= work.left, at_hand)
    return ~output.ended & (output.count < work.text.shape[1]) & goes_on


def _symbol(sums_BxA, active, rows, output, work, beta, example_bytes) -> tuple[Rows, Output]:
    """One symbol for the active rows; one row of sums serves all."""
    batch, turns = work.text.shape
    index = jnp.arange(batch)
    sums_row = index.astype(jnp.uint32) if len(sums_BxA) > 1 else 0

    def cumulative(symbol):
        column = jnp.maximum(symbol, 1) - 1
        below = sums_BxA.at[sums_row, column].get(mode="promise_in_bounds")
        return jnp.where(symbol > 0, below, 0)

    here = jnp.minimum(output.count, turns - 1)
    given = jnp.where(output.count < work.available, work.text[index, here].astype(jnp.uint32), END)
    found = coder.locate(rows.reader, cumulative, beta, SYMBOLS)
    symbol = jnp.where(work.decode, found.symbol, given).astype(jnp.uint32)
    lower, upper = cumulative(symbol), cumulative(symbol + 1)

    interval, emission = coder.encode_step(rows.interval, lower, upper, beta)
    reader = coder.decode_step(rows.reader, lower, upper, work.words, beta)
    # Without the barrier the compiler computes these anew wherever they are used.
    interval, emission, reader = jax.lax.optimization_barrier((interval, emission, reader))
    byte = symbol.astype(jnp.int32)
    slot = jnp.where(active, output.count, turns)
    output = Output(
        values=output.values.at[index, slot].set(emission.value, mode="drop"),
        widths=output.widths.at[index, slot].set(emission.width, mode="drop"),
        count=output.count + active,
        text=output.text.at[index, slot].set(byte.astype(jnp.uint8), mode="drop"),
        ended=output.ended | (active & (byte == END)),
    )
    context = rows.context + 1
    anew = context >= example_bytes
    rows = rows._replace(
        last=jnp.where(active, jnp.where(anew, START, byte), rows.last),
        context=jnp.where(active, jnp.where(anew, 0, context), rows.context),
        interval=choose(active & ~work.decode, interval, rows.interval),
        reader=choose(active & work.decode, reader, rows.reader),
    )
    return rows, output
