"""Host loops compiled by numba when it is there; the same Python function otherwise."""

import functools
import importlib.util
from collections.abc import Callable
from typing import Any


def available() -> bool:
    """True if numba can be imported (it is looked for, not imported)."""
    return importlib.util.find_spec("numba") is not None


@functools.cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` as machine code; compiled at the first call and cached on disk where possible.

    The function may use only arrays, numbers and loops, and call only numpy and heapq. It runs
    without the interpreter's lock, so threads may run it at the same time.
    Without numba the function itself is returned: the same results, slowly. No fast-math, so
    the results do not depend on the machine.
    """
    if not available():
        return function
    import numba

    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no writable place for the cache: compile anew in every process
        return numba.njit(nogil=True)(function)
