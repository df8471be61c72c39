"""How far writing has come, for large models: a line now and then, with rate and time left."""

import time
from collections.abc import Callable

from research.training.metrics import duration, quantity

EVERY_SECONDS = 5.0


class Progress:
    """Call it with the bytes of each piece written.

    Args:
      total: bytes there will be.
      say: takes a line.
      clock: seconds.
    """

    def __init__(
        self, total: int, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ):
        self._total, self._say, self._clock = total, say, clock
        self._start = self._last = clock()
        self._done = 0

    def __call__(self, nbytes: int) -> None:
        """Counts, and speaks if the last line was some time ago."""
        self._done += nbytes
        now = self._clock()
        if now - self._last < EVERY_SECONDS:
            return
        self._last = now
        rate = self._done / (now - self._start)
        left = duration((self._total - self._done) / rate)
        self._say(f"{quantity(self._done, 'B')} of {quantity(self._total, 'B')} written, "
                  f"{quantity(rate, 'B')}/s, {left} left")  # fmt: skip
