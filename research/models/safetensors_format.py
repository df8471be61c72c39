"""The safetensors file format: a header of names, types, shapes and places; then raw numbers.

    8 bytes   length of the header, little-endian
    header    JSON {name: {"dtype": "BF16", "shape": [...], "data_offsets": [from, to]}, ...,
              "__metadata__": {str: str}}, padded with spaces
    rest      the tensors, without gaps; offsets count from here

Read and written here because the library neither says where a tensor begins nor writes one that is
not whole in memory, and types that numpy lacks must pass as they are
(https://github.com/huggingface/safetensors, Format).
"""

import json
import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from research import contents
from research.errors import FreevocabError
from research.files import reading

MAX_HEADER_BYTES = 100_000_000  # the library's limit
DTYPES = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U64": np.dtype(np.uint64),
    "U32": np.dtype(np.uint32),
    "U16": np.dtype(np.uint16),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}
# Bits of a number of each type that the format has and numpy lacks: copied as they are.
_OTHER_BITS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E8M0": 8, "F8_E4M3FNUZ": 8,
               "F8_E5M2FNUZ": 8, "C64": 64}  # fmt: skip
_LENGTH = struct.Struct("<Q")


class Place(NamedTuple):
    """One tensor of a file."""

    code: str
    """Its type as the format names it; not always one of DTYPES."""
    shape: tuple[int, ...]
    offset: int
    """Where it begins, in bytes from the start of the file."""
    nbytes: int


def code_of(dtype: Any) -> str:
    """The format's name of a numpy dtype; a name passes through.

    Raises:
      FreevocabError: if it has none.
    """
    if isinstance(dtype, str) and dtype.isupper():
        return dtype
    for code, known in DTYPES.items():
        if known == np.dtype(dtype):
            return code
    raise FreevocabError(f"safetensors has no type {np.dtype(dtype)}")


def read_header(path: str | os.PathLike) -> tuple[dict[str, Place], dict[str, str]]:
    """The tensors of a file in the order of their places, and its metadata.

    Raises:
      FreevocabError: one line that names the file: missing, cut short, damaged, no safetensors.
    """
    path = Path(path)
    with reading(path), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        first = file.read(_LENGTH.size)
        length = _LENGTH.unpack(first)[0] if len(first) == _LENGTH.size else 0
        if not 2 <= length <= min(size - _LENGTH.size, MAX_HEADER_BYTES):
            raise FreevocabError(f"{path} is no safetensors file, or cut short: get it again")
        raw = file.read(length)
    start = _LENGTH.size + length
    try:
        entries = contents.parse_json(raw)
        metadata = entries.pop("__metadata__", None) or {}
        if not all(isinstance(value, str) for value in dict(metadata).values()):
            raise ValueError("its __metadata__ holds values that are no strings")
        places = {name: _place(entry, start) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FreevocabError(f"{path} is damaged ({error}): get it again") from None
    ordered = dict(sorted(places.items(), key=lambda item: (item[1].offset, item[1].nbytes)))
    end = start
    for name, place in ordered.items():
        if place.offset != end:
            raise FreevocabError(f"{path} is damaged ({name} is out of place): get it again")
        end += place.nbytes
    if end != size:
        how = "cut short" if size < end else "too long"
        raise FreevocabError(f"{path} is {how}: {size:,} bytes, not {end:,}; get it again")
    return ordered, metadata


def header_bytes(
    places: Mapping[str, tuple[str, tuple[int, ...], int]], metadata: Mapping[str, str]
) -> bytes:
    """The beginning of a file that holds, in this order, tensors of (code, shape, bytes)."""
    entries: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, (code, shape, nbytes) in places.items():
        entries[name] = {"dtype": code, "shape": list(shape), "data_offsets": [end, end + nbytes]}
        end += nbytes
    raw = json.dumps(entries, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)  # so that the numbers begin at a multiple of 8
    return _LENGTH.pack(len(raw)) + raw


def nbytes_of(code: str, shape: tuple[int, ...]) -> int:
    """Bytes of a tensor of a type that numpy has."""
    return DTYPES[code].itemsize * math.prod(shape)


def _place(entry: dict[str, Any], start: int) -> Place:
    code, shape = entry["dtype"], tuple(entry["shape"])
    begin, end = entry["data_offsets"]
    if not all(type(size) is int and size >= 0 for size in (*shape, begin, end)) or begin > end:
        raise ValueError("numbers below zero")
    if code not in DTYPES and code not in _OTHER_BITS:
        raise ValueError(f"no type of this format is called {code!r}")
    bits = _OTHER_BITS.get(code) or 8 * DTYPES[code].itemsize
    if bits * math.prod(shape) != 8 * (end - begin):
        raise ValueError(f"{code}{list(shape)} does not take {end - begin} bytes")
    return Place(code, shape, start + begin, end - begin)
