"""A codebook: a fixed list of byte strings, encoded by greedy longest match, decoded by look-up.

A W-bit equal-info window whose model sees only the window is such a list (2^W strings, see
`build.py`), and so is our `dictionary`. No floating point is left in it: the same ids on
every machine. Its file is codebook.bin:

    4 bytes   b"FVCB"
    2         format version (1), little-endian
    4         number of strings V, little-endian
    32        SHA-256 of the strings (see `digest`)
    rest      xz of: uint16 [V] bytes shared with the string before, uint16 [V] further bytes,
              then those further bytes, one string after another

The strings of an equal-info codebook are in lexicographic order, so most share a beginning with
the one before: 65,536 strings of English take about 150 kB.
"""

import functools
import hashlib
import lzma
import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from research.codecs import saved
from research.errors import FreevocabError
from research.files import reading
from research.numba_jit import available, compiled
from research.tokenizers import trie as tries
from research.tokenizers.static_vocabulary import StaticVocabulary
from research.tokenizers.text_spans import each_as_bytes

FILE = "codebook.bin"
_CHUNK_BYTES = 16 * 2**20  # texts are matched together up to this size
_ROW = 16
MAGIC = b"FVCB"
VERSION = 1
MAX_LENGTH = 65535
MAX_STRINGS = 1 << 24
_MAX_PAYLOAD = 1 << 30  # no codebook unpacks to more: a damaged file must not fill the memory
_HEADER = struct.Struct("<4sHI32s")


class CodebookCodec(StaticVocabulary):
    """Longest match in `strings`; lossless, since all 256 single bytes are among them.

    Args:
      strings: the byte string of each id; all different, none empty.
      name: what tables call it.
      notes: how it was made, kept in codec.json; decoding does not depend on it.

    Raises:
      FreevocabError: if the strings are not a codebook.
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
        check(self._tokens)

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
        return digest(self._tokens)

    def save(self, directory: str | os.PathLike) -> None:
        parameters = {
            "name": self.name,
            "file": FILE,
            "vocab_size": self.vocab_size,
            "digest": self.fingerprint(),
            "notes": self.notes,
        }
        saved.write(directory, "codebook", parameters, {FILE: pack(self._tokens)})

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> "CodebookCodec":
        """Opens what `save` wrote.

        Raises:
          FreevocabError: damaged, newer or foreign file, or another codebook than codec.json says.
        """
        path = Path(directory) / meta["file"]
        with reading(path):
            strings = unpack(path.read_bytes(), str(path))
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


def check(strings: Sequence[bytes]) -> None:
    """Raises FreevocabError unless `strings` is a codebook.

    All different, none empty or longer than MAX_LENGTH, all 256 single bytes among them.
    """
    if not 256 <= len(strings) <= MAX_STRINGS:
        raise FreevocabError(f"a codebook has 256 to {MAX_STRINGS} strings, not {len(strings)}")
    unique = set(strings)
    if len(unique) != len(strings):
        raise FreevocabError("a codebook cannot hold one string twice")
    missing = 256 - sum(len(string) == 1 for string in unique)
    if missing:
        raise FreevocabError(f"a codebook needs all 256 single bytes; {missing} are missing")
    if not 1 <= min(map(len, unique)) <= max(map(len, unique)) <= MAX_LENGTH:
        raise FreevocabError(f"the strings of a codebook have 1 to {MAX_LENGTH} bytes")


def digest(strings: Sequence[bytes]) -> str:
    """SHA-256, hex, over each string's length (uint32, little-endian) and the string itself."""
    state = hashlib.sha256()
    state.update(np.fromiter(map(len, strings), "<u4", len(strings)).tobytes())
    state.update(b"".join(strings))
    return state.hexdigest()


def pack(strings: Sequence[bytes]) -> bytes:
    """The content of codebook.bin."""
    shared, before = [], b""
    for string in strings:
        shared.append(len(os.path.commonprefix([before, string])))
        before = string
    further = [string[n:] for n, string in zip(shared, strings, strict=True)]
    lengths = [len(rest) for rest in further]
    payload = np.array([shared, lengths], "<u2").tobytes() + b"".join(further)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    header = _HEADER.pack(MAGIC, VERSION, len(strings), bytes.fromhex(digest(strings)))
    return header + lzma.compress(payload, check=lzma.CHECK_CRC32, filters=filters)


def unpack(data: bytes, source: str = "the codebook") -> list[bytes]:
    """The strings.

    Raises:
      FreevocabError: one line naming `source`: foreign, newer, cut short or damaged.
    """
    if len(data) < _HEADER.size or not data.startswith(MAGIC):
        raise FreevocabError(f"{source} is not a codebook (it does not begin with FVCB)")
    _, version, count, expected = _HEADER.unpack_from(data)
    if version > VERSION:
        raise FreevocabError(
            f"{source} has format version {version}, this freevocab reads up to {VERSION}: upgrade"
        )
    try:
        decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        payload = decompressor.decompress(data[_HEADER.size :], _MAX_PAYLOAD)
        if not decompressor.eof or count > MAX_STRINGS:
            raise ValueError("cut short")
        strings = _strings(payload, count)
    except (lzma.LZMAError, ValueError, EOFError) as error:
        raise FreevocabError(f"{source} is damaged ({error}): get or build it again") from error
    if digest(strings) != expected.hex():
        raise FreevocabError(f"{source} is damaged (wrong digest): get or build it again")
    return strings


def _strings(payload: bytes, count: int) -> list[bytes]:
    shared, lengths = np.frombuffer(payload[: 4 * count], "<u2").reshape(2, count).tolist()
    if len(payload) != 4 * count + sum(lengths):
        raise ValueError("wrong length")
    strings, position, before = [], 4 * count, b""
    for common, length in zip(shared, lengths, strict=True):
        if common > len(before):
            raise ValueError("wrong prefix")
        before = before[:common] + payload[position : position + length]
        strings.append(before)
        position += length
    return strings
