"""Equal-info windows with a Transformer: one compiled loop for encoding and decoding.

The loop is that of coder/batched.py. A row narrows its interval by one byte, taken from the text
(encoding) or found from the code (decoding), and closes its window when it has to, independently of
the others. The definition of a window is that of windows.py.

With reset='every' nothing is remembered between windows, so a decoder works on many windows of a
document at once. Otherwise the context is finite: it starts again at the first window border past
three quarters of it, and a window that would fill it up is closed early (any prefix may be chosen
as a window's end and still decode).
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from research.codecs.byte_models.transformer import START
from research.codecs.coder import batched, multiword
from research.codecs.coder.batched import choose
from research.codecs.coder.multiword import Digits
from research.codecs.windows import WindowRules, windows
from research.codecs.windows.windows import Interval


class Work(NamedTuple):
    """What the rows are to do in one call of the loop; all [B, ...]."""

    decode: jax.Array
    """bool, the row decodes."""
    fresh: jax.Array
    """bool, the row starts a new document."""
    text: jax.Array
    """uint8 [B, S], encoding: a piece of the document."""
    start: jax.Array
    """int32, where in the piece the current window starts (negative: before it)."""
    available: jax.Array
    """int32, bytes of the piece."""
    ends: jax.Array
    """bool, the document ends with the piece."""
    codes: jax.Array
    """uint32 [B, M, G], decoding: codes from the current window on; M windows at most are made in
    the call."""
    num_codes: jax.Array
    """int32, how many."""


class Rows(NamedTuple):
    """State of the rows between calls; all [B]."""

    cache: Any
    """Of the model."""
    first: jax.Array
    """uint32 [A], frequencies after START, constant."""
    last: jax.Array
    """int32, the latest byte of the context, or START."""
    context: jax.Array
    """int32, bytes in the model's context before this window."""
    count: jax.Array
    """int32, bytes of the window so far."""
    closed: jax.Array
    """int32, windows of the document so far."""
    interval: Interval
    """Of the window so far."""
    best: Digits
    """Digits, the latest code; best_count, best_last: the shortest prefix with it, its last
    byte."""
    best_count: jax.Array
    best_last: jax.Array


class Output(NamedTuple):
    """What one call made; [B, M, G], [B, M], [B], [B, T], [B], and where windows start, [B]."""

    codes: jax.Array
    lengths: jax.Array
    num_windows: jax.Array
    text: jax.Array
    num_bytes: jax.Array
    start: jax.Array


def initial_rows(params: Any, *, start, rules: WindowRules, batch: int) -> Rows:
    """Rows that have to be started by `fresh`. `start` is that of a `Stepper`."""
    first_A, cache = start(params)
    zeros = jnp.zeros((batch,), jnp.int32)
    interval = windows.whole(rules.window_bits, zeros)
    counts = dict.fromkeys(("last", "context", "count", "closed", "best_count", "best_last"), zeros)
    return Rows(cache, first_A, interval=interval, best=windows.code(interval), **counts)


def run(
    params: Any, rows: Rows, work: Work, *, step, rules: WindowRules, context: int, turns: int
) -> tuple[Rows, Output]:
    """At most `turns` turns of the loop, or until no row can go on.

    Args:
      step: of a `Stepper`; with rules and context, the static part.
    """
    batch = work.start.shape[0]
    whole = windows.whole(rules.window_bits, work.start)
    zeros = jnp.zeros((batch,), jnp.int32)
    rows = rows._replace(
        last=jnp.where(work.fresh, START, rows.last),
        context=jnp.where(work.fresh, 0, rows.context),
        count=jnp.where(work.fresh, 0, rows.count),
        closed=jnp.where(work.fresh, 0, rows.closed),
        interval=choose(work.fresh, whole, rows.interval),
    )
    output = Output(
        codes=jnp.zeros_like(work.codes),
        lengths=jnp.zeros(work.codes.shape[:2], jnp.int32),
        num_windows=zeros,
        text=jnp.zeros((batch, 2 * turns), jnp.uint8),
        num_bytes=zeros,
        start=work.start,
    )

    return batched.loop(
        params,
        rows,
        output,
        step=step,
        turns=turns,
        active=functools.partial(_active, work=work),
        seen=lambda rows: rows.context + rows.count,
        take=functools.partial(_byte, work=work, rules=rules, context=context),
    )


def _active(rows: Rows, output: Output, work: Work) -> jax.Array:
    """Whether each row has what it needs for a byte."""
    position = output.start + rows.count
    at_hand = (position >= 0) & (position < work.available)
    at_end = work.ends & (position == work.available) & (rows.count > 0)
    room = output.num_windows < work.codes.shape[1]
    return room & jnp.where(work.decode, output.num_windows < work.num_codes, at_hand | at_end)


