"""Documents through one compiled loop, B rows at a time, on a CPU in two lanes.

A row codes one document. One that is done with it takes the next while the others go on. Encoder
and decoder are the *same compiled program* at one fixed shape, told apart by a flag per row, so the
model's floats, and with them the integer frequencies, agree to the bit.

A lane is a batch of rows. Much of a turn of the loop is too small to be divided among cores, so two
lanes, each in a thread of its own, keep the cores busy where one does not. Every lane runs the same
program: a job's result does not depend on its lane, as it does not on its row.
"""

import abc
import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from research.codecs.byte_models import SteppedByteModel
from research.codecs.byte_models.transformer import START

# The jobs at work by row, and the rows whose job is new -> the rows whose job is done.
Advance = Callable[[dict[int, Any], list[int]], list[int]]


class Job(Protocol):
    """A document on its way."""

    @property
    def size(self) -> int:
        """Long jobs are begun first."""
        ...

    def fill(self, work: Any, row: int) -> None:
        """Writes what the row needs for a call of the loop into `work`."""

    def collect(self, output: Any, rows: Any, row: int) -> bool:
        """Takes what the call made of the row; True if the document is done."""
        ...


class BatchedLoop(abc.ABC):
    """A compiled loop over `batch` rows, each with a job.

    Args:
      context, symbols: of the model's `stepper`.
      run: (params, rows, work, step=) -> (rows, output), one call of the loop. `rows` are a
        NamedTuple with a `cache`.
      initial_rows: (params, start=, batch=) -> rows.
    """

    def __init__(
        self,
        model: SteppedByteModel,
        batch: int,
        context: int,
        symbols: int,
        run: Callable[..., Any],
        initial_rows: Callable[..., Any],
    ):
        self._batch = batch
        self._stepper = model.stepper(batch, context, symbols)
        self._run = jax.jit(functools.partial(run, step=self._stepper.step), donate_argnums=1)
        first = functools.partial(initial_rows, start=self._stepper.start, batch=batch)
        self._first_rows = jax.jit(first)
        self._compiled: Callable[..., Any] | None = None

    @abc.abstractmethod
    def _empty_work(self) -> Any:
        """A NamedTuple of numpy arrays, `fresh` among them, in which no row has anything to do."""

    def _fill(self, rows: Any, work: Any, busy: Mapping[int, Any]) -> Any:
        """Lets the jobs fill in `work`; the rows to go on from."""
        for row, job in busy.items():
            job.fill(work, row)
        return rows

    def _work(self, jobs: Sequence[Job]) -> None:
        run(jobs, self._batch, self._open_lane)

    def _open_lane(self) -> Advance:
        params = self._stepper.params
        rows = self._first_rows(params)
        if self._compiled is None:  # once, before lanes go their own ways
            self._compiled = self._run.lower(params, rows, self._empty_work()).compile()
        program = self._compiled

        def advance(busy: dict[int, Job], fresh: list[int]) -> list[int]:
            nonlocal rows
            work = self._empty_work()
            work.fresh[fresh] = True
            rows, output = program(params, self._fill(rows, work, busy), work)
            output, light = jax.device_get((output, rows._replace(cache=None)))
            return [row for row, job in busy.items() if job.collect(output, light, row)]

        return advance


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


def loop(
    params: Any,
    rows: Any,
    output: Any,
    *,
    step: Callable[..., Any],
    turns: int,
    active: Callable[[Any, Any], jax.Array],
    seen: Callable[[Any], jax.Array],
    take: Callable[[jax.Array, jax.Array, Any, Any], tuple[Any, Any]],
) -> tuple[Any, Any]:
    """At most `turns` turns, or until no row can go on.

    In every turn, rows whose context is empty take a symbol by the frequencies after START, which
    are constants; then the model runs one step for all rows, and those inside a context,
    whether since this turn or before, take a symbol by what it says.

    Args:
      rows: a NamedTuple with the model's `cache`, `first`, the frequencies after START, uint32 [A],
        and `last`, the latest symbol of the context or START, int32 [B].
      step: of a `Stepper`.
      active: (rows, output) -> whether each row has what it needs for a symbol, bool [B].
      seen: rows -> symbols in the model's context, START not included, int32 [B].
      take: (sums of the frequencies, uint32 [B, A] or [1, A]; rows to go on, bool [B]; rows;
        output) -> (rows, output): one symbol for those rows.
    """

    def unfinished(carry):
        turn, rows, output = carry
        return (turn < turns) & jnp.any(active(rows, output))

    def turn_once(carry):
        turn, rows, output = carry
        goes = (rows.last == START) & active(rows, output)
        sums_1xA = jnp.cumsum(rows.first[None], axis=1, dtype=jnp.uint32)
        rows, output = take(sums_1xA, goes, rows, output)
        goes = (rows.last != START) & active(rows, output)
        length = jnp.where(goes, seen(rows), 0)
        frequencies_BxA, cache = step(params, rows.cache, rows.last, length)
        sums_BxA = jnp.cumsum(frequencies_BxA, axis=1, dtype=jnp.uint32)
        rows, output = take(sums_BxA, goes, rows._replace(cache=cache), output)
        return turn + 1, rows, output

    _, rows, output = jax.lax.while_loop(unfinished, turn_once, (jnp.int32(0), rows, output))
    return rows, output


def choose(condition_B: jax.Array, a: Any, b: Any) -> Any:
    """Elementwise choice between two trees of arrays [B]."""
    return jax.tree.map(lambda x, y: jnp.where(condition_B, x, y), a, b)
