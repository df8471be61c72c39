"""Jobs of different lengths through the rows of a compiled loop, on a CPU in two lanes.

A lane is a batch of rows: a row that is done with its job takes the next one while the others go
on. Much of a turn of the loop is too small to be divided among cores, so two lanes, each in a
thread of its own, keep the cores busy where one does not. Every lane runs the same compiled
program at the same shape: a job's result does not depend on its lane, as it does not on its row.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import jax

# The jobs at work by row, and the rows whose job is new -> the rows whose job is done.
Advance = Callable[[dict[int, Any], list[int]], list[int]]


def run(jobs: Sequence[Any], batch: int, open_lane: Callable[[], Advance]) -> None:
    """Runs the jobs, the longest (by `size`) first, until all are done.

    Args:
      batch: rows of a lane.
      open_lane: makes a lane; called here before any thread starts.
    """
    waiting = sorted(jobs, key=lambda job: job.size)
    most = 2 if jax.default_backend() == "cpu" else 1
    lanes = [open_lane() for _ in range(min(most, -(-len(jobs) // batch)))]
    stop = threading.Event()

    def follow(advance: Advance) -> None:
        busy: dict[int, Any] = {}
        while not stop.is_set():
            fresh = []
            for row in sorted(set(range(batch)) - set(busy)):
                try:
                    busy[row] = waiting.pop()
                except IndexError:  # another lane may have taken the last one
                    break
                fresh.append(row)
            if not busy:
                return
            for row in advance(busy, fresh):
                del busy[row]

    if len(lanes) < 2:
        for advance in lanes:
            follow(advance)
        return
    with ThreadPoolExecutor(len(lanes), "lane") as pool:
        try:
            for ended in as_completed([pool.submit(follow, advance) for advance in lanes]):
                ended.result()
        except BaseException:
            stop.set()  # or an interrupted caller would wait for all that is at work
            raise
