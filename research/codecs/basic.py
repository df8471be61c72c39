"""Codecs that need nothing but their name: bytes, characters, letters, and zlib's bits.

    bytes        an id per byte, as ByT5; what every other codec is measured against
    characters   an id per character of 7-bit ASCII (arXiv 2305.16349); lossy
    letters      an id per letter and one for the space: text as ciphers hide it; lossy
    gzip         DEFLATE's bits, cut into N-bit ids (the GZip rows of arXiv 2404.03626, Table 10)
"""

import abc
import hashlib
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from research.codecs import saved
from research.codecs.coder import bits
from research.errors import UsageError
from research.tokenizers.static_vocabulary import StaticVocabulary
from research.tokenizers.text_spans import each_as_bytes

SUBSTITUTE = 26  # ASCII's own sign for "a character that could not be represented"
LETTERS = b"abcdefghijklmnopqrstuvwxyz "
_OTHERS = re.compile(rb"[^a-z]+")
_ID_OF_BYTE = np.zeros(256, np.int32)
_ID_OF_BYTE[np.frombuffer(LETTERS, np.uint8)] = np.arange(len(LETTERS))
_RAW_DEFLATE = -zlib.MAX_WBITS


class _Fixed(StaticVocabulary, abc.ABC):
    """A vocabulary of single bytes in which there is nothing to vary."""

    name: str
    alphabet: bytes
    """The byte of each id."""

    def __init__(self):
        super().__init__([bytes([byte]) for byte in self.alphabet])

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        return [self._ids(text) for text in each_as_bytes(texts)]

    def fingerprint(self) -> str:
        return hashlib.sha256(f"freevocab {self.name}".encode()).hexdigest()

    def save(self, directory: str | os.PathLike) -> None:
        saved.write(directory, self.name, {})

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> Self:
        return cls()

    @abc.abstractmethod
    def _ids(self, text: bytes) -> np.ndarray:
        """int32 [N]."""


class BytesCodec(_Fixed):
    """The id of a byte is its value; vocab_size 256; lossless."""

    name = "bytes"
    lossless = True
    alphabet = bytes(range(256))

    def _ids(self, text: bytes) -> np.ndarray:
        return np.frombuffer(text, np.uint8).astype(np.int32)


class CharactersCodec(_Fixed):
    """The id of an ASCII character is its code; vocab_size 128.

    Lossy: every character beyond ASCII (a whole UTF-8 sequence, or a byte that is part of none)
    becomes the one id SUBSTITUTE.
    """

    name = "characters"
    lossless = False
    alphabet = bytes(range(128))

    def _ids(self, text: bytes) -> np.ndarray:
        if text.isascii():
            return np.frombuffer(text, np.uint8).astype(np.int32)
        codes = np.frombuffer(text.decode("utf-8", "replace").encode("utf-32-le"), np.uint32)
        return np.where(codes < 128, codes, SUBSTITUTE).astype(np.int32)


class LettersCodec(_Fixed):
    """a to z are ids 0 to 25, the space is 26; vocab_size 27.

    Lossy: capitals become small, everything between letters one space.
    """

    name = "letters"
    lossless = False
    alphabet = LETTERS

    def _ids(self, text: bytes) -> np.ndarray:
        plain = _OTHERS.sub(b" ", text.lower()).strip()
        return _ID_OF_BYTE[np.frombuffer(plain, np.uint8)]


