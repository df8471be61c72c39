"""Documents through the compiled message loop: who does what, and putting results together."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np

from research.codecs.arithmetic import arithmetic_xla
from research.codecs.arithmetic.arithmetic_xla import SYMBOLS, Output, Rows, Work
from research.codecs.byte_models.transformer import TransformerModel
from research.codecs.coder import batched, host_coder

TURNS = 128


class BatchedMessages(batched.BatchedLoop):
    """Arithmetic encoder and decoder over documents, B rows at a time, at one fixed shape."""

    def __init__(
        self,
        model: TransformerModel,
        beta: int,
        example_bytes: int,
        batch_size: int,
        context: int,
    ):
        options = {"beta": beta, "example_bytes": example_bytes, "turns": TURNS}
        run = functools.partial(arithmetic_xla.run, **options)
        super().__init__(model, batch_size, context, SYMBOLS, run, arithmetic_xla.initial_rows)

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

    def _fill(self, rows: Rows, work: Work, busy: Mapping[int, batched.Job]) -> Rows:
        super()._fill(rows, work, busy)
        consumed = np.zeros(self._batch, np.int32)
        for row, job in busy.items():
            consumed[row] = job.consumed_here
        return rows._replace(reader=rows.reader._replace(consumed=consumed))

    def _empty_work(self) -> Work:
        batch = self._batch
        return Work(
            decode=np.zeros(batch, bool),
            fresh=np.zeros(batch, bool),
            text=np.zeros((batch, TURNS), np.uint8),
            available=np.zeros(batch, np.int32),
            ends=np.zeros(batch, bool),
            words=np.zeros((batch, arithmetic_xla.words_per_call(TURNS)), np.uint32),
            left=np.full(batch, -1, np.int32),
        )


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
        piece = self.text[self.done : self.done + TURNS]
        work.text[row, : len(piece)] = np.frombuffer(piece, np.uint8)
        work.available[row] = len(piece)
        work.ends[row] = self.done + len(piece) == len(self.text)

    def collect(self, output: Output, rows: Rows, row: int) -> bool:
        """Takes one call's emissions; True if the end symbol was among them."""
        made = int(output.count[row])
        self.values.append(output.values[row, :made])
        self.widths.append(output.widths[row, :made])
        self.done += made
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
        made = int(output.count[row]) - ended
        self.text += output.text[row, :made].tobytes()
        self.consumed = 32 * self.base + int(rows.reader.consumed[row])
        return ended or self.consumed > len(self.bits)
