"""The folder that a codec is saved as: codec.json, and beside it the files it needs."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from research.errors import FreevocabError
from research.files import atomic_path, write_bytes, write_json

FORMAT = "freevocab-codec"
VERSION = 1
DESCRIPTION = "codec.json"


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
    description = {"format": FORMAT, "version": VERSION, "kind": kind, **parameters}
    if files:
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        description["files"] = digests
    with atomic_path(directory, directory=True, mark=DESCRIPTION) as temporary:
        for name, content in (files or {}).items():
            write_bytes(temporary / name, content)
        write_json(temporary / DESCRIPTION, description)


def read(directory: str | os.PathLike) -> dict[str, Any]:
    """The content of codec.json, its format and version checked.

    Raises:
      FreevocabError: no such directory, no codec.json, damaged, or written by a newer version.
    """
    directory = Path(directory)
    path = directory / DESCRIPTION
    if not directory.is_dir():
        raise FreevocabError(f"no codec at {directory}: the directory does not exist")
    try:
        meta = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise FreevocabError(f"no codec at {directory}: it has no {DESCRIPTION}") from None
    except OSError as error:
        raise FreevocabError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise FreevocabError(f"{path} is damaged (not JSON): save the codec again") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise FreevocabError(f'{path} does not describe a codec ("format" is not "{FORMAT}")')
    version = meta.get("version")
    if not isinstance(version, int) or version < 1:
        raise FreevocabError(f"{path} is damaged: its version is {version!r}")
    if version > VERSION:
        raise FreevocabError(
            f"{path} has format version {version}, this freevocab reads up to {VERSION}: upgrade it"
        )
    if not isinstance(meta.get("kind"), str):
        raise FreevocabError(f"{path} is damaged: it names no kind of codec")
    return meta


def read_file(directory: str | os.PathLike, meta: Mapping[str, Any], name: str) -> bytes:
    """The content of a file that `write` put beside codec.json.

    Raises:
      FreevocabError: missing, or not the bytes that were written.
    """
    path = Path(directory) / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FreevocabError(f"cannot read {path}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != meta["files"][name]:
        raise FreevocabError(f"{path} is damaged (its SHA-256 differs): save the codec again")
    return content
