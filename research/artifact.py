"""Folders that say what they hold: a manifest in JSON, and other files that it describes.

    NOUN.json        {"format": "freevocab-NOUN", "version": 1, ..., "X": SHA-256}
    X.safetensors    arrays named by their path, e.g. trunk/layers/mlp/up/kernel; stored as
                     float32, or as bfloat16 to save room, which is read as float32

All saved things are such folders: codecs, byte models, language models, hypernetworks.
"""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from research import contents, files, folders
from research.errors import FreevocabError, UsageError


@dataclasses.dataclass(frozen=True)
class Spec:
    """A kind of folder."""

    noun: str
    """What it holds, in the format's name and in messages."""
    file: str
    """Name of the manifest."""
    version: int = 1
    """Of the format: the latest, and so far the only one, that can be read."""
    error: type[FreevocabError] = UsageError
    """Raised for a folder that holds something else."""
    missing: str = "{folder} is no {noun} folder: it has no {file}"
    damaged: str = "{path} is damaged: {error}"
    foreign: str = "{path} does not describe a {noun} of freevocab"
    newer: str = "{path} has version {version}, this program reads {known}; update freevocab"
    """What messages say, each in one line."""

    @property
    def format(self) -> str:
        """The manifest's "format"."""
        return f"freevocab-{self.noun.replace(' ', '-')}"

    def write(self, folder: Path, fields: Mapping[str, Any]) -> None:
        """Writes the manifest into `folder`: format and version, then `fields`."""
        head = {"format": self.format, "version": self.version}
        files.write_json(folder / self.file, head | dict(fields))

    def read(self, directory: str | os.PathLike) -> dict[str, Any]:
        """The manifest, its format and version checked.

        Raises:
          FreevocabError: damaged or of a newer version; `error` if there is no such folder, or it
            holds something else.
        """
        manifest = self.parse(directory)
        self.check(directory, manifest)
        return manifest

    def parse(self, directory: str | os.PathLike) -> dict[str, Any]:
        """The JSON object, whatever it describes; raises as `read`."""
        path = Path(directory) / self.file
        try:
            manifest = contents.parse_json(path.read_bytes().decode())
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            what = contents.folder_of(Path(directory))
            line = f"{directory} is {what}" if what else self._text(self.missing, directory)
            raise self.error(line) from None
        except OSError as error:
            raise FreevocabError(f"cannot read {path}: {error.strerror}") from error
        except ValueError as error:
            raise FreevocabError(self._text(self.damaged, directory, error=error)) from error
        if not isinstance(manifest, dict):
            raise self.error(self._text(self.foreign, directory))
        return manifest

    def check(self, directory: str | os.PathLike, manifest: Mapping[str, Any]) -> None:
        """Raises as `read` unless `manifest`, which `parse` gave, can be read here."""
        if manifest.get("format") != self.format:
            raise self.error(self._text(self.foreign, directory))
        version = manifest.get("version")
        if type(version) is not int or version < 1:
            path = Path(directory) / self.file
            raise FreevocabError(f"{path} is damaged: its version is {version!r}")
        if version > self.version:
            raise FreevocabError(self._text(self.newer, directory, version=version))

    def _text(self, template: str, directory: str | os.PathLike, **values: Any) -> str:
        path = Path(directory) / self.file
        known = {"folder": directory, "path": path, "file": self.file, "noun": self.noun}
        return template.format(**known, format=self.format, known=self.version, **values)

    def read_arrays(
        self, path: Path, digest: str | None, expected: Mapping[str, Any] | None = None
    ) -> dict[str, np.ndarray]:
        """The arrays of a file that `write_arrays` wrote, by name.

        Args:
          digest: the file's, as the manifest has it.
          expected: name -> what has its shape and dtype; None: whatever is there.

        Raises:
          FreevocabError: if the file is missing or has another digest, or the arrays are not
            those expected.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        if not path.is_file():
            raise FreevocabError(f"{path} is missing; the folder is not complete")
        try:
            with files.reading(path):
                actual = folders.digest(path)
            if actual != digest:
                raise FreevocabError(
                    f"{path} is damaged (not what {self.file} was written with); restore the "
                    "folder or train again"
                )
            arrays = {
                name: array.astype(np.float32) if array.dtype.name == "bfloat16" else array
                for name, array in load_file(path).items()
            }
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            raise FreevocabError(f"{path} is damaged: {error}") from None
        if expected is not None:
            self._check_arrays(path, arrays, expected)
        return arrays

    def _check_arrays(
        self, path: Path, arrays: Mapping[str, Any], expected: Mapping[str, Any]
    ) -> None:
        for name in sorted(expected.keys() | arrays.keys()):
            if name not in arrays:
                raise FreevocabError(f"{path} is damaged: {name} is missing")
            if name not in expected:
                raise FreevocabError(
                    f"{path} holds {name}, which {self.file}'s config has no place for"
                )
            have, want = (f"{one.dtype}{list(one.shape)}" for one in (arrays[name], expected[name]))
            if have != want:
                raise FreevocabError(f"{path} is damaged: {name} is {have}, not {want}")


def write_arrays(
    path: Path, arrays: Mapping[str, Any], directory: str | os.PathLike, dtype: str | None = None
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

    def stored(array: Any) -> np.ndarray:
        array = np.asarray(array, order="C")
        rounded = dtype is not None and np.issubdtype(array.dtype, np.floating)
        return array.astype(dtype) if rounded else array

    try:
        save_file({name: stored(array) for name, array in arrays.items()}, path)
    except SafetensorError as error:
        raise FreevocabError(f"cannot write {directory}: {error}") from None
    files.share(path)  # safetensors lets only the owner read it
    return folders.digest(path)


def flatten(params: Any) -> dict[str, Any]:
    """Nested dicts to one dict with names like 'trunk/final_norm/scale', sorted."""
    flat: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}/{inner}": leaf for inner, leaf in flatten(value).items()}
        else:
            flat[name] = value
    return dict(sorted(flat.items()))


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `flatten`."""
    params: dict[str, Any] = {}
    for name, value in flat.items():
        *path, last = name.split("/")
        inner = params
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return params
