"""The folder that a codec is saved as: codec.json and the files that it names."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from research.artifact import Spec
from research.errors import FreevocabError
from research.files import atomic_path, reading, write_bytes

SPEC = Spec(
    "codec",
    "codec.json",
    error=FreevocabError,
    missing="no codec at {folder}: it has no {file}",
    damaged="{path} is damaged (not JSON): save the codec again",
    foreign='{path} does not describe a codec ("format" is not "{format}")',
    newer="{path} has format version {version}, this freevocab reads up to {known}: upgrade it",
)


def write(
    directory: str | os.PathLike,
    kind: str,
    parameters: Mapping[str, Any],
    files: Mapping[str, bytes] | None = None,
) -> None:
    """Writes codec.json ({"format", "version", "kind", ...parameters}) and `files`, all or nothing.

    codec.json also gets the SHA-256 of each file ("files"); `read_file` checks it.

    Raises:
      UsageError: `directory` holds something else than a codec that this program saved.
    """
    fields = {"kind": kind, **parameters}
    if files:
        fields["files"] = {
            name: hashlib.sha256(content).hexdigest() for name, content in files.items()
        }
    with atomic_path(directory, directory=True, mark=SPEC.file) as temporary:
        for name, content in (files or {}).items():
            write_bytes(temporary / name, content)
        SPEC.write(temporary, fields)


def read(directory: str | os.PathLike) -> dict[str, Any]:
    """The content of codec.json, its format and version checked.

    Raises:
      FreevocabError: no such directory, no codec.json, damaged, or written by a newer version.
    """
    if not os.path.isdir(directory):
        raise FreevocabError(f"no codec at {directory}: the directory does not exist")
    meta = SPEC.read(directory)
    if not isinstance(meta.get("kind"), str):
        path = Path(directory) / SPEC.file
        raise FreevocabError(f"{path} is damaged: it names no kind of codec")
    return meta


def read_file(directory: str | os.PathLike, meta: Mapping[str, Any], name: str) -> bytes:
    """The content of a file that `write` wrote next to codec.json.

    Raises:
      FreevocabError: missing, or not the bytes that were written.
    """
    path = Path(directory) / name
    with reading(path):
        content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != meta["files"][name]:
        raise FreevocabError(f"{path} is damaged (its SHA-256 differs): save the codec again")
    return content
