"""Folders that are replaced whole: which may be, and how, so that nothing is ever lost.

A folder that this program writes has a list of its files in it, `.freevocab.json`:

    {"format": "freevocab-folder", "version": 1,
     "files": {"codec/codec.json": {"bytes": 812, "sha256": "9f86..."}, ...}}

Only an empty folder is replaced, or one in which every file is on that list and still has the
content that it was written with. So what a user put there or changed is never deleted, nor what
older versions wrote, which kept no list.

The old folder is renamed aside (`.NAME.freevocab-old`), the new one takes its name, and only then
the old one's files are removed. A run that is killed on the way leaves at least one of the two
whole; the next that writes there puts an old one back if there is no other.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from research.errors import FreevocabError, UsageError

MANIFEST = ".freevocab.json"
FORMAT, VERSION = "freevocab-folder", 1
_PATIENCE = 60.0  # seconds to wait for another run
_COARSE_NS = 2 * 10**9  # no file system's clock is coarser

_digests: dict[tuple[int, ...], str] = {}
private: set[Path] = set()  # temporary folders of this process, which it keeps locked itself


def real(path: str | os.PathLike) -> Path:
    """The absolute path without links: a link's target is replaced, not the link."""
    if not os.fspath(path):
        raise UsageError("what is to be written needs a name, not an empty one")
    return Path(os.path.realpath(path))


def hidden(path: Path, what: str) -> Path:
    """A name beside `path` that nobody but this program uses."""
    return path.with_name(f".{path.name}.freevocab-{what}")


def check(
    path: str | os.PathLike, *, mark: str | None = None, names: Collection[str] | None = None
) -> None:
    """Raises UsageError, naming the reason, unless a new folder may take the place of `path`.

    An old folder that a killed run has left aside is put back, or removed, first.

    Args:
      mark: a file that every folder of the kind has: one of another kind is not replaced.
      names: files that are this program's whatever they hold, in place of a list; of folders that
        are named by what they are made from.
    """
    check_place(path)
    target = real(path)
    with _alone(target.parent):
        _recover(target, names)
        if target.is_dir():
            _check_content(path, target, mark, names)


def check_place(path: str | os.PathLike) -> None:
    """Raises UsageError if no folder can be put at `path`, whatever stands there."""
    target = real(path)
    places = {"home": real(os.path.expanduser("~"))}
    with contextlib.suppress(FileNotFoundError):  # it has been removed
        places["current"] = real(os.curdir)
    for what, place in places.items():
        if place.is_relative_to(target):
            which = "is" if place == target else "holds"
            raise UsageError(f"{path} {which} the {what} folder, which cannot be replaced: give a "
                             "new folder's name")  # fmt: skip
    for place in (target, *target.parents):
        if os.path.lexists(place) and not place.is_dir():
            name = path if place == target else place
            raise UsageError(f"{name} is a file: choose another folder")


def _check_content(
    path: Any, target: Path, mark: str | None, names: Collection[str] | None
) -> None:
    """Raises UsageError unless the folder `target`, called `path`, holds our files alone."""
    if os.path.ismount(target):
        raise UsageError(f"{path} is a mount point, which cannot be replaced: give a folder in it")
    if reason := _foreign(target, names):
        raise UsageError(f"{path} holds {reason}: choose another folder, or move it away")
    if mark is not None and next(_entries(target), None) and not (target / mark).is_file():
        raise UsageError(
            f"{path} holds something else that freevocab wrote (it has no {mark}): choose another "
            "folder, or move it away"
        )


def _foreign(folder: Path, names: Collection[str] | None) -> str | None:
    """The first thing in a folder that this program did not write as it is, and why it is."""
    listed = _listed(folder, names)
    for name in _entries(folder):
        if listed is None:
            return f"{name}, and no {MANIFEST} says that freevocab wrote it"
        if name.endswith("/"):
            if not any(other.startswith(name) for other in listed):
                return f"{name}, which freevocab did not make"
        elif name not in listed:
            return f"{name}, which freevocab did not write"
        elif not _as_written(folder / name, listed[name]):
            return f"{name}, changed since freevocab wrote it"
    return None


