"""A folder that says what it holds: a JSON file, and arrays whose SHA-256 that file gives.

    NOUN.json        {"format": "freevocab-NOUN", "version": 1, ..., "X": SHA-256}
    X.safetensors    arrays named by their path, e.g. trunk/layers/mlp/up/kernel; stored as
                     float32, or as bfloat16 to save room, which is read as float32

Shared by `research.models.saved` and `research.transfer.hypernet.hypernetwork_file`.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from research.errors import FreevocabError, UsageError
from research.files import share
from research.folders import digest as digest_of_written


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of folder.

    Attributes:
      noun: what it holds, in file names and in messages.
      version: of the format; the only one that is read.
    """

    noun: str
    version: int

    @property
    def description(self) -> str:
        """Name of the JSON file."""
        return f"{self.noun}.json"

    def head(self) -> dict[str, Any]:
        """What the JSON object begins with."""
        return {"format": f"freevocab-{self.noun}", "version": self.version}

    def read(self, directory: Path) -> dict[str, Any]:
        """The JSON object, its format and version checked.

        Raises:
          UsageError: if there is no such folder, or it holds something else.
          FreevocabError: if the file is damaged or of another version.
        """
        path, head = directory / self.description, self.head()
        if not path.is_file():
            raise UsageError(f"{directory} is no {self.noun} folder: it has no {self.description}")
        try:
            described = json.loads(path.read_text("utf-8"))
        except (ValueError, OSError) as error:
            raise FreevocabError(f"{path} is damaged: {error}") from None
        if not isinstance(described, dict) or described.get("format") != head["format"]:
            raise UsageError(f"{path} does not describe a {self.noun} of freevocab")
        if described.get("version") != self.version:
            raise FreevocabError(
                f"{path} has version {described.get('version')}, this program reads "
                f"{self.version}; update freevocab"
            )
        return described

    def read_arrays(
        self, path: Path, digest: str | None, wanted: Mapping[str, Any] | None = None
    ) -> dict[str, np.ndarray]:
        """The arrays of a file that `write_arrays` wrote, by name.

        Args:
          digest: the file's, as the description has it.
          wanted: name -> what has its shape and dtype; None: whatever is there.

        Raises:
          FreevocabError: if the file is missing or has another digest, or the arrays are others
            than those wanted.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        if not path.is_file():
            raise FreevocabError(f"{path} is missing; the folder is not complete")
        try:
            if _digest(path) != digest:
                raise FreevocabError(
                    f"{path} is damaged (not what {self.description} was written with); restore "
                    "the folder or train again"
                )
            arrays = {name: _widened(array) for name, array in load_file(path).items()}
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            raise FreevocabError(f"{path} is damaged: {error}") from None
        if wanted is not None:
            self._check(path, arrays, wanted)
        return arrays

    def _check(self, path: Path, arrays: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        for name in sorted(wanted.keys() | arrays.keys()):
            if name not in arrays:
                raise FreevocabError(f"{path} is damaged: {name} is missing")
            if name not in wanted:
                raise FreevocabError(
                    f"{path} holds {name}, which {self.description}'s config has no place for"
                )
            have, want = _kind_of(arrays[name]), _kind_of(wanted[name])
            if have != want:
                raise FreevocabError(f"{path} is damaged: {name} is {have}, not {want}")


def write_arrays(
    path: Path,
    arrays: Mapping[str, Any],
    directory: str | os.PathLike,
    dtype: str | None = None,
) -> str:
    """Writes arrays by name and returns the file's SHA-256.

    Args:
      path: in a temporary folder, say.
      directory: the folder that a message is to name.
      dtype: 'bfloat16' rounds floating-point arrays to half their size; None: as they are.

    Raises:
      FreevocabError: if the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    if dtype is not None:
        contiguous = {
            name: array.astype(dtype) if np.issubdtype(array.dtype, np.floating) else array
            for name, array in contiguous.items()
        }
    try:
        save_file(contiguous, path)
    except SafetensorError as error:
        raise FreevocabError(f"cannot write {directory}: {error}") from None
    share(path)  # safetensors lets only the owner read it
    return digest_of_written(path)


def _widened(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def _kind_of(array: Any) -> str:
    return f"{array.dtype}{list(array.shape)}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
