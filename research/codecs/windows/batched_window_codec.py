"""Documents through the compiled window loop: which row does what, and putting results together."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from research.codecs.byte_models import SteppedByteModel
from research.codecs.coder import batched
from research.codecs.windows import WindowRules, Windows, windows_xla
from research.codecs.windows.windows_xla import Output, Rows, Work

TURNS = 32  # of the loop in one call; a row that ends its document waits for the rest of them
_PIECE = 4 * TURNS  # bytes of text at hand in a call, of which up to 2 TURNS are taken
_CHUNK = 64  # windows that a row decodes on its own where windows are independent


class BatchedWindows(batched.BatchedLoop):
    """Encoder and decoder over documents, B rows at a time, at one fixed shape.

    What is in the other rows, and which row it is, does not change a document's ids (held by a
    test).
    """

    def __init__(self, model: SteppedByteModel, rules: WindowRules, batch_size: int, context: int):
        self._rules = rules
        run = functools.partial(windows_xla.run, rules=rules, context=context, turns=TURNS)
        initial = functools.partial(windows_xla.initial_rows, rules=rules)
        super().__init__(model, batch_size, context, 256, run, initial)

    def encode(self, texts: Sequence[bytes]) -> list[Windows]:
        """The windows of each text."""
        jobs = [_Encoding(text, self._rules) for text in texts]
        self._work([job for job in jobs if job.text])
        return [job.result() for job in jobs]

    def decode(self, codes: Sequence[np.ndarray]) -> list[tuple[bytes, np.ndarray]]:
        """Text and window lengths (int32) for each array of codes [N, G]. point+delay only."""
        chunks, pieces = [], []
        for codes_NxG in codes:
            size = _CHUNK if self._rules.reset == "every" else max(1, len(codes_NxG))
            starts = range(0, len(codes_NxG), size)
            pieces.append([_Decoding(codes_NxG[start : start + size]) for start in starts])
            chunks += pieces[-1]
        self._work(chunks)
        return [
            (
                b"".join(bytes(job.text) for job in jobs),
                np.array([n for job in jobs for n in job.lengths], np.int32),
            )
            for jobs in pieces
        ]

    def _empty_work(self) -> Work:
        batch = self._batch
        arrays: dict[str, Any] = {
            "decode": np.zeros(batch, bool),
            "fresh": np.zeros(batch, bool),
            "text": np.zeros((batch, _PIECE), np.uint8),
            "start": np.zeros(batch, np.int32),
            "available": np.zeros(batch, np.int32),
            "ends": np.zeros(batch, bool),
            "codes": np.zeros((batch, TURNS, self._rules.stored_digits), np.uint32),
            "num_codes": np.zeros(batch, np.int32),
        }
        return Work(**arrays)


@dataclasses.dataclass
class _Encoding:
    """A text on its way: where its current window starts, and the windows so far."""

    text: bytes
    rules: WindowRules
    start: int = 0
    count: int = 0
    base: int = 0
    codes: list[np.ndarray] = dataclasses.field(default_factory=list)
    lengths: list[np.ndarray] = dataclasses.field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.text)

    def fill(self, work: Work, row: int) -> None:
        # A piece from the window's start, or close behind the position in a very long window.
        self.base = max(self.start, self.start + self.count - TURNS)
        piece = self.text[self.base : self.base + _PIECE]
        work.text[row, : len(piece)] = np.frombuffer(piece, np.uint8)
        work.available[row] = len(piece)
        work.ends[row] = self.base + len(piece) == len(self.text)
        work.start[row] = self.start - self.base

    def collect(self, output: Output, rows: Rows, row: int) -> bool:
        """Takes one call's windows; True if the text is at its end."""
        count = int(output.num_windows[row])
        self.codes.append(np.asarray(output.codes[row, :count]))
        self.lengths.append(np.asarray(output.lengths[row, :count]))
        self.start = self.base + int(output.start[row])
        self.count = int(rows.count[row])
        return self.start == len(self.text)

    def result(self) -> Windows:
        empty = np.zeros((0, self.rules.stored_digits), np.uint32)
        lengths = np.concatenate([np.zeros(0, np.int32), *self.lengths])
        return Windows(np.concatenate([empty, *self.codes]), lengths)


@dataclasses.dataclass
class _Decoding:
    """Codes on their way to text."""

    codes: np.ndarray
    done: int = 0
    text: bytearray = dataclasses.field(default_factory=bytearray)
    lengths: list[int] = dataclasses.field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.codes)

    def fill(self, work: Work, row: int) -> None:
        part = self.codes[self.done : self.done + TURNS]
        work.decode[row] = True
        work.codes[row, : len(part)] = part
        work.num_codes[row] = len(part)

    def collect(self, output: Output, rows: Rows, row: int) -> bool:
        """Takes one call's bytes; True if all codes are done."""
        count = int(output.num_windows[row])
        self.text += output.text[row, : int(output.num_bytes[row])].tobytes()
        self.lengths += output.lengths[row, :count].tolist()
        self.done += count
        return self.done == len(self.codes)
