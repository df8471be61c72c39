"""Arithmetic coding with a Transformer: one compiled loop for encoding and decoding.

The loop is that of coder/batched.py, the arithmetic that of coder.py.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research.codecs.arithmetic import END, SYMBOLS
from research.codecs.byte_models import SteppedByteModel
from research.codecs.byte_models.transformer import START
from research.codecs.coder import batched, coder, host_coder
from research.codecs.coder.batched import choose
from research.codecs.coder.coder import Interval, Reader

_TURNS = 128  # of the loop in one call
_WORDS = 18 * _TURNS // 32 + 4  # G: so many symbols of at most 18 bits never read past the words


class Work(NamedTuple):
    """What the rows are to do in one call; all [B, ...]."""

    decode: jax.Array
    """bool, the row decodes."""
    fresh: jax.Array
    """bool, the row starts a new document."""
    text: jax.Array
    """uint8 [B, M], encoding: the next bytes."""
    available: jax.Array
    """int32, how many."""
    ends: jax.Array
    """bool, the document ends with them."""
    words: jax.Array
    """uint32 [B, G], decoding: the message from the 32-bit word on in which the row stands (its
    first unread bit is 32 bits behind `consumed`); zeros behind the end."""
    left: jax.Array
    """int32, decoding: bits from the start of `words` to the message's end."""


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
        active=functools.partial(_active, work=work),
        seen=lambda rows: rows.context,
        take=functools.partial(_symbol, work=work, beta=beta, example_bytes=example_bytes),
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
    next_byte = work.text[index, here].astype(jnp.uint32)
    to_encode = jnp.where(output.count < work.available, next_byte, END)
    located = coder.locate(rows.reader, cumulative, beta, SYMBOLS)
    symbol = jnp.where(work.decode, located.symbol, to_encode).astype(jnp.uint32)
    lower, upper = cumulative(symbol), cumulative(symbol + 1)

    interval, emission = coder.encode_step(rows.interval, lower, upper, beta)
    reader = coder.decode_step(rows.reader, lower, upper, work.words, beta)
    # Without the barrier the compiler computes these again wherever they are used.
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
    starts_again = context >= example_bytes
    rows = rows._replace(
        last=jnp.where(active, jnp.where(starts_again, START, byte), rows.last),
        context=jnp.where(active, jnp.where(starts_again, 0, context), rows.context),
        interval=choose(active & ~work.decode, interval, rows.interval),
        reader=choose(active & work.decode, reader, rows.reader),
    )
    return rows, output


class BatchedMessages(batched.BatchedLoop):
    """Arithmetic encoder and decoder over documents, B rows at a time, at one fixed shape."""

    def __init__(
        self, model: SteppedByteModel, beta: int, example_bytes: int, batch_size: int, context: int
    ):
        options = {"beta": beta, "example_bytes": example_bytes, "turns": _TURNS}
        loop = functools.partial(run, **options)
        super().__init__(model, batch_size, context, SYMBOLS, loop, initial_rows)

    def encode(self, texts: Sequence[bytes]) -> list[np.ndarray]:
        """The bits of each text's message, uint8 of 0/1."""
        jobs = [_Encoding(text) for text in texts]
        self._work(jobs)
        return [job.result() for job in jobs]

    def decode(self, streams: Sequence[np.ndarray]) -> list[bytes]:
        """The text of each message, given as bits; zeros may follow it."""
        jobs = [_Decoding(bits) for bits in streams]
        self._work([job for job in jobs if job.size])
        return [bytes(job.text) for job in jobs]

    def _fill(self, rows: Rows, work: Work, busy: Mapping[int, Any]) -> Rows:
        super()._fill(rows, work, busy)
        consumed = np.zeros(self._batch, np.int32)
        for row, job in busy.items():
            consumed[row] = job.consumed_here
        return rows._replace(reader=rows.reader._replace(consumed=consumed))

    def _empty_work(self) -> Work:
        batch = self._batch
        arrays: dict[str, Any] = {
            "decode": np.zeros(batch, bool),
            "fresh": np.zeros(batch, bool),
            "text": np.zeros((batch, _TURNS), np.uint8),
            "available": np.zeros(batch, np.int32),
            "ends": np.zeros(batch, bool),
            "words": np.zeros((batch, _WORDS), np.uint32),
            "left": np.full(batch, -1, np.int32),
        }
        return Work(**arrays)


@dataclasses.dataclass
class _Encoding:
    """A text on its way, and what it has emitted."""

    text: bytes
    done: int = 0
    consumed_here: int = 0
    values: list[np.ndarray] = dataclasses.field(default_factory=list)
    widths: list[np.ndarray] = dataclasses.field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.text)

    def fill(self, work: Work, row: int) -> None:
        piece = self.text[self.done : self.done + _TURNS]
        work.text[row, : len(piece)] = np.frombuffer(piece, np.uint8)
        work.available[row] = len(piece)
        work.ends[row] = self.done + len(piece) == len(self.text)

    def collect(self, output: Output, rows: Rows, row: int) -> bool:
        """Takes one call's emissions; True if the end symbol was among them."""
        count = int(output.count[row])
        self.values.append(np.asarray(output.values[row, :count]))
        self.widths.append(np.asarray(output.widths[row, :count]))
        self.done += count
        if output.ended[row]:
            low, width = int(rows.interval.low[row]), int(rows.interval.range[row])
            value, bits = host_coder.last_emission(low, width)
            self.values.append(np.array([value], np.uint32))
            self.widths.append(np.array([bits], np.uint32))
        return bool(output.ended[row])

    def result(self) -> np.ndarray:
        return host_coder.join(np.concatenate(self.values), np.concatenate(self.widths))


@dataclasses.dataclass
class _Decoding:
    """A message on its way to text; `consumed` counts bits of the whole message."""

    bits: np.ndarray
    consumed: int = 0
    base: int = 0
    text: bytearray = dataclasses.field(default_factory=bytearray)
    words: np.ndarray = dataclasses.field(init=False)

    def __post_init__(self):
        packed = np.packbits(self.bits).tobytes()
        self.words = np.frombuffer(packed + bytes(-len(packed) % 4), ">u4")

    @property
    def size(self) -> int:
        return len(self.bits)

    @property
    def consumed_here(self) -> int:
        """Bits consumed since the first word of `work`."""
        return self.consumed - 32 * self.base

    def fill(self, work: Work, row: int) -> None:
        self.base = self.consumed // 32
        piece = self.words[self.base : self.base + work.words.shape[1]]
        work.words[row, : len(piece)] = piece
        work.decode[row] = True
        work.left[row] = len(self.bits) - 32 * self.base

    def collect(self, output: Output, rows: Rows, row: int) -> bool:
        """Takes one call's bytes; True at the end symbol, or if the bits are used up."""
        ended = bool(output.ended[row])
        count = int(output.count[row]) - ended
        self.text += output.text[row, :count].tobytes()
        self.consumed = 32 * self.base + int(rows.reader.consumed[row])
        return ended or self.consumed > len(self.bits)
