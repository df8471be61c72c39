"""GZip's header and footer: ratio and bits/byte with and without (Table 10)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.compressed_text import setting, wording

TITLE = "GZip with and without header and footer (Table 10)"
COLUMNS = setting.M2_COLUMNS
PAPER_ROWS: list[dict[str, Any]] = [
    {"method": m, "vocabulary": v, "size": "25m", "ratio": ratio, "bits_per_byte": bits}
    for m, v, ratio, bits in (
        ("GZip", 256, 2.23, 2.33),
        ("GZip no header", 256, 2.24, 2.35),
        ("GZip", 65_536, 4.46, 2.91),
        ("GZip no header", 65_536, 4.47, 2.92),
    )
]


def run(config, *, workdir: Path, log: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row for each codec of the config."""
    return setting.train_rows(config, workdir, log, table="gzip_header")


def remarks(rows: list[dict[str, Any]]) -> list[str]:
    """Does leaving the header out matter, and do wider tokens hurt GZip?"""
    lines = []
    for vocabulary in sorted({row["vocabulary"] for row in rows}):
        kept = wording.pick(rows, method="GZip", vocabulary=vocabulary)
        bare = wording.pick(rows, method="GZip no header", vocabulary=vocabulary)
        if kept and bare:
            gap = bare["bits_per_byte"] - kept["bits_per_byte"]
            lines.append(wording.statement(
                f"the header changes at most .02 bits/byte, V = {vocabulary}",
                abs(gap) <= 0.02,
                f"{gap:+.3f} without it",
            ))
    pairs = sorted((row["vocabulary"], row["bits_per_byte"]) for row in rows
                   if row["method"] == "GZip")
    return wording.compact(*lines, wording.ordering(
        "wider tokens make GZip harder to learn",
        [(f"V = {v}", bits) for v, bits in pairs],
        margin=wording.SEEDS,
    ), wording.text(rows))
