"""A codec with a fixed set of strings, seen as a tokenizer with BOS and EOS at its end."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from research.codecs.protocol import Codec
from research.codecs.subword import SubwordCodec
from research.errors import UsageError
from research.tokenizers import FileTokenizer
from research.tokenizers.protocol import Pieces


class CodecTokenizer:
    """The ids of `codec`, then BOS, then EOS: the ids of a language model trained here.

    A codec that is itself a tokenizer is asked for what strings match by, and for pieces.

    Raises:
      UsageError: if the codec's ids stand for no strings of their own.
    """

    special_names: Mapping[int, str] = {}
    files: Mapping[str, bytes] = {}

    def __init__(self, codec: Codec):
        tokens = codec.token_bytes()
        if tokens is None:
            raise UsageError(f"the ids of {codec.name} stand for no strings of their own")
        self.codec = codec
        self.name, self.lossless = codec.name, codec.lossless
        self.vocab_size = codec.vocab_size + 2
        self._tokens = [*tokens, b"", b""]
        self.special_V = np.array([not token for token in self._tokens])
        self.roles: Mapping[str, int] = {"bos": codec.vocab_size, "eos": codec.vocab_size + 1}

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        """The codec's ids."""
        return self.codec.encode(texts)

    def decode(self, ids: Sequence[np.ndarray]) -> list[bytes]:
        """The codec's strings; BOS and EOS stand for nothing."""
        arrays = [np.asarray(one) for one in ids]
        return self.codec.decode([one[one < self.codec.vocab_size] for one in arrays])

    def token_bytes(self) -> list[bytes]:
        """The byte string of each id; b"" for BOS and EOS."""
        return list(self._tokens)

    def match_bytes(self) -> list[bytes]:
        """The same, or what the codec's file says."""
        own = self._own
        return self.token_bytes() if own is None else [*own.match_bytes(), b"", b""]

    def decompose(self, tokens: Sequence[bytes]) -> Pieces:
        """Pieces by the model of the codec's file; without one, each string as a text."""
        own = self._own
        return Pieces.of(self.codec.encode(list(tokens))) if own is None else own.decompose(tokens)

    def fingerprint(self) -> str:
        """The codec's, and that there are two more ids."""
        return f"{self.codec.fingerprint()}+bos+eos"

    @cached_property
    def _own(self) -> FileTokenizer | None:
        """The codec itself if it is a tokenizer, its file as one if it has one, else None."""
        if isinstance(self.codec, SubwordCodec):
            return self.codec.tokenizer()
        return self.codec if isinstance(self.codec, FileTokenizer) else None
