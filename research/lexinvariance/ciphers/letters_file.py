"""Letter n-grams in a file: their counts, a byte each.

    4 bytes   b"FVLN"
    2         format version (1), little-endian
    32        SHA-256 of what follows, unpacked
    rest      xz of: a line of JSON ("alphabet", "order", "smoothing", "notes"), then uint8
              [A] * order, the levels of the counts

A count up to EXACT is its own level; above, level EXACT + i stands for EXACT * RATIO^i, so no
count is off by more than the square root of RATIO (3.5 %) plus a rounding to a whole number.
What smoothing needs most stays exact: which n-grams occur, and how many occur once to four times.
Counts pack well: nearly all are 0, and probabilities follow from them when they are read.
"""

import hashlib
import json
import lzma
import os
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from research import files
from research.errors import FreevocabError

MAGIC = b"FVLN"
VERSION = 1
EXACT = 16
RATIO = 1.07
_HEADER = struct.Struct("<4sH32s")
_MOST = 1 << 28  # bytes unpacked: a damaged file must not fill the memory
_FILTERS = ({"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "pb": 0},)


class Saved(NamedTuple):
    """What a file holds."""

    counts: np.ndarray
    """int64 [A] * order, as near as levels come."""
    alphabet: str
    smoothing: str
    """`alphabet`, `smoothing`: of the model."""
    notes: dict[str, Any]
    """How it was made."""
    digest: str
    """SHA-256, hex, of the content."""


def values() -> np.ndarray:
    """The count that each level stands for, int64 [256]."""
    above = EXACT * RATIO ** np.arange(1, 256 - EXACT)
    return np.concatenate([np.arange(EXACT + 1), np.rint(above).astype(np.int64)])


def levels(counts: np.ndarray) -> np.ndarray:
    """The level nearest in ratio to each count, uint8.

    Raises:
      FreevocabError: if a count is beyond the highest level.
    """
    if counts.max(initial=0) > values()[-1] or counts.min(initial=0) < 0:
        raise FreevocabError(f"counts of n-grams must lie in 0..{values()[-1]} to be saved")
    large = np.rint(np.log(np.maximum(counts, EXACT) / EXACT) / np.log(RATIO)) + EXACT
    return np.where(counts <= EXACT, counts, large).astype(np.uint8)


def pack(
    counts: np.ndarray, alphabet: str, smoothing: str, notes: dict[str, Any] | None = None
) -> bytes:
    """The content of a file.

    Args:
      counts: int [A] * order, as `letters.tally` makes them.
    """
    about = {"alphabet": alphabet, "order": counts.ndim, "smoothing": smoothing}
    line = json.dumps(about | {"notes": notes or {}}, ensure_ascii=True)
    payload = line.encode("ascii") + b"\n" + levels(counts).tobytes()
    header = _HEADER.pack(MAGIC, VERSION, hashlib.sha256(payload).digest())
    return header + lzma.compress(payload, check=lzma.CHECK_NONE, filters=_FILTERS)


def unpack(data: bytes, source: str = "the letter model") -> Saved:
    """The counts.

    Raises:
      FreevocabError: one line naming `source`: foreign, newer, cut short or damaged.
    """
    if len(data) < _HEADER.size or not data.startswith(MAGIC):
        raise FreevocabError(f"{source} is no letter model (it does not begin with FVLN)")
    _, version, expected = _HEADER.unpack_from(data)
    if version > VERSION:
        raise FreevocabError(
            f"{source} has format version {version}, this freevocab reads up to {VERSION}: upgrade"
        )
    try:
        decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        payload = decompressor.decompress(data[_HEADER.size :], _MOST)
        if not decompressor.eof:
            raise ValueError("cut short")
        if hashlib.sha256(payload).digest() != expected:
            raise ValueError("wrong digest")
        line, _, rest = payload.partition(b"\n")
        about = json.loads(line)
        shape = (len(about["alphabet"]),) * about["order"]
        counts = values()[np.frombuffer(rest, np.uint8).reshape(shape)]
        return Saved(counts, about["alphabet"], about["smoothing"], about["notes"], expected.hex())
    except (lzma.LZMAError, ValueError, EOFError, KeyError, TypeError) as error:
        raise FreevocabError(f"{source} is damaged ({error}): get or train it again") from error


def read(path: str | os.PathLike) -> Saved:
    """The content of the file `path`; errors as `unpack`."""
    with files.reading(path):
        data = Path(path).read_bytes()
    return unpack(data, str(path))


def write(
    path: str | os.PathLike,
    counts: np.ndarray,
    alphabet: str,
    smoothing: str,
    notes: dict[str, Any] | None = None,
) -> None:
    """Writes the file `path`, whole or not at all; arguments as `pack`."""
    files.write_bytes(path, pack(counts, alphabet, smoothing, notes))
