"""One line where JAX ends this process from a thread of its own, past every Python handler.

Its coordination service does so when another process is gone: a page of C++, then abort().
"""

import ctypes
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from typing import Any

_MARK = b"distributed service detected fatal errors"  # of jaxlib, in 0.10 to 0.12
_TAIL = 1 << 16


class Catcher:
    """What is said if JAX aborts; it catches nothing before `install`."""

    line: Callable[[], str | None]
    """What happened; None: nothing is said."""
    exit_code: int = 1

    def __init__(self, line: Callable[[], str | None]):
        self.line = line
        self._kept: Any = None  # ctypes and the descriptors want to be held

    def install(self) -> None:
        """From now on what C++ writes to standard error is kept back, and shown only if it aborts
        for another reason; Python's own goes where it went. Does nothing where standard error is
        no longer the process's own (notebooks)."""
        if self._kept is not None or sys.stderr is None or sys.stderr is not sys.__stderr__:
            return
        sys.stderr.flush()
        descriptor, written = os.dup(2), tempfile.TemporaryFile()
        os.dup2(written.fileno(), 2)
        sys.stderr = os.fdopen(
            descriptor, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace"
        )

        def aborted(number: int) -> None:
            text = os.pread(2, _TAIL, max(0, os.fstat(2).st_size - _TAIL))
            if _MARK in text:
                line = self.line()
                text = b"" if line is None else f"freevocab: {line}\n".encode()
            os.write(descriptor, text)
            os._exit(self.exit_code)

        handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(aborted)
        libc = ctypes.CDLL(None)
        libc.signal.restype = ctypes.c_void_p
        libc.signal(int(signal.SIGABRT), handler)
        self._kept = handler, written
