"""One run at a time in a working directory."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

import jax

from research.errors import FreevocabError


@contextlib.contextmanager
def held(workdir: Path) -> Iterator[None]:
    """Keeps other runs out of `workdir` while entered; process 0 does it for all its processes.

    The lock goes with the process, however that ends. Where the file system has no locks, there
    are none.

    Raises:
      FreevocabError: if another run is in it, or it cannot be written to.
    """
    if jax.process_index() != 0:
        yield
        return
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        file = open(workdir / ".lock", "w")
    except OSError as error:
        raise FreevocabError(f"cannot use {workdir} as a workdir: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FreevocabError(
                f"another run is using {workdir}: wait for it, or choose another workdir"
            ) from None
        except OSError:
            file.write("this file system has no locks\n")
        yield
