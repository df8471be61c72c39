"""Hostile hands: kills at random moments, damaged files, and what surrounds a run going wrong.

    python -m tests.faults kills --times 500
    python -m tests.faults mutations --times 100000
    python -m tests.faults surroundings --times 10

Each prints what should not have happened, ends with 1 if there was something, and puts its counts
into results/benchmarks/faults.json, with versions, hardware, commit, date and seed.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.faults import forked, record

KINDS = ("kills", "mutations", "surroundings", "all")


def main() -> int:
    """Runs one kind; 1 if it found a fault."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--times", type=int, default=10, help="of each case (10)")
    parser.add_argument("--seed", type=int, default=0, help="decides what is done (0)")
    parser.add_argument("--only", default="", help="cases whose name this regular expression finds")
    parser.add_argument("--first", type=int, help="mutations from this number on; no record")
    parser.add_argument("--out", type=Path, default=record.PATH, help="the record's file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="freevocab-compiled-") as compiled:
        # What children compile, the next ones find; the environment is read as JAX is imported.
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", compiled)
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
        forked.warm()
        try:
            rows = _run(options)
        finally:
            forked.kill_all()
    if not rows:
        parser.error(f"no case's name has {options.only!r}")
    config = {"times": options.times, "seed": options.seed, "only": options.only}
    faults = sum(row.faults for row in rows)
    print(f"{sum(row.times for row in rows):,} times, {faults} faults")
    if options.first is None:
        record.write(rows, config, options.out)
    return 1 if faults else 0


def _run(options: argparse.Namespace) -> list[record.Row]:
    from tests.faults import kills, mutations, surroundings

    times, seed, only = options.times, options.seed, options.only
    rows = []
    if options.kind in ("mutations", "all"):
        rows += mutations.run(times, seed, options.first or 0, only)
    if options.kind in ("kills", "all"):
        rows += kills.run(times, seed, only)
    if options.kind in ("surroundings", "all"):
        rows += surroundings.run(times, seed, only)
    return rows


if __name__ == "__main__":
    sys.exit(main())
