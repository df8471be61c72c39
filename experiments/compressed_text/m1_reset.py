"""How often M1's context is reset (Table 9, Fig 12)."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.compressed_text import setting, wording

TITLE = "Resetting M1's context (Table 9, Fig 12)"
COLUMNS = setting.M2_COLUMNS
PAPER_ROWS: list[dict[str, Any]] = [
    {
        "method": method,
        "vocabulary": vocabulary,
        "size": "403m",
        "ratio": ratio,
        "bits_per_byte": bits,
    }
    for method, vocabulary, ratio, bits in (
        ("EqualInfo W=16", 256, 2.66, 1.092),
        ("EqualInfo W=16 reset=every-other", 256, 3.40, 1.748),
        ("EqualInfo W=16 reset=never", 256, 5.33, 1.501),
        ("EqualInfo W=16", 65_536, 5.31, 1.015),
        ("EqualInfo W=16 reset=every-other", 65_536, 6.80, 1.697),
        ("EqualInfo W=16 reset=never", 65_536, 10.66, 1.501),
    )
]


def run(config, *, workdir: Path, log: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row for each codec of the config."""
    return setting.train_rows(config, workdir, log, table="m1_reset")


def remarks(rows: list[dict[str, Any]]) -> list[str]:
    """The ratio grows with M1's memory, and what M2 can learn vanishes."""
    lines: list[str | None] = []
    for vocabulary in sorted({row["vocabulary"] for row in rows}):
        of = {_reset(row): row for row in rows if row["vocabulary"] == vocabulary}
        policies = [name for name in ("every", "every-other", "never") if name in of]
        lines.append(wording.ordering(
            f"the longer M1 remembers, the better it compresses (ratio, V = {vocabulary})",
            [(name, of[name]["ratio"]) for name in policies],
        ))
        bits = math.log2(vocabulary)
        lines.append(wording.ordering(
            "the longer M1 remembers, the less M2 can learn (share of a token's bits left,"
            f" V = {vocabulary})",
            [(name, of[name]["bits_per_token"] / bits) for name in policies],
        ))
        if "never" in of and "every" in of:
            lines.append(wording.statement(
                f"resetting at every window has the fewest bits/byte, V = {vocabulary}",
                min(of.values(), key=lambda row: row["bits_per_byte"]) is of["every"],
                ", ".join(f"{name} {of[name]['bits_per_byte']:.3f}" for name in policies),
            ))
    return wording.compact(*lines, wording.text(rows))


def _reset(row: dict[str, Any]) -> str:
    return row["method"].partition("reset=")[2] or "every"
