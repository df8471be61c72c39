"""Equal-info windows with the byte model at hand (W >= 24, or any W): the paper's EqualInfoAC.

A window of W bits holds as much text as fits; interval and (by default) the model's context start
again at each. The bits of all windows make one stream, cut into ids of N bits; where W is not a
multiple of N, ids straddle windows and the last one is filled up with zeros (fewer than N <= W, so
they never look like another window). For W = 16 a codebook gives the same ids without a model.
"""

import dataclasses
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from research.codecs.byte_models import ByteModel, SteppedByteModel
from research.codecs.coded_model import PROBE, ModelCodec, matching_beta
from research.codecs.coder import bits, frequencies
from research.codecs.coder.host_coder import Rows, run
from research.errors import EncodeOnlyError, UsageError
from research.tokenizers.text_spans import each_as_bytes

CLOSINGS = ("point+delay", "point", "dyadic")
RESETS = ("every", "every-other", "never")
EXTRA_BITS = 16  # an interval is computed to W + 16 bits
_KNOWN_WINDOWS = 1 << 16  # that the host remembers


@dataclasses.dataclass(frozen=True)
class Windows:
    """A coded document."""

    codes_NxG: np.ndarray
    """uint32, 16-bit digits of each window's code, least significant first."""
    lengths_N: np.ndarray
    """int32, bytes that each window stands for."""

    @property
    def codes(self) -> list[int]:
        """The codes as integers."""
        return [sum(int(d) << 16 * g for g, d in enumerate(row)) for row in self.codes_NxG]


