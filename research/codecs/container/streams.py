"""Opening a file or a pipe to read or write, with one-line errors and no half-written file."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from research import files
from research.errors import FreevocabError, UsageError

PIPE = "-"


def label(path: str | os.PathLike, pipe: str) -> str:
    """How a source or target is called in messages; `pipe` names what "-" stands for."""
    return pipe if os.fspath(path) == PIPE else os.fspath(path)


@contextlib.contextmanager
def reading(source: str | os.PathLike) -> Iterator["Reader"]:
    """Opens `source`; "-" is standard input.

    Raises:
      UsageError: there is no such file.
      FreevocabError: it cannot be read.
    """
    name = label(source, "standard input")
    if os.fspath(source) == PIPE:
        yield Reader(sys.stdin.buffer, name)
        return
    if not os.fspath(source):
        raise UsageError("the name of a file to read is empty")
    if Path(source).is_dir():
        raise UsageError(f"{name} is a directory: give a file")
    with files.reading(name):
        try:
            stream = open(source, "rb")
        except FileNotFoundError:
            raise UsageError(f"there is no file {name}") from None
    with stream:
        yield Reader(stream, name)


class Reader:
    """Reads a stream in exact lengths and counts what it has read."""

    def __init__(self, stream: BinaryIO, name: str):
        self._stream = stream
        self.name = name
        self.num_bytes = 0

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end.

        Raises:
          FreevocabError: the system cannot read on.
        """
        parts = []
        while size > 0:
            with files.reading(self.name):
                part = self._stream.read(min(size, 1 << 20))
            if not part:
                break
            parts.append(part)
            size -= len(part)
            self.num_bytes += len(part)
        return b"".join(parts)


@contextlib.contextmanager
def writing(target: str | os.PathLike) -> Iterator["Writer"]:
    """Opens `target`: a file that appears whole at the end or not at all; "-" is standard output.

    A device or a named pipe is written directly. A link's file is replaced, not the link.

    Raises:
      UsageError: a directory, or in a directory that does not exist.
      FreevocabError: it cannot be written (a full disk, no permission).
    """
    name = label(target, "standard output")
    others: list[OSError] = []  # of the work that is done while the target is open
    try:
        with _opened(target, name) as stream:
            try:
                yield Writer(stream, name)
            except OSError as error:
                others.append(error)
                raise
    except OSError as error:
        if error in others or isinstance(error, BrokenPipeError):
            raise  # of a pipe whose reader went away the command line knows what to do
        raise _cannot_write(name, error) from error


@contextlib.contextmanager
def _opened(target: str | os.PathLike, name: str) -> Iterator[Any]:
    path = Path(os.path.realpath(target))
    if os.fspath(target) == PIPE:
        sys.stdout.flush()
        # Unbuffered: what could not be written must not be tried again at exit.
        yield getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
    elif not os.fspath(target):
        raise UsageError("the name of a file to write is empty")
    elif path.is_dir():
        raise UsageError(f"{name} is a directory: give a file")
    elif not path.parent.is_dir():
        raise UsageError(f"there is no directory {Path(target).parent} to write {name} in")
    elif path.exists() and not path.is_file():
        with open(path, "wb", buffering=0) as stream:
            yield stream
    else:
        # A full disk shows at the latest as the file is closed, before it is renamed.
        with files.atomic_path(path) as temporary, open(temporary, "wb") as stream:
            yield stream


def _cannot_write(name: str, error: OSError) -> FreevocabError:
    return FreevocabError(f"cannot write {name}: {error.strerror or error}")


class Writer:
    """Writes to a stream whole pieces, and counts them."""

    def __init__(self, stream: BinaryIO, name: str):
        self._stream = stream
        self.name = name
        self.num_bytes = 0

    def write(self, data: bytes) -> None:
        """Writes all of `data`."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._stream.write(view) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _cannot_write(self.name, error) from error
        self.num_bytes += len(data)
