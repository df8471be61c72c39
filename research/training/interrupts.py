"""Ctrl-C between steps instead of within one."""

import signal
import threading
from types import TracebackType

import jax
import numpy as np


class Interrupts:
    """While entered, the first SIGINT or SIGTERM only sets `requested`; a second one acts at once.

    Signals reach the main thread alone, so elsewhere this does nothing.
    """

    def __init__(self):
        self.requested = False
        self._before = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def _note(self, number: int, frame: object) -> None:
        self.requested = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def agreed(self) -> bool:
        """True if any process was asked to stop: the same answer on all, so that they stop at
        the same step. A collective operation when there are several processes."""
        if jax.process_count() == 1:
            return self.requested
        from jax.experimental import multihost_utils

        return bool(np.any(multihost_utils.process_allgather(np.asarray(self.requested))))
