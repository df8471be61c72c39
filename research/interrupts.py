"""Ctrl-C and the other signals that end a program: raised, and remembered.

An exception alone can be lost: where it is raised within a callback (a garbage collection, an
import), Python drops it and the program goes on. So a command line `install`s handlers that also
note the signal, and whatever runs long looks at the note (`check`).
"""

import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}
_noted: int | None = None


class Interrupted(KeyboardInterrupt):
    """The program was asked to stop; the message may say how to go on.

    Like KeyboardInterrupt it is no Exception: what handles errors must not go on after it.
    """

    number: int
    """The signal's."""
    exit_code: int
    """128 + number, as a shell has it."""

    def __init__(self, number: int = signal.SIGINT, message: str = ""):
        super().__init__(message or _WORDS[signal.Signals(number)])
        self.number = int(number)
        self.exit_code = 128 + self.number


def install() -> None:
    """Makes every signal that the caller of this program has not switched off raise Interrupted."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # by nohup, say
            signal.signal(number, _raise)


def noted() -> int | None:
    """The signal that came, whatever became of its exception."""
    return _noted


def check() -> None:
    """Raises Interrupted if a signal came."""
    if _noted is not None:
        raise Interrupted(_noted)


def _raise(number: int, frame: FrameType | None) -> None:
    global _noted
    _noted = number
    raise Interrupted(number)


class Interrupts:
    """While entered, the first signal is only noted; a second one acts at once.

    Signals reach the main thread alone, so elsewhere this does nothing.
    """

    number: int | None
    """The signal that came, or None. One that came before and was lost counts."""

    def __init__(self):
        self.number = _noted
        self._before = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def agreed(self) -> int | None:
        """The signal that any process got: the same answer on all, so that they stop at the same
        step. A collective operation when there are several processes."""
        import jax

        if jax.process_count() == 1:
            return self.number
        import numpy as np
        from jax.experimental import multihost_utils

        numbers = multihost_utils.process_allgather(np.asarray(self.number or 0))
        return int(np.max(numbers)) or None