@dataclasses.dataclass(frozen=True)
class WindowRules:
    """Everything but the model that says how text becomes windows (see windows.py).

    Raises:
      UsageError: a value that is not allowed.
    """

    window_bits: int
    """W, a multiple of 8 up to 128, or 12."""
    beta: int
    """Precision of the frequencies."""
    closing: str = "point+delay"
    """'point+delay', 'point' or 'dyadic'."""
    reset: str = "every"
    """When the model's context starts again: 'every' window, 'every-other', or 'never', that is,
    with the document. The coder's interval is always reset."""

    def __post_init__(self):
        bits = self.window_bits
        if not (bits == 12 or bits in range(8, 129, 8)):
            raise UsageError(f"a window has 12 bits or a multiple of 8 up to 128, not {bits!r}")
        if self.beta > bits:
            raise UsageError(
                f"beta={self.beta} exceeds window_bits={bits}: a byte might not fit a window"
            )
        frequencies.check(256, self.beta)
        if self.closing not in CLOSINGS:
            raise UsageError(f"closing is one of {', '.join(CLOSINGS)}, not {self.closing!r}")
        if self.reset not in RESETS:
            raise UsageError(f"reset is one of {', '.join(RESETS)}, not {self.reset!r}")

    @property
    def stored_digits(self) -> int:
        """G, 16-bit digits that hold a code."""
        return -(-self.window_bits // 16)

    def resets_after(self, windows_done: int) -> bool:
        """Whether the context starts again after this many windows of a document."""
        if self.reset == "every-other":
            return windows_done % 2 == 0
        return self.reset == "every"

    def kept_context(self, windows_done: int, grown: int, most: int | None) -> int:
        """Of the `grown` bytes of context after so many windows those that stay: all or none.

        Args:
          most: bytes at which a context is full; past three quarters of it starts again.
        """
        full = most is not None and grown > most - most // 4
        return 0 if full or self.resets_after(windows_done) else grown


class EqualInfoCodec(ModelCodec):
    """Text <-> ids by equal-info windows.

    Args:
      model: any byte model. One with a `stepper` (the Transformer) runs inside one compiled loop
        over a fixed batch of documents; any other is asked on the host, all documents at once.
      window_bits, closing, reset: as in `WindowRules`; only 'point+delay' decodes.
      bits_per_token: N <= W; vocab_size = 2^N.
      beta: precision of the frequencies, the model's; None takes it from the model.
      batch_size: documents at once in the compiled loop. Encoder and decoder must agree on it, so
        it is saved and part of the fingerprint; ignored on the host.
      context_bytes: how far back the Transformer looks; None takes 2 W (8 W without resets every
        window), which text rarely exceeds.

    Raises:
      UsageError: options that do not fit.
    """

    kind, symbols = "equal-info", 256
    options = ("window_bits", "bits_per_token", "beta", "closing", "reset")

    def __init__(
        self,
        model: ByteModel,
        window_bits: int,
        bits_per_token: int,
        beta: int | None = None,
        closing: str = "point+delay",
        reset: str = "every",
        batch_size: int = 64,
        context_bytes: int | None = None,
    ):
        bits.check_bits_per_token(bits_per_token)
        self.rules = WindowRules(window_bits, matching_beta(model, beta), closing, reset)
        if bits_per_token > window_bits:
            raise UsageError(
                f"bits_per_token={bits_per_token} exceeds window_bits={window_bits}: the padding "
                "could look like a window"
            )
        self.model = model
        self.bits_per_token = bits_per_token
        self.vocab_size = 1 << bits_per_token
        self.lossless = closing == "point+delay"
        self.batch_size = batch_size
        self.context_bytes = context_bytes or window_bits * (2 if reset == "every" else 8)
        self.name = "-".join(
            ["equal-info", str(window_bits), f"{bits_per_token}bit"]
            + ([] if self.lossless else [closing])
            + ([] if reset == "every" else [f"reset-{reset}"])
        )

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        return [self._ids(windows) for windows in self.windows(texts)]

    def windows(self, texts: Sequence[bytes | str]) -> list[Windows]:
        """Codes and byte lengths of each text's windows."""
        return self._engine.encode(list(each_as_bytes(texts)))

    def decode(self, ids: Sequence[np.ndarray]) -> list[bytes]:
        """One byte string per id array; any ids in range decode.

        Raises:
          EncodeOnlyError: closing is 'point' or 'dyadic'.
          FreevocabError: an id is out of range.
        """
        return [text for text, _ in self._decode(ids)]

    def byte_lengths(self, ids: np.ndarray) -> np.ndarray:
        """int32, the shape of `ids`: the id in which a window ends carries the window's bytes.

        Each row along the last axis is a message of its own. Raises as `decode`.
        """
        array = np.asarray(ids)
        lengths = np.zeros(array.shape, np.int32)
        if array.size:
            rows = array.reshape(-1, array.shape[-1])
            out = lengths.reshape(rows.shape)
            for row, (_, lengths_N) in zip(out, self._decode(list(rows)), strict=True):
                ends = np.arange(1, len(lengths_N) + 1) * self.rules.window_bits
                row[(ends - 1) // self.bits_per_token] = lengths_N
        return lengths

    def _compiled_engine(self, model: SteppedByteModel) -> Any:
        from research.codecs.windows.batched_window_codec import BatchedWindows

        return BatchedWindows(model, self.rules, self.batch_size, self.context_bytes)

    def _host_engine(self, model: ByteModel) -> "HostWindows":
        bounded = isinstance(self.model, SteppedByteModel) and self.rules.reset != "every"
        return HostWindows(model, self.rules, self.context_bytes if bounded else None)

    def _option(self, name: str) -> Any:
        return getattr(self if name == "bits_per_token" else self.rules, name)

    def _encoded_probe(self) -> list[int]:
        return self.encode([PROBE])[0].tolist()

    def _ids(self, windows: Windows) -> np.ndarray:
        stream = bits.digits_to_bits(windows.codes_NxG, self.rules.window_bits)
        return bits.bits_to_ids(stream, self.bits_per_token)

    def _decode(self, ids: Sequence[np.ndarray]) -> list[tuple[bytes, np.ndarray]]:
        if not self.lossless:
            raise EncodeOnlyError(
                f"windows closed by {self.rules.closing!r} cannot be decoded: their codes stand "
                "for more than one string; use closing='point+delay'"
            )
        streams = [bits.ids_to_bits(one, self.bits_per_token) for one in ids]
        return self._engine.decode(
            [bits.bits_to_digits(stream, self.rules.window_bits) for stream in streams]
        )


class HostWindows:
    """Encoder and decoder over documents on the host, for models that give `window_frequencies`.

    Python's integers are as wide as a window needs and quick enough: the model is what takes time.

    Args:
      most_context: bytes at which the model's context is full, as the compiled loop has it
        (windows_xla.py); None: it is never.
    """

    def __init__(self, model: ByteModel, rules: WindowRules, most_context: int | None = None):
        self._rules = rules
        self._most_context = most_context
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
            grown = start - context_start
            context_start = start - self._rules.kept_context(len(codes), grown, self._most_context)
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
            if self._most_context is not None and end - context_start >= self._most_context:
                break
        if final:  # what was seen decides, not the end of the text
            if len(self._known) >= _KNOWN_WINDOWS:
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
            grown = len(text) - context_start
            context_start = len(text) - rules.kept_context(len(lengths), grown, self._most_context)
        return bytes(text), np.array(lengths, np.int32)