def _byte(sums_BxA, active, rows, output, work, rules, context) -> tuple[Rows, Output]:
    """One byte for the active rows; one row of sums serves all."""
    beta, most = rules.beta, work.codes.shape[1]
    index = jnp.arange(work.start.shape[0])
    position = output.start + rows.count
    at_end = ~work.decode & (position >= work.available)

    to_encode = work.text[index, jnp.clip(position, 0, work.text.shape[1] - 1)].astype(jnp.uint32)
    here = work.codes[index, jnp.minimum(output.num_windows, most - 1)]
    target = _padded(here, len(rows.best))
    # Rows that encode look for a point too; the interval's own low end keeps it inside.
    target = multiword.where(work.decode, target, windows.code(rows.interval))

    def cumulative(symbol):
        return jnp.where(symbol > 0, _at(sums_BxA, jnp.maximum(symbol, 1) - 1), 0)

    located = windows.locate(rows.interval, target, cumulative, beta, 256)
    byte = jnp.where(work.decode, located.symbol, to_encode)
    child = windows.narrow(rows.interval, cumulative(byte), _at(sums_BxA, byte), beta)
    # Without the barrier the compiler computes the child again in everything that looks at it.
    child = jax.lax.optimization_barrier(child)

    # Encoding: does the byte still fit, and is anything longer worth a look?
    fits = windows.has_cell(child) if rules.closing == "dyadic" else windows.has_point(child)
    taken = active & (work.decode | (fits & ~at_end))
    count = rows.count + taken
    code = windows.code(child)
    delay = rules.closing == "point+delay"
    unchanged = multiword.equal(code, rows.best) & (rows.count > 0) & delay
    better = taken & ~unchanged
    best = multiword.where(better, code, rows.best)
    latest = better | (taken & work.decode)
    best_count = jnp.where(latest, count, rows.best_count)
    byte = byte.astype(jnp.int32)
    best_last = jnp.where(latest, byte, rows.best_last)
    done = ~taken
    if delay:
        done |= windows.has_one_point(child)
    if rules.reset != "every":
        done |= rows.context + count >= context
    closes = active & jnp.where(work.decode, multiword.equal(code, target), done)

    slot = jnp.where(closes, output.num_windows, most)
    stored = multiword.stack(multiword.where(work.decode, target, best)[: rules.stored_digits])
    byte_slot = jnp.where(taken & work.decode, output.num_bytes, output.text.shape[1])
    output = Output(
        codes=output.codes.at[index, slot].set(stored, mode="drop"),
        lengths=output.lengths.at[index, slot].set(best_count, mode="drop"),
        num_windows=output.num_windows + closes,
        text=output.text.at[index, byte_slot].set(byte.astype(jnp.uint8), mode="drop"),
        num_bytes=output.num_bytes + (taken & work.decode),
        start=output.start + jnp.where(closes, best_count, 0),
    )
    closed = rows.closed + closes
    grown = rows.context + best_count
    context_left = jnp.where(_keeps(rules, closed) & (grown <= context - context // 4), grown, 0)
    going_on = jnp.where(taken, byte, rows.last)
    last = jnp.where(closes, jnp.where(context_left > 0, best_last, START), going_on)
    whole = windows.whole(rules.window_bits, work.start)
    rows = rows._replace(
        last=last,
        context=jnp.where(closes, context_left, rows.context),
        count=jnp.where(closes, 0, count),
        closed=closed,
        interval=choose(closes, whole, choose(taken, child, rows.interval)),
        best=best,
        best_count=best_count,
        best_last=best_last,
    )
    return rows, output


def _keeps(rules: WindowRules, closed: jax.Array) -> jax.Array:
    """Whether the context goes on after this many windows (`WindowRules.resets_after`, negated)."""
    if rules.reset == "every-other":
        return closed % 2 == 1
    return jnp.full_like(closed, rules.reset == "never", dtype=bool)


def _at(sums_BxA: jax.Array, symbol: jax.Array) -> jax.Array:
    rows = jnp.arange(len(sums_BxA), dtype=jnp.uint32) if len(sums_BxA) > 1 else 0
    return sums_BxA.at[rows, symbol.astype(jnp.uint32)].get(mode="promise_in_bounds")


def _padded(digits_BxG: jax.Array, size: int) -> Digits:
    digits = multiword.unstack(digits_BxG)
    return digits + (jnp.zeros_like(digits[0]),) * (size - len(digits))
