"""Arithmetic coding of whole texts: the paper's AC, and StaticAC with a unigram model.

A text and its end (a 257th symbol, the paper's EOS) make one message; its bits are cut into ids of
N bits, the last filled up with zeros. The coder runs on through the text while the model's context
starts again every `example_bytes`, the paper's 10,240-byte examples.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from research.codecs.byte_models import ByteModel, SteppedByteModel
from research.codecs.coded_model import PROBE, ModelCodec, matching_beta
from research.codecs.coder import bits, host_coder
from research.codecs.coder.host_coder import Rows, run
from research.errors import UsageError
from research.tokenizers.text_spans import each_as_bytes

END = 256
SYMBOLS = 257
_BLOCK = 4096  # contexts that the model is asked for at once


class ArithmeticCodec(ModelCodec):
    """Text <-> ids by one arithmetic-coded message for each text. Lossless.

    Args:
      model: any byte model that knows 257 symbols. One with a `stepper` (the Transformer) runs
        inside one compiled loop over a fixed batch of documents; any other on the host.
      bits_per_token: N; vocab_size = 2^N.
      beta: precision of the frequencies, the model's; None takes it from the model.
      example_bytes: bytes after which the model's context starts again.
      batch_size, context_bytes: as for `EqualInfoCodec`; context_bytes is 1,024 by default, the
        paper's.

    Raises:
      UsageError: options that do not fit.
    """

    kind, symbols = "arithmetic", SYMBOLS
    options = ("bits_per_token", "beta", "example_bytes")
    lossless = True

    def __init__(
        self,
        model: ByteModel,
        bits_per_token: int,
        beta: int | None = None,
        example_bytes: int = 10_240,
        batch_size: int = 64,
        context_bytes: int | None = None,
    ):
        bits.check_bits_per_token(bits_per_token)
        if example_bytes < 1:
            raise UsageError(f"example_bytes must be at least 1, not {example_bytes}")
        self.beta = matching_beta(model, beta)
        if self.beta < 9:
            raise UsageError("257 symbols need beta of at least 9")
        self.model = model
        self.bits_per_token = bits_per_token
        self.vocab_size = 1 << bits_per_token
        self.example_bytes = example_bytes
        self.batch_size = batch_size
        self.context_bytes = context_bytes or min(1024, example_bytes)
        self.name = f"ac-{model.name}-{bits_per_token}bit"

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        """One int32 array of ids per text; an empty text has ids too (its end)."""
        return [bits.bits_to_ids(message, self.bits_per_token) for message in self.messages(texts)]

    def messages(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        """The bits of each text's message, uint8 of 0/1, before they are cut into ids."""
        return self._engine.encode(list(each_as_bytes(texts)))

    def decode(self, ids: Sequence[np.ndarray]) -> list[bytes]:
        """One byte string per id array.

        Any ids in range decode: up to the end symbol, or until their bits are used up.

        Raises:
          FreevocabError: an id is out of range.
        """
        return self._engine.decode([bits.ids_to_bits(one, self.bits_per_token) for one in ids])

    def byte_lengths(self, ids: np.ndarray) -> np.ndarray:
        return bits.message_byte_lengths(ids, self.vocab_size, self.decode)

    def _encoded_probe(self) -> list[int]:
        return self.messages([PROBE])[0].tolist()

    def _compiled_engine(self, model: SteppedByteModel) -> Any:
        from research.codecs.arithmetic.batched import BatchedMessages

        options = (self.beta, self.example_bytes, self.batch_size, self.context_bytes)
        return BatchedMessages(model, *options)

    def _host_engine(self, model: ByteModel) -> "HostMessages":
        return HostMessages(model, self.beta, self.example_bytes)


class HostMessages:
    """Encoder and decoder over documents on the host, for models that give `window_frequencies`."""

    def __init__(self, model: ByteModel, beta: int, example_bytes: int):
        self._model = model
        self._beta = beta
        self._example_bytes = example_bytes
        self._rows = Rows(model, SYMBOLS)

    def encode(self, texts: Sequence[bytes]) -> list[np.ndarray]:
        """The bits of each text's message, uint8 of 0/1."""
        return [host_coder.encode(*self._symbol_intervals(text), self._beta) for text in texts]

    def decode(self, streams: Sequence[np.ndarray]) -> list[bytes]:
        """The text of each message, given as bits; zeros may follow it."""
        beta, order, example = self._beta, self._model.order, self._example_bytes
        if order == 0:
            row = self._row(b"")
            return [host_coder.decode_static(stream, row, beta) for stream in streams]
        walks = [host_coder.decode(stream, beta, order, example) for stream in streams]
        return run(walks, self._rows)

    def _row(self, context: bytes) -> np.ndarray:
        self._rows.fetch([context])
        return self._rows[context]

    def _symbol_intervals(self, text: bytes) -> tuple[np.ndarray, np.ndarray]:
        """Cumulative frequencies [lower, upper) of each byte and of the end, int64."""
        symbols = np.append(np.frombuffer(text, np.uint8), END).astype(np.int64)
        if self._model.order == 0:
            row = self._row(b"")
            return row[symbols], row[symbols + 1]
        lower, upper = np.empty(len(symbols), np.int64), np.empty(len(symbols), np.int64)
        contexts = self._contexts(text)
        for start in range(0, len(symbols), _BLOCK):
            here = symbols[start : start + _BLOCK]
            block = [next(contexts) for _ in here]
            index = {context: n for n, context in enumerate(dict.fromkeys(block))}
            frequencies_NxA = self._model.window_frequencies(list(index), SYMBOLS)
            sums = np.cumsum(frequencies_NxA, axis=1, dtype=np.int64)
            rows = np.fromiter((index[context] for context in block), np.int64, len(block))
            upper[start : start + _BLOCK] = sums[rows, here]
            lower[start : start + _BLOCK] = sums[rows, here] - frequencies_NxA[rows, here]
        return lower, upper

    def _contexts(self, text: bytes) -> Iterator[bytes]:
        order = len(text) if self._model.order is None else self._model.order
        for position in range(len(text) + 1):
            begin = max(position - position % self._example_bytes, position - order)
            yield text[begin:position]
