"""What every benchmark ends with: one table on the terminal and, if asked for, a JSON file."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

FIELDS = (
    "benchmark", "rows", "config", "seeds", "versions", "hardware", "commit", "date",
)  # fmt: skip
"""Of a file. Those that were measured before they had all of them have nulls, and "notes"."""


def finish(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    config: Mapping[str, Any],
    seeds: Sequence[int],
    out: str | Path | None,
) -> None:
    """Prints `rows` (equal keys) and writes them; see `write`."""
    columns = list(rows[0])
    cells = [[str(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for line in (columns, *cells):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))
    write(name, rows, config, seeds, out)


def write(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    config: Mapping[str, Any],
    seeds: Sequence[int],
    out: str | Path | None,
) -> None:
    """Writes `rows` with what made them, the versions of peers among it; nothing without `out`.

    Args:
      config: the options that the benchmark ran with.
      seeds: of what is random in it; empty if nothing is.
    """
    if out is None:
        return
    from research.files import write_json
    from research.reporting import results

    origin = results.origin()
    for peer in ("constriction", "subbreaker"):
        try:
            origin["versions"][peer] = metadata.version(peer)
        except metadata.PackageNotFoundError:
            continue
    facts = {"benchmark": name, "rows": rows, "config": config, "seeds": seeds}
    write_json(out, results.plain(facts) | origin)
