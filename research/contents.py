"""What is this file or folder? Asked where something else was expected, so that the error says it.

One place knows the signatures of foreign formats; whoever reads a format of its own asks here
first, or when its own reader fails.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HEAD_BYTES = 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_AS_LINES = "write its texts as JSON lines or plain text first"
_UNPACK = "unpack it first"
# (start of the file, what it is and what to do)
_SIGNATURES = (
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer, not the file: git lfs pull"),
    (b"PAR1", f"a Parquet file: {_AS_LINES}"),
    (b"ARROW1", f"an Arrow file: {_AS_LINES}"),
    (b"Obj\x01", f"an Avro file: {_AS_LINES}"),
    (b"SQLite format 3\x00", f"an SQLite database: {_AS_LINES}"),
    (b"\x89HDF\r\n", f"an HDF5 file: {_AS_LINES}"),
    (b"PK\x03\x04", f"a zip archive (or made of one: docx, npz, pt): {_UNPACK}"),
    (b"7z\xbc\xaf\x27\x1c", f"a 7z archive: {_UNPACK}"),
    (b"Rar!\x1a\x07", f"a rar archive: {_UNPACK}"),
    (b"%PDF-", "a PDF: save its text first"),
    (b"\x93NUMPY", "an array of numpy"),
    (b"GGUF", "a GGUF model of llama.cpp: give the checkpoint it was made from"),
    (b"\x89PNG\r\n", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"\x7fELF", "a program (ELF)"),
    (b"<!DOCTYPE html", "a web page, perhaps of a download that failed: get the file itself"),
    (b"<!doctype html", "a web page, perhaps of a download that failed: get the file itself"),
)
_COMPRESSED = (
    (b"\x1f\x8b", ".gz"),
    (b"\xfd7zXZ\x00", ".xz"),
    (b"\x28\xb5\x2f\xfd", ".zst"),
    (b"BZh91AY&SY", ".bz2"),
)
# The longer marks first: UTF-16's is the beginning of UTF-32's.
_WIDE = (
    (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"),
)  # fmt: skip
_TAR_AT = 257
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ENOUGH = 16  # bytes from which a share of NULs says something


def foreign(head: bytes) -> str | None:
    """A format that is neither text nor a tokenizer, and what to do; None for all else.

    Args:
      head: the first `HEAD_BYTES`, or all of a shorter file.
    """
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return f"a tar archive: {_UNPACK}"
    return None


def no_text(head: bytes) -> str | None:
    """As `foreign`, and what has no known signature but is no text either.

    Single NULs and bytes that are not UTF-8 do not make a text another thing; many do.
    """
    name = foreign(head)
    if name is not None or b"\x00" not in head:
        return name
    if len(head) >= _ENOUGH and head.count(0) * 16 > len(head):
        return "binary, or UTF-16 without its mark (save that as UTF-8)"
    return None


def wide_encoding(head: bytes) -> str | None:
    """Python's name of UTF-16 or UTF-32 where a file begins with its mark."""
    return next((name for mark, name in _WIDE if head.startswith(mark)), None)


def compression(path: Path, head: bytes) -> str | None:
    """The suffix of the compression of a file, by its name or its first bytes."""
    suffix = path.suffix.lower()
    if suffix in compressions():
        return suffix
    return next((name for mark, name in _COMPRESSED if head.startswith(mark)), None)


def compressions() -> tuple[str, ...]:
    """The suffixes of compressed files that can be read."""
    return tuple(suffix for _, suffix in _COMPRESSED)


def folder_of(directory: Path) -> str | None:
    """What a folder is that is no checkpoint, and what to do; None if nothing gives it away."""
    adapter = directory / "adapter_config.json"
    if adapter.is_file():
        base = _mapping(adapter).get("base_model_name_or_path")
        named = f" of {base}" if isinstance(base, str) and base else ""
        return (f"an adapter{named}, no model: merge it first, with merge_and_unload() of peft, "
                "and save the model")  # fmt: skip
    if (directory / "model_index.json").is_file():
        return "a pipeline of diffusers"
    if (directory / "params.json").is_file() and any(directory.glob("consolidated*")):
        return ("a model in its maker's own format: convert it to a Hugging Face folder first, or "
                "get that one")  # fmt: skip
    if any(directory.glob("*.gguf")):
        return "a GGUF model of llama.cpp: give the checkpoint it was made from"
    if (directory / "modules.json").is_file() and not (directory / "config.json").is_file():
        return "a folder of sentence-transformers: give the folder in it that has config.json"
    if (directory / "snapshots").is_dir():
        return "a model in the download cache: give the folder below snapshots/"
    return None


def not_a(noun: str, directory: Path, why: str) -> str:
    """The line for a folder that should be a `noun`: what it is, if that can be told, else `why`
    it is none."""
    what = folder_of(Path(directory))
    if what is not None:
        return f"{directory} is {what}"
    return f"{directory} is no {noun}: {why}"


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file; a byte order mark is passed over.

    Raises:
      ValueError: saying what it is instead.
      OSError: it cannot be read.
    """
    content = path.read_bytes().removeprefix(BYTE_ORDER_MARK)
    if what := foreign(content[:HEAD_BYTES]):
        raise ValueError(f"it is {what}")
    parsed = parse_json(content)
    if not isinstance(parsed, dict):
        raise ValueError("it is no object")
    return parsed


def parse_json(content: str | bytes) -> Any:
    """The value that JSON of another's making holds.

    Raises:
      ValueError: no JSON; nested too deep; or a string in it is no text (half of a surrogate
        pair), which could not be written again.
    """
    try:
        parsed = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    text = content if isinstance(content, str) else content.decode("latin-1")
    if _ESCAPED_SURROGATE.search(text):
        try:
            json.dumps(parsed, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("a string in it holds half a character (a lone surrogate)") from None
    return parsed


def quantized(config: Mapping[str, Any]) -> str | None:
    """How a config.json says that weights are quantised; None if they are not."""
    settings = config.get("quantization_config")
    if not isinstance(settings, dict):
        return None
    return str(settings.get("quant_method") or "an unknown method")


def _mapping(path: Path) -> dict[str, Any]:
    try:
        return read_mapping(path)
    except (ValueError, OSError):
        return {}
