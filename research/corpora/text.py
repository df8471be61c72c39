"""`text:GLOB[;valid=GLOB][;test=GLOB][;field=NAME]`: documents from files (see `documents` for
formats; `field` is that of JSON lines, "text" unless given).

Which split a document belongs to, the first that applies:
  1. `;valid=` or `;test=` are given: their files are those splits, the other files of GLOB
     are train (a file that several globs match is test before valid before train).
  2. A SPLIT.tsv is next to the files, or above them as far as the folder that holds the
     fixed part of the glob: first column train, valid or test, second the path relative to
     the SPLIT.tsv. Files that it does not list are an error.
  3. Else by the hash of each document. Where there are at most twenty files, plain ones are cut
     at blank lines first, so that there are about a hundred documents.
Names of files and folders are never taken for splits. `**` in a glob matches any folders.
"""

import dataclasses
import functools
import glob
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from research import files
from research.corpora.corpus import SPLITS, Piece, Source, split_by_hash
from research.corpora.documents import FIELD, OnDamage, documents, format_suffix
from research.errors import UsageError

_SPLIT_FILE = "SPLIT.tsv"
_FEW, _PIECES = 20, 100  # files, and the documents that so few of them are cut into
_RULES = b"freevocab text 1"  # to be raised when the same files would give other documents


def source(argument: str) -> "TextFiles":
    """`text:GLOB[;valid=GLOB][;test=GLOB][;field=NAME]`, the part after the colon.

    Raises:
      UsageError: if a glob matches no file, an option is unknown, a SPLIT.tsv is wrong.
    """
    pattern, *options = argument.split(";")
    if not pattern:
        raise UsageError("text: needs files: text:GLOB[;valid=GLOB][;test=GLOB]")
    globs, field = {}, FIELD
    for option in options:
        split, equals, value = option.partition("=")
        if split == "field" and value and field == FIELD:
            field = value
            continue
        if split not in ("valid", "test") or not equals or not value or split in globs:
            raise UsageError(
                f"text: takes ;valid=GLOB, ;test=GLOB and ;field=NAME once each, not ;{option}"
            )
        globs[split] = value
    files = _matches(pattern)
    if globs:
        assigned: dict[Path, str | None] = dict.fromkeys(files, "train")
        for split in ("valid", "test"):
            assigned.update(dict.fromkeys(_matches(globs[split]) if split in globs else [], split))
        if "train" not in assigned.values():
            raise UsageError(f"text:{argument} leaves no file for train")
    else:
        assigned = _listed(files, pattern)
    return TextFiles(_short_name(pattern), tuple(sorted(assigned.items())), field)


def whole(path: Path) -> "TextFiles":
    """All documents of one file as the split 'valid'; the others are empty."""
    return TextFiles(_short_name(str(path)), ((path, "valid"),))


@dataclasses.dataclass(frozen=True)
class TextFiles(Source):
    """Files, each with its split, or None where the hash of each document decides."""

    name: str
    files: tuple[tuple[Path, str | None], ...]
    field: str = FIELD
    """Of JSON lines."""

    def documents(self, split: str) -> Iterator[bytes]:
        for path, assigned in self.files:
            if assigned is None:
                for document in documents(path, pieces=self._cut_into, field=self.field):
                    if split_by_hash(document) == split:
                        yield document
            elif assigned == split:
                yield from documents(path, field=self.field)

    def pieces(self) -> tuple[Piece, ...]:
        read = functools.partial(_labelled, pieces=self._cut_into, field=self.field)
        return tuple(
            Piece(path.name, functools.partial(read, path, assigned))
            for path, assigned in self.files
        )

    @property
    def _cut_into(self) -> int:
        """Documents that a plain file becomes."""
        return _PIECES // len(self.files) if self._few else 1

    @property
    def by_hash(self) -> bool:
        return all(split is None for _, split in self.files)

    @property
    def _few(self) -> bool:
        """So few files that a split might have none."""
        return self.by_hash and len(self.files) <= _FEW

    def overlaps(self, split: str) -> tuple[str, ...]:
        return () if self.by_hash else super().overlaps(split)

    def digest(self) -> str:
        """Over the files as they are stored: decompressing them first would take long."""
        state = hashlib.blake2b(_RULES, digest_size=16)
        if self._few and len(self.files) > 1:
            state.update(b"cut into pieces\n")
        if self.field != FIELD:
            state.update(f"field {self.field}\n".encode())
        for path, split in self.files:
            with files.reading(path), open(path, "rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
            suffixes = f"{format_suffix(path)} {path.suffix} {split}"
            state.update(content + suffixes.encode() + b"\n")
        return state.hexdigest()

    def details(self) -> dict[str, Any]:
        return {"files": len(self.files)}

    def paths(self) -> tuple[Path, ...]:
        return tuple(path for path, _ in self.files)


def _labelled(
    path: Path, assigned: str | None, on_damage: OnDamage, *, pieces: int, field: str
) -> Iterator[tuple[str, bytes]]:
    """The documents of a file, each with its split."""
    for document in documents(path, pieces=pieces, field=field, on_damage=on_damage):
        yield assigned or split_by_hash(document), document


def _matches(pattern: str) -> list[Path]:
    expanded = str(Path(pattern).expanduser())
    files = [Path(name) for name in glob.glob(expanded, recursive=True)]
    files = [path for path in files if path.is_file() and path.name != _SPLIT_FILE]
    if not files:
        hint = f"; to read a folder, write {pattern.rstrip('/')}/*"
        raise UsageError(f"text:{pattern} matches no file{hint if Path(expanded).is_dir() else ''}")
    return files


def _listed(files: list[Path], pattern: str) -> dict[Path, str | None]:
    """The split of each file by the SPLIT.tsv that governs it; None where there is none."""
    highest = _fixed_folder(pattern).parent
    table_of = functools.cache(_table)
    assigned: dict[Path, str | None] = {}
    for path in files:
        whole = path.absolute()
        assigned[path] = None
        for folder in whole.parents:
            if (table := table_of(folder)) is not None:
                if whole.relative_to(folder) not in table:
                    raise UsageError(
                        f"{path} is not listed in {folder / _SPLIT_FILE}:"
                        " list it there, or give a glob that leaves it out"
                    )
                assigned[path] = table[whole.relative_to(folder)]
                break
            if folder == highest:
                break
    return assigned


def _fixed_folder(pattern: str) -> Path:
    """The deepest folder that no wildcard of the glob is part of."""
    path = Path(pattern).expanduser().absolute()
    folder = Path(path.anchor)
    for part in path.parts[1:-1]:
        if glob.has_magic(part):
            break
        folder /= part
    return folder


def _table(folder: Path) -> dict[Path, str] | None:
    """What a folder's SPLIT.tsv says, None without one."""
    path, table = folder / _SPLIT_FILE, {}
    if not path.is_file():
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        split, *rest = line.split("\t")
        if split not in SPLITS or not rest or not rest[0]:
            raise UsageError(
                f"{path}, line {number}: needs train, valid or test, a tab, a relative path"
            )
        table[Path(rest[0])] = split
    return table


def _short_name(pattern: str) -> str:
    """A name for tables: the end of the glob, so that no one's folders are in a result."""
    return "text:" + "/".join(Path(pattern).parts[-3:]).removeprefix("//")
