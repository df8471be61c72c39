"""StaticAC's model: one distribution over bytes, whatever came before."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from research.codecs import byte_models
from research.codecs.coder.frequencies import frequencies_from_counts
from research.errors import UsageError
from research.files import atomic_path
from research.tokenizers.text_spans import each_as_bytes


class UnigramModel:
    """Counts of the 256 bytes and of texts (their ends), made integer by the one rule.

    Args:
      counts_A: 257 integers of at least 0; the last counts the ends.
      beta: frequencies sum to 2**beta.
    """

    order = 0

    def __init__(self, counts_A: Sequence[int] | np.ndarray, beta: int = 14, name: str = "unigram"):
        self.counts_A = np.asarray(counts_A, np.int64)
        if self.counts_A.shape != (257,):
            raise UsageError(f"a unigram model has 257 counts, not {self.counts_A.shape}")
        self.beta = beta
        self.name = name
        self._rows = {
            symbols: frequencies_from_counts(self.counts_A[:symbols], beta)
            for symbols in ((256, 257) if beta > 8 else (256,))
        }

    @classmethod
    def train(cls, texts: Iterable[bytes | str], *, beta: int = 14) -> "UnigramModel":
        """Counts `texts`, each with one end."""
        counts = np.zeros(257, np.int64)
        for text in each_as_bytes(texts):
            counts[:256] += np.bincount(np.frombuffer(text, np.uint8), minlength=256)
            counts[256] += 1
        if not counts[:256].any():
            raise UsageError("a unigram model needs some text: these texts are empty")
        return cls(counts, beta)

    def window_frequencies(self, contexts: Sequence[bytes], symbols: int = 256) -> np.ndarray:
        """The same row for every context, uint32 [N, symbols]."""
        return np.tile(self._rows[symbols], (len(contexts), 1))

    def fingerprint(self) -> str:
        """Hex digest of the frequencies."""
        state = hashlib.sha256(b"unigram %d" % self.beta)
        for row in self._rows.values():
            state.update(row.astype("<u4").tobytes())
        return state.hexdigest()

    def save(self, directory: str | os.PathLike) -> None:
        """Writes model.json into the folder `directory`."""
        fields = {"kind": "unigram", "name": self.name, "beta": self.beta}
        with atomic_path(directory, directory=True, mark=byte_models.SPEC.file) as temporary:
            byte_models.SPEC.write(temporary, fields | {"counts": self.counts_A.tolist()})

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> "UnigramModel":
        return cls(meta["counts"], meta["beta"], meta["name"])
