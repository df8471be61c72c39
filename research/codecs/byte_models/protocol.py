"""What a byte model (the paper's M1) offers to a coder: integer frequencies for a context."""

import os
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class ByteModel(Protocol):
    """Anything that gives integer frequencies for the next byte.

    Attributes:
      name: short, printable.
      beta: frequencies sum to 2**beta.
      order: how many bytes of context can matter, or None if there is no limit.
    """

    name: str
    beta: int
    order: int | None

    def window_frequencies(self, contexts: Sequence[bytes], symbols: int = 256) -> np.ndarray:
        """Frequencies of the next symbol after each context, uint32 [N, symbols].

        A context is the bytes of the window (or of the example) so far; b"" is its start.
        Every entry is at least 1 and each row sums to 2**beta. With `symbols=257` the last
        symbol is the end of the text.
        """

    def fingerprint(self) -> str:
        """Hex digest of everything the frequencies depend on."""

    def save(self, directory: str | os.PathLike) -> None:
        """Writes a folder that `byte_models.load` opens."""
