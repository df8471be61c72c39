"""A codebook: a fixed list of byte strings, encoded by greedy longest match, decoded by look-up.

A W-bit equal-info window whose model sees only the window is such a list (2^W strings, see
`codebook_build`), and so is our `dictionary`. No floating point is left in it: the same ids on
every machine.
"""

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from research.codecs import saved
from research.codecs.codebook import codebook_file
from research.errors import FreevocabError
from research.numba_jit import available, compiled
from research.tokenizers import trie as tries
from research.tokenizers.static_vocabulary import StaticVocabulary
from research.tokenizers.text_spans import each_as_bytes

FILE = "codebook.bin"
_CHUNK_BYTES = 16 * 2**20  # texts are matched together up to this size
_ROW = 16


class CodebookCodec(StaticVocabulary):
    """Longest match in `strings`; lossless, since all 256 single bytes are among them.

    Args:
      strings: the byte string of each id; all different, none empty.
      name: what tables call it.
      notes: how it was made, kept in codec.json; decoding does not depend on it.

    Raises:
      FreevocabError: if the strings are no codebook.
    """

    lossless = True

    def __init__(
        self,
        strings: Sequence[bytes],
        *,
        name: str = "codebook",
        notes: Mapping[str, Any] | None = None,
    ):
        super().__init__(strings)
        self.name = name
        self.notes = dict(notes or {})
        codebook_file.check(self._tokens)

    @functools.cached_property
    def trie(self) -> tries.Trie:
        """The strings as a trie; built at the first encode."""
        return tries.build(self._tokens)

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        """One int32 array of ids per text: always the longest string that the text goes on with."""
        encoded: list[np.ndarray] = []
        group: list[bytes] = []
        size = 0
        for text in each_as_bytes(texts):
            group.append(text)
            size += len(text)
            if size >= _CHUNK_BYTES:
                encoded += self._encode(group)
                group, size = [], 0
        return encoded + self._encode(group)

    def token_starts(self, data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Where tokens begin in texts given one after another, ascending int64.

        Args:
          data: uint8, the texts; offsets: int64 [texts + 1], where each begins and the last ends.
        """
        ids, _ = self.trie.encode(data, offsets)
        ends = np.cumsum(self._length_V[ids], dtype=np.int64)
        return ends - self._length_V[ids]

    def _encode(self, texts: list[bytes]) -> list[np.ndarray]:
        if not texts:
            return []
        offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64)
        joined = texts[0] if len(texts) == 1 else b"".join(texts)
        ids, counts = self.trie.encode(np.frombuffer(joined, np.uint8), offsets)
        return np.split(ids, np.cumsum(counts)[:-1])

    def _join(self, id_N: np.ndarray) -> bytes:
        if not available():
            return super()._join(id_N)
        # A string is copied with the zeros behind it, which the next one overwrites.
        text = np.empty(int(self._length_V[id_N].sum(dtype=np.int64)) + _ROW, np.uint8)
        end = compiled(_gather)(
            id_N, self._rows_VxR, self._length_V, self._start_V, self._bytes, text
        )
        return text[:end].tobytes()

    @functools.cached_property
    def _rows_VxR(self) -> np.ndarray:
        """The first 16 bytes of each string, zeros after it: one fixed-size copy for most."""
        rows = b"".join(token[:_ROW].ljust(_ROW, b"\0") for token in self._tokens)
        return np.frombuffer(rows, np.uint8).reshape(self.vocab_size, _ROW)

    def fingerprint(self) -> str:
        """Hex digest of the strings in their order."""
        return codebook_file.digest(self._tokens)

    def save(self, directory: str | os.PathLike) -> None:
        """Writes codec.json and codebook.bin."""
        parameters = {
            "name": self.name,
            "file": FILE,
            "vocab_size": self.vocab_size,
            "digest": self.fingerprint(),
            "notes": self.notes,
        }
        saved.write(directory, "codebook", parameters, {FILE: codebook_file.pack(self._tokens)})

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> "CodebookCodec":
        """Opens what `save` wrote.

        Raises:
          FreevocabError: damaged, newer or foreign file, or another codebook than codec.json says.
        """
        path = Path(directory) / meta["file"]
        strings = codebook_file.read(path)
        codec = cls(strings, name=meta["name"], notes=meta.get("notes"))
        if codec.fingerprint() != meta["digest"]:
            raise FreevocabError(f"{path} is not the one that codec.json describes: save again")
        return codec


def _gather(ids_N, rows_VxR, lengths_V, starts_V, blob, text):
    end = 0
    for n in range(len(ids_N)):
        token = ids_N[n]
        for j in range(16):
            text[end + j] = rows_VxR[token, j]
        for j in range(16, lengths_V[token]):
            text[end + j] = blob[starts_V[token] + j]
        end += lengths_V[token]
    return end
