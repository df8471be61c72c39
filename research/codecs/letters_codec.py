"""One id for each letter and one for the space: text as ciphers hide it."""

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

LETTERS = b"abcdefghijklmnopqrstuvwxyz "
_OTHERS = re.compile(rb"[^a-z]+")
_ID_OF_BYTE = np.zeros(256, np.int32)
_ID_OF_BYTE[np.frombuffer(LETTERS, np.uint8)] = np.arange(len(LETTERS))


class LettersCodec(StaticVocabulary):
    """a to z are ids 0 to 25, the space is 26; vocab_size 27.

    Lossy: capitals become small, everything between letters one space.
    """

    name = "letters"
    lossless = False

    def __init__(self):
        super().__init__([LETTERS[i : i + 1] for i in range(len(LETTERS))])

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        """One int32 array per text."""
        return [_ids(bytes(text)) for text in each_as_bytes(texts)]

    def fingerprint(self) -> str:
        """Hex digest; there is nothing to vary."""
        return hashlib.sha256(b"freevocab letters").hexdigest()

    def save(self, directory: str | os.PathLike) -> None:
        """Writes codec.json."""
        saved.write(directory, "letters", {})

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> "LettersCodec":
        """Opens what `save` wrote."""
        return cls()


def _ids(text: bytes) -> np.ndarray:
    plain = _OTHERS.sub(b" ", text.lower()).strip()
    return _ID_OF_BYTE[np.frombuffer(plain, np.uint8)]
