"""A codec small enough for a test: single bytes and a few strings, longest match."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from research.codecs import saved
from research.tokenizers.static_vocabulary import StaticVocabulary
from research.tokenizers.text_spans import each_as_bytes

STRINGS = (b"the ", b"and ", b"ing", b"th", b"er", b"in", b"e ", b", ")


class TinyCodec(StaticVocabulary):
    """Ids 0 to 255 are the bytes, the next ones `strings`; the longest that fits wins. Lossless.

    Args:
      strings: distinct, not empty; vocab_size = 256 + len(strings).
    """

    lossless = True

    def __init__(self, strings: Sequence[bytes] = STRINGS):
        self._strings = tuple(strings)
        super().__init__([*(bytes([byte]) for byte in range(256)), *self._strings])
        self.name = f"tiny-{self.vocab_size}"
        self._ids = {token: id_ for id_, token in enumerate(self._tokens)}
        longest_first = sorted(self._strings, key=len, reverse=True)
        choices = b"|".join([*map(re.escape, longest_first), b"."])
        self._pattern = re.compile(choices, re.DOTALL)

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        return [
            np.array([self._ids[part] for part in self._pattern.findall(text)], np.int32)
            for text in each_as_bytes(texts)
        ]

    def fingerprint(self) -> str:
        """Hex digest of the strings."""
        return hashlib.sha256(repr(self._strings).encode()).hexdigest()

    def save(self, directory: str | os.PathLike) -> None:
        """Writes codec.json; its kind is this class's import path."""
        strings = [string.hex() for string in self._strings]
        saved.write(directory, "research.testing.codecs:TinyCodec", {"strings": strings})

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> "TinyCodec":
        return cls([bytes.fromhex(string) for string in meta["strings"]])
