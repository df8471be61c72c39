"""Coding on the host with any byte model.

A *walk* is a generator that codes one document. It yields the context (bytes) whose frequencies it
needs next, is sent their cumulative sums (integers, 0 first, 2^beta last), and returns its result.
`run` moves all walks along together, so that one call of the model serves many documents, and
remembers the sums of contexts that were asked for before.

`encode`, `decode` and `decode_static` are the plain arithmetic coder, one message at a time; the
integers are coder.py's. The loops are compiled by numba where it is there; without it the same
lines run as Python and give the same bits, only slower.
"""

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from research.codecs.byte_models import ByteModel
from research.numba_jit import compiled

_FIRST_RANGE = 0xFFFFFFFF
_HALF = 1 << 31
_MASK = 0xFFFFFFFF

Walk = Generator[bytes, np.ndarray, Any]

_MAX_ROWS = 1 << 15  # 64 MiB of cumulative sums


class Rows(dict[bytes, np.ndarray]):
    """Context -> cumulative sums; the latest are kept.

    Args:
      model: any byte model.
      symbols: 256, or 257 with the end of the text.
    """

    def __init__(self, model: ByteModel, symbols: int):
        super().__init__()
        self._model = model
        self._symbols = symbols

    def fetch(self, contexts: Sequence[bytes]) -> None:
        """Asks the model for rows, int64 [symbols + 1], of all `contexts`."""
        if len(self) + len(contexts) > _MAX_ROWS:
            self.clear()
        frequencies_NxA = self._model.window_frequencies(contexts, self._symbols)
        sums = np.zeros((len(contexts), self._symbols + 1), np.int64)
        np.cumsum(frequencies_NxA, axis=1, out=sums[:, 1:])
        self.update(zip(contexts, sums, strict=True))


def run(walks: Sequence[Walk], rows: Rows) -> list[Any]:
    """The results of all walks."""
    results: list[Any] = [None] * len(walks)
    waiting: dict[int, bytes] = {}
    for index, walk in enumerate(walks):
        _advance(index, walk, None, rows, waiting, results)
    while waiting:
        contexts, waiting = waiting, {}
        rows.fetch(list(dict.fromkeys(contexts.values())))
        for index, context in contexts.items():
            _advance(index, walks[index], rows.get(context), rows, waiting, results)
    return results


def _advance(index, walk, row, rows, waiting, results) -> None:
    """Runs one walk until it needs an unknown row or ends."""
    try:
        context = walk.send(row)
        while (row := rows.get(context)) is not None:
            context = walk.send(row)
        waiting[index] = context
    except StopIteration as end:
        results[index] = end.value


def encode(lower_T: np.ndarray, upper_T: np.ndarray, beta: int) -> np.ndarray:
    """The message for symbols with cumulative frequencies [lower, upper), as bits, uint8 of 0/1.

    Its length is within 2 bits + .1 % of the sum of -log2((upper - lower) / 2^beta).
    """
    values = np.zeros(len(lower_T) + 1, np.int64)
    widths = np.zeros(len(lower_T) + 1, np.int64)
    lower, upper = lower_T.astype(np.int64), upper_T.astype(np.int64)
    interval = compiled(_narrow_all)(lower, upper, beta, values, widths)
    values[-1], widths[-1] = last_emission(*interval)
    return join(values, widths)


def join(values_T: np.ndarray, widths_T: np.ndarray) -> np.ndarray:
    """The bits of a message from its emissions (see `coder.Emission`), uint8 of 0/1."""
    widths = widths_T.astype(np.int64)
    bits = np.zeros(int(widths.sum()), np.uint8)
    compiled(_join)(values_T.astype(np.int64), widths, bits)
    return bits


def last_emission(low: int, width: int) -> tuple[int, int]:
    """(value, width) of what closes a message; see `coder.finish`."""
    if low == 0:
        return 0, 0
    return (1, 0) if low + width > 1 << 32 else (1, 1)


