"""One id for each character of 7-bit ASCII: the character vocabulary of arXiv 2305.16349."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from research.codecs import saved
from research.tokenizers.static_vocabulary import StaticVocabulary
from research.tokenizers.text_spans import each_as_bytes

SUBSTITUTE = 26  # ASCII's own sign for "a character that could not be represented"


class CharactersCodec(StaticVocabulary):
    """The id of an ASCII character is its code; vocab_size 128.

    Lossy: every character beyond ASCII (a whole UTF-8 sequence, or a byte that is part of none)
    becomes the one id SUBSTITUTE.
    """

    name = "characters"
    lossless = False

    def __init__(self):
        super().__init__([bytes([code]) for code in range(128)])

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        """One int32 array per text, as long as the text has characters."""
        return [_ids(text) for text in each_as_bytes(texts)]

    def fingerprint(self) -> str:
        """Hex digest; there is nothing to vary."""
        return hashlib.sha256(b"freevocab characters").hexdigest()

    def save(self, directory: str | os.PathLike) -> None:
        """Writes codec.json."""
        saved.write(directory, "characters", {})

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> "CharactersCodec":
        """Opens what `save` wrote."""
        return cls()


def _ids(text: bytes) -> np.ndarray:
    text = bytes(text)
    if text.isascii():
        return np.frombuffer(text, np.uint8).astype(np.int32)
    codes = np.frombuffer(text.decode("utf-8", "replace").encode("utf-32-le"), np.uint32)
    return np.where(codes < 128, codes, SUBSTITUTE).astype(np.int32)
