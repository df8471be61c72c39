"""codebook.bin: the strings of a codebook in one small file.

    4 bytes   b"FVCB"
    2         format version (1), little-endian
    4         number of strings V, little-endian
    32        SHA-256 of the strings (see `digest`)
    rest      xz of: uint16 [V] bytes shared with the string before, uint16 [V] further bytes,
              then those further bytes, one string after another

The strings of an equal-info codebook are in lexicographic order, so most share a beginning with
the one before: 65,536 strings of English take about 150 kB.
"""

import hashlib
import lzma
import os
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from research.errors import FreevocabError

MAGIC = b"FVCB"
VERSION = 1
MAX_LENGTH = 65535
MAX_STRINGS = 1 << 24
_MAX_PAYLOAD = 1 << 30  # no codebook unpacks to more: a damaged file must not fill the memory
_HEADER = struct.Struct("<4sHI32s")


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


def read(path: str | os.PathLike) -> list[bytes]:
    """The strings in the file `path`; errors as `unpack`."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FreevocabError(f"cannot read {path}: {error.strerror}") from error
    return unpack(data, str(path))


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
