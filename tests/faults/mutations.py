"""Damaged files of every format: only errors of the project's own, no silent change where a digest
is there, bounded memory and time.

Number N of a format under a seed is always the same damage, so that a finding can be repeated:
`python -m tests.faults mutations --only "FORMAT" --first N --times 1`.
"""

import hashlib
import os
import random
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults import forked
from tests.faults.formats import FORMATS, Format
from tests.faults.mutate import mutated, mutated_json
from tests.faults.record import Row

SECONDS = 120
"""A reading that takes longer is a fault. (It takes milliseconds, on an idle machine.)"""


def run(times: int, seed: int, first: int, only: str) -> list[Row]:
    """`times` damaged files of each format in whose name `only`, an expression, is found."""
    return [_row(name, times, seed, first) for name in FORMATS if re.search(only, name)]


def _row(name: str, times: int, seed: int, first: int) -> Row:
    row = Row("mutations", name)
    with tempfile.TemporaryDirectory(prefix="freevocab-faults-") as folder:
        place = Path(folder)
        (place / "specimen").mkdir()
        end = forked.run(lambda: _specimen(FORMATS[name], place), place / "printed")
        if end.code:
            row.fault(f"no specimen: {end.output}")
        number = first + times if end.code else first
        while number < first + times:
            number = _some(row, name, seed, number, first + times, place)
    print(row, flush=True)
    return row


def _specimen(format_: Format, place: Path) -> None:
    """The undamaged files and the digest of what is read of them."""
    format_.make(place / "specimen")
    shutil.copytree(place / "specimen", place / "copy")
    (place / "digest").write_text(digest(format_.read(place / "copy")))


def _some(row: Row, name: str, seed: int, number: int, end: int, place: Path) -> int:
    """Has a child read damaged files from `number` on, until it ends; the number to go on from.

    The child appends a line for each that it has read; so what it died of is the next.
    """
    lines = place / "lines"
    lines.write_text("")
    child = forked.start(
        lambda: _read_all(FORMATS[name], name, seed, number, end, place),
        place / "printed",
        memory=forked.MEMORY,
    )
    done, since, code = 0, time.monotonic(), None
    while code is None:
        code = forked.wait(child, 0.5)
        written = lines.read_text().count("\n")
        if written > done:
            done, since = written, time.monotonic()
        elif code is None and time.monotonic() - since > SECONDS:
            code = forked.kill(child)
    for line in lines.read_text().splitlines():
        outcome, _, what = line.partition("\t")
        row.count(outcome, f"number {number}: {what}" if what else None)
        number += 1
    if number < end:
        late = time.monotonic() - since > SECONDS
        why = f"more than {SECONDS} s" if late else f"the process ended with {code}"
        printed = " ".join((place / "printed").read_text("utf-8", "replace").split())[-300:]
        row.count("late" if late else "died", f"number {number}: {why}: {printed}")
        number += 1
    return number


def _read_all(format_: Format, name: str, seed: int, number: int, end: int, place: Path) -> None:
    expected = (place / "digest").read_text()
    with open(place / "lines", "a", encoding="utf-8") as lines:
        for each in range(number, end):
            shutil.rmtree(place / "work", ignore_errors=True)
            shutil.copytree(place / "specimen", place / "work")
            changed = damage(format_, place / "work", random.Random(f"{seed} {name} {each}"))
            outcome, finding = _outcome(format_, place / "work", changed, expected)
            lines.write(f"{outcome}\t{' '.join(finding.split())}\n")
            lines.flush()


def damage(format_: Format, folder: Path, rng: random.Random) -> Path:
    """Damages one file of a folder; returns which."""
    paths = {path for glob in format_.files for path in folder.glob(glob) if path.is_file()}
    path = rng.choice(sorted(paths))
    content = path.read_bytes()
    as_json = path.suffix == ".json" and rng.random() < 0.6
    path.write_bytes(mutated_json(content, rng) if as_json else mutated(content, rng))
    return path


def _outcome(format_: Format, folder: Path, changed: Path, expected: str) -> tuple[str, str]:
    """What came of it, and what is wrong with that, if anything."""
    from research.errors import FreevocabError

    name = changed.relative_to(folder)
    try:
        same = digest(format_.read(folder)) == expected
    except FreevocabError as error:
        line = str(error)
        return "refused", "" if line and "\n" not in line else f"{name}: not one line: {line!r}"
    except MemoryError:
        return "memory", f"{name}: no memory left of {forked.MEMORY:,} bytes"
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return "unexpected", f"{name}: {type(error).__name__}: {error} ({_where(error)})"
    guarded = any(changed in folder.glob(glob) for glob in format_.guarded)
    if not same and guarded:
        return "changed", f"{name}: read as something else, and not noticed"
    return ("same" if same else "changed"), ""


def _where(error: BaseException) -> str:
    """The last line of ours that an error came through."""
    step, place = error.__traceback__, "?"
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if f"{os.sep}research{os.sep}" in file:
            place = f"{file.split(os.sep + 'research' + os.sep)[-1]}:{step.tb_lineno}"
        step = step.tb_next
    return place


def digest(value: Any) -> str:
    """Of any nesting of arrays, bytes, texts, numbers and None."""
    state = hashlib.sha256()

    def add(part: Any) -> None:
        if isinstance(part, dict):
            add(sorted(part))
            add([part[key] for key in sorted(part)])
        elif isinstance(part, list | tuple):
            state.update(b"(%d" % len(part))
            for each in part:
                add(each)
        elif isinstance(part, np.ndarray | np.generic):
            array = np.asarray(part)
            state.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
        else:
            assert part is None or isinstance(part, bytes | str | int | float), type(part)
            state.update(f"{type(part).__name__} {part!r};".encode("utf-8", "surrogatepass"))

    add(value)
    return state.hexdigest()