def decode_static(bits: np.ndarray, cumulative_A1: np.ndarray, beta: int) -> bytes:
    """The text of a message whose symbols, 256 bytes and the end, all have the same frequencies.

    Args:
      bits: uint8 of 0/1, zeros may follow the message.
      cumulative_A1: 258 sums, from 0 to 2**beta.
    """
    reader = np.array([0, _FIRST_RANGE, 0], np.int64)
    padded = np.concatenate([np.asarray(bits, np.uint8), np.zeros(64, np.uint8)])
    for bit in padded[:32]:
        reader[0] = (reader[0] << 1) | int(bit)
    if not len(bits):
        return b""
    parts, room = [], 1 << 16
    while True:
        out = np.zeros(room, np.uint8)
        count = compiled(_decode_all)(
            padded, len(bits), cumulative_A1.astype(np.int64), beta, reader, out
        )
        parts.append(out[:count].tobytes())
        if count < room:
            return b"".join(parts)


def decode(
    bits: np.ndarray, beta: int, order: int | None, example_bytes: int
) -> Generator[bytes, np.ndarray, bytes]:
    """A walk that reads a message; it stops at the end symbol, or with the bits.

    Args:
      bits: uint8 of 0/1, zeros may follow the message.
      order: bytes of context that the model looks at, None for all.
      example_bytes: bytes after which the context starts again.
    """
    total = len(bits)
    data = np.packbits(bits).tobytes() + bytes(8)
    offset, width, consumed = int.from_bytes(data[:4], "big"), _FIRST_RANGE, 0
    text = bytearray()
    while total and consumed <= total:
        begin = len(text) - len(text) % example_bytes
        if order is not None:
            begin = max(begin, len(text) - order)
        cumulative = yield bytes(text[begin:])
        # range * c / 2^beta <= offset, exactly, is c <= ((offset + 1) * 2^beta - 1) / range.
        limit = min((((offset + 1) << beta) - 1) // width, (1 << beta) - 1)
        symbol = int(cumulative.searchsorted(limit, "right")) - 1
        if symbol == 256:
            break
        text.append(symbol)
        start = (width * int(cumulative[symbol])) >> beta
        width = ((width * int(cumulative[symbol + 1])) >> beta) - start
        shift = 32 - width.bit_length()
        at = (consumed + 32) // 8
        ahead = int.from_bytes(data[at : at + 5].ljust(5, b"\0"), "big") << ((consumed + 32) % 8)
        fresh = (ahead & ((1 << 40) - 1)) >> (40 - shift)
        offset = (((offset - start) << shift) | fresh) & _MASK
        width <<= shift
        consumed += shift
    return bytes(text)


def _narrow_all(lower, upper, beta, values, widths):
    low, width = 0, _FIRST_RANGE
    for t in range(len(lower)):
        start = (width * lower[t]) >> beta
        width = ((width * upper[t]) >> beta) - start
        low += start
        shift = 0
        while width < _HALF:
            width <<= 1
            shift += 1
        low <<= shift
        values[t] = low >> 32
        widths[t] = shift
        low &= _MASK
    return low, width


def _join(values, widths, bits):
    end = 0
    for t in range(len(values)):
        if values[t] >> widths[t]:
            at = end - 1
            while bits[at]:
                bits[at] = 0
                at -= 1
            bits[at] = 1
        for k in range(widths[t]):
            bits[end + k] = (values[t] >> (widths[t] - 1 - k)) & 1
        end += widths[t]


def _decode_all(bits, total, cumulative, beta, reader, out):
    offset, width, consumed = reader
    count = 0
    while count < len(out) and consumed <= total:
        below, above = 0, len(cumulative) - 1
        while above - below > 1:
            middle = (below + above) >> 1
            if (width * cumulative[middle]) >> beta <= offset:
                below = middle
            else:
                above = middle
        if below == 256:
            break
        out[count] = below
        count += 1
        start = (width * cumulative[below]) >> beta
        width = ((width * cumulative[below + 1]) >> beta) - start
        offset -= start
        while width < _HALF:
            width <<= 1
            at = consumed + 32
            offset = ((offset << 1) | (bits[at] if at < len(bits) else 0)) & _MASK
            consumed += 1
    reader[0], reader[1], reader[2] = offset, width, consumed
    return count
