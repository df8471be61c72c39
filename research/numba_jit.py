"""Host loops compiled by numba when it is there; the same Python function otherwise."""

import contextlib
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

    machine: Any = numba.njit(nogil=True)(function)
    with contextlib.suppress(RuntimeError, OSError):  # no writable place: no cache
        machine._cache = _cache(function)
    return machine


def _cache(function: Callable[..., Any]) -> Any:
    """numba's cache of a function, as cache=True would set it, but a cache that cannot be read or
    written only costs the compilation.

    numba itself lets a damaged file or a full disk end every call, in every process from then on.
    """
    from numba.core.caching import FunctionCache

    class Cache(FunctionCache):
        def load_overload(self, sig, target_context):
            try:
                return super().load_overload(sig, target_context)
            except Exception:  # whatever unpickling a damaged file sets off
                with contextlib.suppress(Exception):
                    self.flush()  # so that it can be written anew
            return None

        def save_overload(self, sig, data):
            with contextlib.suppress(Exception):
                super().save_overload(sig, data)

    return Cache(function)