def lock(handle: int) -> bool | None:
    """Whether this process has an open file or folder for itself now; None: there are no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # not on this file system
        return None
    return True


@contextlib.contextmanager
def _alone(parent: Path) -> Iterator[None]:
    """While entered, no other run looks at folders in `parent` or renames them.

    Raises:
      FreevocabError: if another does for too long.
    """
    if parent in private or not parent.exists():
        yield
        return
    deadline = time.monotonic() + _PATIENCE
    handle = os.open(parent, os.O_RDONLY)
    try:
        while lock(handle) is False:
            if time.monotonic() > deadline:
                raise FreevocabError(f"another run is writing in {parent}: wait for it")
            time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def write_manifest(folder: Path) -> None:
    """Lists the files of a finished folder in it."""
    files = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": digest(folder / name)}
        for name in _entries(folder)
        if not name.endswith("/")
    }
    content = {"format": FORMAT, "version": VERSION, "files": files}
    # Names that are no UTF-8 come back only from escapes.
    (folder / MANIFEST).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def digest(path: Path) -> str:
    """SHA-256 of a file, which is read once as long as nothing writes to it.

    A file that changed just now is read again: it may change twice within a tick of the clock.
    """
    with path.open("rb") as file:
        facts = os.fstat(file.fileno())
        key = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_ctime_ns)
        if key in _digests:
            return _digests[key]
        value = hashlib.file_digest(file, "sha256").hexdigest()
    if time.time_ns() - facts.st_ctime_ns > _COARSE_NS:
        _digests[key] = value
    return value


def stands(folder: Path) -> bool:
    """Whether a folder has a list of its files, each of them as it was written, and no others."""
    listed = _listed(folder, None)
    if listed is None or _foreign(folder, None):
        return False
    return all((folder / name).is_file() for name in listed)


def replace(temporary: Path, path: Path, names: Collection[str] | None = None) -> None:
    """Renames the finished folder `temporary` to `path`, in place of what `check` allows there.

    Args:
      path: as `real` gives it.
      names: as in `check`.

    Raises:
      UsageError: by now the folder holds what must not be removed.
      OSError: it cannot be renamed. In both cases what stood there stands there again.
    """
    aside = hidden(path, "old")
    with _alone(path.parent):
        _recover(path, names)
        try:
            if path.exists():
                _check_content(path, path, None, names)
                os.rename(path, aside)
            os.rename(temporary, path)
        except BaseException:
            _put_back(aside, path)
            raise
        _discard(aside, names)


def _recover(path: Path, names: Collection[str] | None) -> None:
    """Brings to an end what a killed run began: an old folder comes back if there is no other.

    Raises:
      UsageError: something is in the old folder's way that this program did not write.
      FreevocabError: the old folder, which is the only one, cannot be put back.
    """
    aside = hidden(path, "old")
    if not os.path.lexists(aside):
        return
    _put_back(aside, path)
    if not os.path.lexists(path):
        raise FreevocabError(
            f"{aside} is what an earlier run took from {path}, and cannot be renamed back: "
            "rename it yourself"
        )
    _discard(aside, names)
    if reason := _foreign(aside, names):
        raise UsageError(f"{aside}, which an earlier run replaced, holds {reason}: move it away")


def _put_back(aside: Path, path: Path) -> None:
    if not os.path.lexists(path):
        with contextlib.suppress(OSError):  # it is not there; or it stays aside, for the next run
            os.rename(aside, path)


def _discard(folder: Path, names: Collection[str] | None) -> None:
    """Removes the files on a folder's list, and then what is empty; the rest stays."""
    listed = _listed(folder, names) or {}
    with contextlib.suppress(OSError):  # not empty
        entries = list(_entries(folder))
        for name in entries:
            if name in listed:
                (folder / name).unlink(missing_ok=True)
        for name in sorted((name for name in entries if name.endswith("/")), reverse=True):
            os.rmdir(folder / name)
        if not list(_entries(folder)):
            # The list goes last: what is left of a folder can still be told from a user's.
            (folder / MANIFEST).unlink(missing_ok=True)
            os.rmdir(folder)


def _entries(folder: Path) -> Iterator[str]:
    """Everything in a folder but its list: relative names, sorted; those of folders end in /."""
    entries = []
    for place, folders, files in os.walk(folder, onerror=_unless_missing):
        inside = os.path.relpath(place, folder)
        for name in (*folders, *files):
            whole = name if inside == "." else f"{inside}/{name}"
            is_folder = name in folders and not os.path.islink(os.path.join(place, name))
            entries.append(f"{whole}/" if is_folder else whole)
    yield from sorted(name for name in entries if name != MANIFEST)


def _unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _listed(folder: Path, names: Collection[str] | None) -> Mapping[str, Any] | None:
    """What a folder's list says of each file; None if it has none."""
    if names is not None:
        return dict.fromkeys(names)
    try:
        content = json.loads((folder / MANIFEST).read_bytes())
        if content["format"] == FORMAT and content["version"] == VERSION:
            return dict(content["files"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _as_written(path: Path, entry: Any) -> bool:
    """Is it a file with the content that the list says? An entry None is any content."""
    if path.is_symlink() or not path.is_file():
        return False
    if entry is None:
        return True
    if not isinstance(entry, dict) or entry.get("bytes") != path.stat().st_size:
        return False
    return entry.get("sha256") == digest(path)
