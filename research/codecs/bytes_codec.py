"""One id per byte: the ByT5 way, and the vocabulary that every other codec is measured against."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from research.codecs import saved
from research.tokenizers.static_vocabulary import StaticVocabulary
from research.tokenizers.text_spans import each_as_bytes


class BytesCodec(StaticVocabulary):
    """The id of a byte is its value; vocab_size 256; lossless."""

    name = "bytes"
    lossless = True

    def __init__(self):
        super().__init__([bytes([byte]) for byte in range(256)])

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        """One int32 array per text, as long as the text has bytes."""
        return [np.frombuffer(t, np.uint8).astype(np.int32) for t in each_as_bytes(texts)]

    def fingerprint(self) -> str:
        """Hex digest; there is nothing to vary."""
        return hashlib.sha256(b"freevocab bytes").hexdigest()

    def save(self, directory: str | os.PathLike) -> None:
        """Writes codec.json."""
        saved.write(directory, "bytes", {})

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> "BytesCodec":
        """Opens what `save` wrote."""
        return cls()
