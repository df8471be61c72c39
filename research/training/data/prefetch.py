"""Host work one step before it is asked for, while the devices compute."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


@contextlib.contextmanager
def ahead(make: Callable[[int], T], end: int) -> Iterator[Callable[[int], T]]:
    """Yields `make` itself, in effect: asked for step i it starts on step i + 1 (below `end`).

    `make` must be a pure function of the step; it runs in one thread.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        waiting: dict[int, Future] = {}

        def made(step: int) -> T:
            future = waiting.pop(step, None) or thread.submit(make, step)
            for other in list(waiting):
                waiting.pop(other).cancel()
            if step + 1 < end:
                # After the one in hand: one thread takes them in order.
                waiting[step + 1] = thread.submit(make, step + 1)
            return future.result()

        try:
            yield made
        finally:
            for future in waiting.values():
                future.cancel()
