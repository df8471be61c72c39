"""Writing files and folders so that a reader never sees half of one, and nothing is lost."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from research import folders
from research.errors import FreevocabError, UsageError


@contextlib.contextmanager
def atomic_path(
    path: str | os.PathLike,
    *,
    directory: bool = False,
    mark: str | None = None,
    names: Collection[str] | None = None,
) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it is renamed to `path`, else removed.

    With `directory=True` the temporary path is an existing empty folder. It gets a list of its
    files, and takes the place of a folder at `path` that holds nothing but what is on such a list
    (see `research.folders`). If it cannot in the end, it is kept under another name, which the
    error gives. A link's target is replaced, not the link.

    Args:
      mark, names: of a folder, as in `folders.check`; with `names` it gets no list.

    Raises:
      UsageError: at once, if what stands at `path` must not be replaced.
    """
    target = folders.real(path)
    if directory:
        folders.check(path, mark=mark, names=names)
    elif target.exists() and not target.is_file():
        what = "a folder" if target.is_dir() else "no regular file"
        raise UsageError(f"{path} is {what}: give a file's name")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(target, directory) as temporary:
        yield temporary
        if not directory:
            os.replace(temporary, target)
        elif names is not None:
            folders.replace(temporary, target, names)
        else:
            folders.write_manifest(temporary)
            try:
                folders.replace(temporary, target)
            except (OSError, FreevocabError) as error:
                place = _keep(temporary, target)
                reason = getattr(error, "strerror", None) or str(error)
                raise FreevocabError(
                    f"cannot replace {path} ({reason}): what was to stand there is in {place}"
                ) from error


@contextlib.contextmanager
def all_into(directory: str | os.PathLike) -> Iterator[Path]:
    """Yields an empty folder; on success its files are moved to the same places under `directory`,
    over files of their names, else nothing changes there."""
    target = folders.real(directory)
    target.mkdir(parents=True, exist_ok=True)
    with _temporary(target / "files", directory=True) as temporary:
        yield temporary
        for file in sorted(path for path in temporary.rglob("*") if path.is_file()):
            place = target / file.relative_to(temporary)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, place)


@contextlib.contextmanager
def reading(path: str | os.PathLike) -> Iterator[None]:
    """While entered, an OSError becomes a FreevocabError that names `path`."""
    try:
        yield
    except OSError as error:
        raise FreevocabError(f"cannot read {path}: {error.strerror or error}") from error


def check_out(
    path: str | os.PathLike,
    inputs: Iterable[tuple[str, str | os.PathLike | None]] = (),
    *,
    mark: str | None = None,
) -> None:
    """Raises unless a command may write the folder `path` at its end: better before its work.

    Args:
      inputs: as in `check_apart`.
      mark: as in `folders.check`.

    Raises:
      UsageError: the folder must not be replaced.
      FreevocabError: it cannot be written.
    """
    target = folders.real(path)
    folders.check_place(path)
    check_apart(path, inputs)
    folders.check(path, mark=mark)
    place = target.parent
    while not place.exists():
        place = place.parent
    try:
        with _temporary(place / target.name, directory=True):
            pass
    except OSError as error:
        raise FreevocabError(
            f"{shown(path)} cannot be written ({error.strerror}): choose another folder"
        ) from error


def check_apart(
    path: str | os.PathLike, inputs: Iterable[tuple[str, str | os.PathLike | None]]
) -> None:
    """Raises UsageError if the folder to write is, or holds, something that a command works with.

    Args:
      inputs: files and folders, there already or not, each with the flag that names it; links are
        followed. None and "": not given.
    """
    target = folders.real(path)
    for flag, other in inputs:
        if other and folders.real(other).is_relative_to(target):
            raise UsageError(f"--out {path} would replace {flag} {other}: choose another folder")


def check_inside(folder: str | os.PathLike, names: Iterable[str]) -> None:
    """Raises UsageError for a link among files of a folder that leads out of it.

    To be asked before files of a folder are copied that nobody reads first: it may come from
    elsewhere, and the copy be made public. Links of a download cache, from snapshots/HASH to blobs,
    stay in the model's folder there.
    """
    home = Path(folder).resolve()
    home = home.parent.parent if home.parent.name == "snapshots" else home
    for name in names:
        file = Path(folder, name)
        if file.exists() and not file.resolve().is_relative_to(home):
            raise UsageError(
                f"{file} is a link out of its folder, to {file.resolve()}, which would be copied: "
                "put the file itself there, or remove the link"
            )


@contextlib.contextmanager
def _temporary(path: Path, directory: bool) -> Iterator[Path]:
    """A new file or folder beside `path`, locked while it is in use, and removed if it is left."""
    _remove_abandoned(path)
    temporary, handle = _locked_new(path, directory)
    if directory:
        folders.private.add(temporary)
    try:
        share(temporary)
        yield temporary
    finally:
        folders.private.discard(temporary)
        _remove(temporary)
        os.close(handle)


def _locked_new(path: Path, directory: bool) -> tuple[Path, int]:
    prefix = folders.hidden(path, "").name
    while True:
        if directory:
            name = tempfile.mkdtemp(prefix=prefix, dir=path.parent)
        else:
            handle, name = tempfile.mkstemp(prefix=prefix, dir=path.parent)
            os.close(handle)
        # Until it is locked, another run may take it for abandoned: then there is another.
        with contextlib.suppress(FileNotFoundError):
            handle = os.open(name, os.O_RDONLY)
            if folders.lock(handle) is not False and os.path.exists(name):
                return Path(name), handle
            os.close(handle)


def _remove_abandoned(path: Path) -> None:
    """Removes the temporary files and folders of runs that were killed while they wrote `path`."""
    prefix, old = folders.hidden(path, "").name, folders.hidden(path, "old").name
    for name in os.listdir(path.parent):
        if not name.startswith(prefix) or name == old:
            continue
        with contextlib.suppress(OSError):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            handle = os.open(path.with_name(name), flags)
            try:
                if folders.lock(handle):
                    _remove(path.with_name(name))
            finally:
                os.close(handle)


def _remove(temporary: Path) -> None:
    if temporary.is_dir():
        shutil.rmtree(temporary, ignore_errors=True)
    else:
        temporary.unlink(missing_ok=True)


def _keep(temporary: Path, path: Path) -> Path:
    """Renames a finished folder that cannot have its own name to NAME.new, NAME.new2, ..."""
    number = 1
    while os.path.lexists(free := path.with_name(f"{path.name}.new{number if number > 1 else ''}")):
        number += 1
    os.rename(temporary, free)
    return free


def share(path: str | os.PathLike) -> None:
    """Gives a file or folder the permissions of a new one; temporary ones are private."""
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(path, (0o777 if os.path.isdir(path) else 0o666) & ~umask)


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Writes `data` to `path` whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes `text` (UTF-8) to `path` whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes `value` as indented JSON with a final newline, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def shown(path: str | os.PathLike) -> str:
    """A path that can be printed and saved: bytes of its name that are no UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")
