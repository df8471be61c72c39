"""Equal-info windows on the host, with any byte model; the definition is that of windows.py.

Python's integers are as wide as a window needs and quick enough: the model is what takes time.
"""

from collections.abc import Generator, Sequence

import numpy as np

from research.codecs.byte_models import ByteModel
from research.codecs.coder.host_coder import Rows, run
from research.codecs.windows import EXTRA_BITS, WindowRules, Windows

_WINDOWS_KEPT = 1 << 16


class HostWindows:
    """Encoder and decoder over documents, for models that give `window_frequencies`."""

    def __init__(self, model: ByteModel, rules: WindowRules):
        self._rules = rules
        self._order = model.order
        self._rows = Rows(model, 256)
        self._known: dict[bytes, tuple[bytes, int, int]] = {}

    def encode(self, texts: Sequence[bytes]) -> list[Windows]:
        """The windows of each text."""
        results = run([self._encode(text) for text in texts], self._rows)
        return [self._windows(*result) for result in results]

    def decode(self, codes: Sequence[np.ndarray]) -> list[tuple[bytes, np.ndarray]]:
        """Text and window lengths (int32) for each array of codes [N, G]. point+delay only."""
        return run([self._decode(codes_NxG) for codes_NxG in codes], self._rows)

    def _windows(self, codes: list[int], lengths: list[int]) -> Windows:
        size = 2 * self._rules.stored_digits
        data = b"".join(code.to_bytes(size, "little") for code in codes)
        digits = np.frombuffer(data, "<u2").reshape(-1, self._rules.stored_digits)
        return Windows(digits.astype(np.uint32), np.array(lengths, np.int32))

    def _context(self, text: bytes | bytearray, begin: int, end: int) -> bytes:
        if self._order is not None:
            begin = max(begin, end - self._order)
        return bytes(text[begin:end])

    def _encode(self, text: bytes) -> Generator[bytes, np.ndarray, tuple[list[int], list[int]]]:
        codes, lengths = [], []
        start = context_start = 0
        while start < len(text):
            known = self._known.get(text[start : start + 4])
            if known and self._rules.reset == "every" and text.startswith(known[0], start):
                _, code, length = known
            else:
                code, length = yield from self._encode_window(text, start, context_start)
            codes.append(code)
            lengths.append(length)
            start += length
            if self._rules.resets_after(len(codes)):
                context_start = start
        return codes, lengths

    def _encode_window(self, text, start, context_start):
        rules, beta = self._rules, self._rules.beta
        cell = (1 << EXTRA_BITS) if rules.closing == "dyadic" else 1
        delay = rules.closing == "point+delay"
        low, width = 0, 1 << (rules.window_bits + EXTRA_BITS)
        code = length = 0
        end, final = start, False
        while end < len(text) and not final:
            row = yield self._context(text, context_start, end)
            lower, upper = int(row[text[end]]), int(row[text[end] + 1])
            begin = (width * lower) >> beta
            low += begin
            width = ((width * upper) >> beta) - begin
            here = -(-low >> EXTRA_BITS)
            end += 1
            if (here << EXTRA_BITS) + cell > low + width:
                final = True
                break
            if not delay or end == start + 1 or here != code:
                code, length = here, end - start
            # Nothing longer has another code, once this is the only point.
            final = delay and ((here + 1) << EXTRA_BITS) >= low + width
        if final:  # what was seen decides, not the end of the text
            if len(self._known) >= _WINDOWS_KEPT:
                self._known.clear()
            self._known[text[start : start + 4]] = (text[start:end], code, length)
        return code, length

    def _decode(self, codes_NxG: np.ndarray) -> Generator[bytes, np.ndarray, tuple]:
        rules, beta = self._rules, self._rules.beta
        text, lengths = bytearray(), []
        context_start = 0
        for digits in codes_NxG.tolist():
            start = len(text)
            code = sum(digit << 16 * g for g, digit in enumerate(digits))
            # `offset` is the distance from the interval's low end up to the code's point.
            offset, width = code << EXTRA_BITS, 1 << (rules.window_bits + EXTRA_BITS)
            while len(text) == start or offset >> EXTRA_BITS:
                row = yield self._context(text, context_start, len(text))
                limit = (((offset + 1) << beta) - 1) // width
                byte = int(row.searchsorted(limit, "right")) - 1
                begin = (width * int(row[byte])) >> beta
                width = ((width * int(row[byte + 1])) >> beta) - begin
                offset -= begin
                text.append(byte)
            lengths.append(len(text) - start)
            if rules.resets_after(len(lengths)):
                context_start = len(text)
        return bytes(text), np.array(lengths, np.int32)
