"""What surrounds a run going wrong: a full disk, an output that cannot be written, a pipe that
closes, two runs at once, signals. One line, the right exit code, nothing lost or half-written.

The disk's end is the system's limit on the size of a file, which needs no rights.
"""

import os
import random
import re
import resource
import signal
from collections.abc import Callable

from research import interrupts
from tests.faults import forked
from tests.faults.kills import CASES, Bench
from tests.faults.record import Row

UNFORESEEN = "FREEVOCAB_TRACEBACK=1 shows where"
_NOBODY = 65534


def run(times: int, seed: int, only: str) -> list[Row]:
    """Each case `times` times, of each command, if `only`, an expression, is found in its name."""
    rows = []
    for name in CASES:
        asked = {case: do for case, do in _CASES.items() if re.search(only, f"{case}, {name}")}
        if not asked:
            continue
        with Bench(name) as bench:
            for case, do in asked.items():
                row = Row("surroundings", f"{case}, {name}")
                rng = random.Random(f"{seed} {row.case}")
                for number in range(times):
                    bench.clear()
                    do(bench, row, rng, f"{number + 1} of seed {seed}")
                print(row, flush=True)
                rows.append(row)
    return rows


def _full_disk(bench: Bench, row: Row, rng: random.Random, called: str) -> None:
    limit = int(10 ** rng.uniform(3.7, 5.5))  # what is printed is a file too

    def work() -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        return bench.command()

    end = forked.run(work, bench.printed)
    _failed(bench, row, end, (0, 1), f"{called}, files of at most {limit} bytes")
    _goes_on(bench, row, f"{called}, after a disk of {limit} bytes")


def _read_only(bench: Bench, row: Row, rng: random.Random, called: str) -> None:
    """As someone who may read all and write nothing here."""

    def work() -> int:
        if os.getuid() == 0:
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
        return bench.command()

    os.chmod(bench.folder.parent, 0o755)
    os.chmod(bench.folder, 0o555)
    end = forked.run(work, bench.printed)
    os.chmod(bench.folder, 0o755)
    _failed(bench, row, end, (1, 2), f"{called}, read-only")


def _closed_pipe(bench: Bench, row: Row, rng: random.Random, called: str) -> None:
    """The command's own report goes to a pipe that nobody reads."""
    reader, writer = os.pipe()

    def work() -> int:
        os.dup2(writer, 1)
        os.close(reader)
        os.close(writer)
        return bench.command()

    child = forked.start(work, bench.printed)
    os.close(writer)
    os.read(reader, rng.choice((1, 100)))  # nothing, where nothing is printed
    os.close(reader)
    code = forked.wait(child, 600)
    end = forked.End(forked.kill(child) if code is None else code, bench.printed.read_text())
    _failed(bench, row, end, (0, 128 + signal.SIGPIPE), f"{called}, a closed pipe")


def _two_at_once(bench: Bench, row: Row, rng: random.Random, called: str) -> None:
    prints = [bench.printed.with_name(f"printed {n}") for n in range(2)]
    children = [forked.start(bench.command, path) for path in prints]
    codes = [forked.wait(child, 1200) for child in children]
    ends = [
        forked.End(forked.kill(child) if code is None else code, path.read_text())
        for child, code, path in zip(children, codes, prints, strict=True)
    ]
    for end in ends:
        if end.code not in (0, 1, 2) or UNFORESEEN in end.output or "Traceback" in end.output:
            row.fault(f"{called}: ended with {end.code}: {_short(end)}")
    if all(end.code for end in ends):
        row.fault(f"{called}: both failed: {'; '.join(map(_short, ends))}")
    if bench.there() != bench.new:
        row.fault(f"{called}: the output is {bench.there()}")
    for line in bench.left():
        row.fault(f"{called}: {line}")
    row.count(f"{sum(end.code == 0 for end in ends)} succeeded")


def _signal(number: signal.Signals) -> Callable[[Bench, Row, random.Random, str], None]:
    def do(bench: Bench, row: Row, rng: random.Random, called: str) -> None:
        moment = rng.uniform(0, bench.seconds)
        child = forked.start(bench.command, bench.printed)
        code = forked.wait(child, moment)
        if code is None:
            os.kill(child, number)
            code = forked.wait(child, 600)
            code = forked.kill(child) if code is None else code
        end = forked.End(code, bench.printed.read_text())
        called = f"{called}, {number.name} after {moment:.2f} s"
        _failed(bench, row, end, (0, 128 + number), called)
        _goes_on(bench, row, called)

    return do


_CASES = {
    "full disk": _full_disk,
    "read-only": _read_only,
    "closed pipe": _closed_pipe,
    "two at once": _two_at_once,
    **{signal.Signals(number).name: _signal(signal.Signals(number))
       for number in interrupts.SIGNALS},
}  # fmt: skip


def _failed(bench: Bench, row: Row, end: forked.End, codes: tuple[int, ...], called: str) -> None:
    """Counts an end, and what is wrong with it: the code, more than a line, the output."""
    there = bench.there()
    row.count(f"exit {end.code}")
    if end.code not in codes or UNFORESEEN in end.output or "Traceback" in end.output:
        row.fault(f"{called}: ended with {end.code}: {_short(end)}")
    if end.code not in (0, 128 + signal.SIGPIPE) and "freevocab: " not in end.output:
        row.fault(f"{called}: no line says why: {_short(end)}")
    if there not in (bench.old, bench.new) or (end.code == 0 and there != bench.new):
        row.fault(f"{called}: ended with {end.code}, the output is {there}")
    for line in bench.left():
        row.fault(f"{called}: {line}")


def _goes_on(bench: Bench, row: Row, called: str) -> None:
    for line in bench.wrong(bench.go().code):
        row.fault(f"{called}, the same again: {line}")


def _short(end: forked.End) -> str:
    return " ".join(end.output.split())[-300:]