class GZipCodec:
    """zlib at its default level, its bits in groups of `bits_per_token`, most significant first.

    The paper says that it keeps a two-byte header and a two-byte footer; the zlib format
    (RFC 1950) has a two-byte header and a *four*-byte footer, the Adler-32 of the text.
    `header=False` leaves both out (raw DEFLATE, RFC 1951).

    Args:
      bits_per_token: N, 1 to 24; vocab_size = 2^N. The last id is filled up with zero bits.
      header: keep zlib's header and footer.

    Lossless. Ids that no encoder made (a model's, say) decode to the longest prefix that is
    valid; `decode_prefix` tells whether that was all.
    """

    lossless = True
    # DEFLATE looks back 32 kB and knows nothing of the block before: short blocks compress worse.
    block_bytes = 1 << 20
    # The first ids hold the Huffman code of a whole block.
    needs_whole_text = True

    def __init__(self, bits_per_token: int = 8, header: bool = True):
        bits.check_bits_per_token(bits_per_token)
        if type(header) is not bool:
            raise UsageError(f"gzip's header is on (True) or off (False), not {header!r}")
        self.bits_per_token = bits_per_token
        self.header = header
        self.vocab_size = 1 << bits_per_token
        width = "" if bits_per_token == 8 else f"-{bits_per_token}bit"
        self.name = "gzip" + width + ("" if header else "-raw")

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        """One int32 array per text; an empty text has ids too (an empty stream is some bytes)."""
        return [self._encode(text) for text in each_as_bytes(texts)]

    def decode(self, ids: Sequence[np.ndarray]) -> list[bytes]:
        """One byte string per id array: the longest valid prefix (see `decode_prefix`)."""
        return [self.decode_prefix(one)[0] for one in ids]

    def decode_at_most(self, ids: Sequence[np.ndarray], most: Sequence[int]) -> list[bytes]:
        """As `decode`, but of a text longer than its `most` bytes only one byte more is made."""
        pairs = zip(ids, most, strict=True)
        return [self.decode_prefix(one, limit + 1)[0] for one, limit in pairs]

    def decode_prefix(self, ids: np.ndarray, most: int = 0) -> tuple[bytes, bool]:
        """The text of the longest valid prefix of `ids`, and whether the stream was complete.

        Complete means: the end was reached, with a right checksum where there is one, and
        nothing but zero padding follows.

        Args:
          most: bytes of text to stop after; 0: none.
        """
        stream = np.packbits(bits.ids_to_bits(ids, self.bits_per_token)).tobytes()
        wbits = zlib.MAX_WBITS if self.header else _RAW_DEFLATE
        text, rest = _inflate(stream, wbits, most)
        return text, rest is not None and not rest.strip(b"\0")

    def token_bytes(self) -> None:
        return None

    def byte_lengths(self, ids: np.ndarray) -> np.ndarray:
        return bits.message_byte_lengths(ids, self.vocab_size, self.decode)

    def fingerprint(self) -> str:
        """Hex digest of the two options; DEFLATE itself never changes."""
        text = f"freevocab gzip {self.bits_per_token} {self.header}"
        return hashlib.sha256(text.encode()).hexdigest()

    def save(self, directory: str | os.PathLike) -> None:
        options = {"bits_per_token": self.bits_per_token, "header": self.header}
        saved.write(directory, "gzip", options)

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> "GZipCodec":
        return cls(meta["bits_per_token"], meta["header"])

    def _encode(self, text: bytes) -> np.ndarray:
        compressor = zlib.compressobj(wbits=zlib.MAX_WBITS if self.header else _RAW_DEFLATE)
        stream = np.frombuffer(compressor.compress(text) + compressor.flush(), np.uint8)
        return bits.bits_to_ids(np.unpackbits(stream), self.bits_per_token)


def _inflate(stream: bytes, wbits: int, most: int) -> tuple[bytes, bytes | None]:
    """The text of the longest valid prefix, and what follows its end (None: no end was reached)."""
    inflater = zlib.decompressobj(wbits)
    try:
        text = inflater.decompress(stream, most)
    except zlib.error:
        return _inflate_bytewise(stream, wbits, most), None
    return text, inflater.unused_data if inflater.eof else None


def _inflate_bytewise(stream: bytes, wbits: int, most: int) -> bytes:
    """What comes out before the error: zlib drops the output of the call that meets it."""
    inflater = zlib.decompressobj(wbits)
    text = bytearray()
    for position in range(len(stream)):
        try:
            text += inflater.decompress(stream[position : position + 1])
        except zlib.error:
            break
        if most and len(text) >= most:
            return bytes(text[:most])
    return bytes(text)
