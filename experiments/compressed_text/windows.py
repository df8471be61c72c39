"""Equal-info windows as the definition has them, and the decoder that the paper describes.

Plain Python integers, one window at a time: slow, short, and only for experiments. The codecs in
`research.codecs` are the fast ones; tests hold the two equal.

A window of W bits keeps an interval [low, low + width) of P = W + 16 bits; byte b narrows it to
[low + floor(width cum_b / 2^beta), low + floor(width cum_(b+1) / 2^beta)). A prefix has the code
c = ceil(low / 2^16) if the point c 2^16 is inside (`point`, `point+delay`), or if the whole cell
[c 2^16, (c + 1) 2^16) is (`dyadic`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from research.codecs.byte_models import ByteModel

EXTRA_BITS = 16  # bits kept below the window's last
DECODER_CAP = 64  # bytes after which the paper's decoder is stopped


class Intervals:
    """Sub-intervals under a byte model, its cumulative frequencies remembered by context."""

    def __init__(self, model: ByteModel, window_bits: int):
        self.model = model
        self.window_bits = window_bits
        self.start = (0, 1 << (window_bits + EXTRA_BITS))
        self._cumulative: dict[bytes, np.ndarray] = {}

    def fetch(self, prefixes: Sequence[bytes]) -> None:
        """Asks the model once for every context of `prefixes` that is not known yet."""
        missing = sorted({self._context(prefix) for prefix in prefixes} - self._cumulative.keys())
        if not missing:
            return
        frequencies_NxA = self.model.window_frequencies(missing)
        cumulative_NxA = np.zeros((len(missing), 257), np.uint32)
        np.cumsum(frequencies_NxA, axis=1, out=cumulative_NxA[:, 1:])
        self._cumulative.update(zip(missing, cumulative_NxA, strict=True))

    def child(self, interval: tuple[int, int], prefix: bytes, byte: int) -> tuple[int, int]:
        """(low, width) after `byte`."""
        cumulative = self._of(prefix)
        low, width = interval
        beta = self.model.beta
        lower = width * int(cumulative[byte]) >> beta
        upper = width * int(cumulative[byte + 1]) >> beta
        return low + lower, upper - lower

    def byte_at(self, interval: tuple[int, int], prefix: bytes, point: int) -> int:
        """The byte whose interval holds `point`."""
        low, width = interval
        # floor(width cum / 2^beta) <= d  <=>  width cum < (d + 1) 2^beta; the last such cum counts.
        bound = (((point - low + 1) << self.model.beta) - 1) // width
        return int(np.searchsorted(self._of(prefix), bound, side="right")) - 1

    def _context(self, prefix: bytes) -> bytes:
        order = self.model.order
        return prefix if order is None else prefix[len(prefix) - min(order, len(prefix)) :]

    def _of(self, prefix: bytes) -> np.ndarray:
        context = self._context(prefix)
        if context not in self._cumulative:
            self.fetch([context])
        return self._cumulative[context]


def code(interval: tuple[int, int], closing: str) -> int | None:
    """The W-bit code of a prefix with this interval, or None if it has none."""
    low, width = interval
    cell = -(-low >> EXTRA_BITS)
    needed = (cell << EXTRA_BITS) + ((1 << EXTRA_BITS) if closing == "dyadic" else 1)
    return cell if needed <= low + width else None


@dataclass(frozen=True)
class Window:
    """A window's bytes and its code."""

    text: bytes
    code: int


def windows(text: bytes, intervals: Intervals, closing: str) -> Iterator[Window]:
    """Cuts `text` into windows: `point`, `dyadic` (the paper's, greedy) or `point+delay`."""
    start = 0
    while start < len(text):
        interval, best, stop, first_stop = intervals.start, None, start, start
        for end in range(start + 1, len(text) + 1):
            interval = intervals.child(interval, text[start : end - 1], text[end - 1])
            here = code(interval, closing)
            if here is None:
                break
            if here != best:
                first_stop = end
            best, stop = here, end
        if best is None:
            raise ValueError("the first byte has no code: beta must not exceed the window's bits")
        end = first_stop if closing == "point+delay" else stop
        yield Window(text[start:end], best)
        start = end


def decode_as_described(codes: Sequence[int], intervals: Intervals, closing: str) -> list[bytes]:
    """The paper's decoder: lengthen while the re-encoding still matches, then back off.

    Follows the code's point down; once the text so far encodes to the code, it goes on until
    that stops, and takes the last text that did. After DECODER_CAP bytes it gives up: b"".
    """
    return _walk(codes, intervals, closing, first=False)


def decode_first_match(codes: Sequence[int], intervals: Intervals, closing: str) -> list[bytes]:
    """Our decoder: the first non-empty prefix whose code is the code. Right for point+delay."""
    return _walk(codes, intervals, closing, first=True)


def _walk(codes, intervals, closing, *, first: bool) -> list[bytes]:
    texts = [b""] * len(codes)
    matched: list[bytes | None] = [None] * len(codes)
    where = [intervals.start] * len(codes)
    walking = list(range(len(codes)))
    for _ in range(DECODER_CAP):
        intervals.fetch([texts[i] for i in walking])
        still = []
        for i in walking:
            byte = intervals.byte_at(where[i], texts[i], codes[i] << EXTRA_BITS)
            where[i] = intervals.child(where[i], texts[i], byte)
            texts[i] += bytes([byte])
            matches = code(where[i], closing) == codes[i]
            if matches:
                matched[i] = texts[i]
            # Stop at the first match, or at the first mismatch after one.
            if matches if first else (matched[i] is not None and not matches):
                continue
            still.append(i)
        walking = still
    given_up = set(walking)
    return [b"" if i in given_up else matched[i] or b"" for i in range(len(codes))]
