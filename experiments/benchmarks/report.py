"""What every benchmark ends with: one table on the terminal and, if asked for, a JSON file."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any


def finish(
    name: str, rows: Sequence[Mapping[str, Any]], config: Mapping[str, Any], out: str | None
) -> None:
    """Prints `rows` (equal keys) and writes them to `out` with versions and hardware."""
    columns = list(rows[0])
    cells = [[str(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for line in (columns, *cells):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))
    if out is None:
        return
    from research.files import write_json
    from research.reporting import environment

    versions = environment.versions()
    for peer in ("constriction", "subbreaker"):
        try:
            versions[peer] = metadata.version(peer)
        except metadata.PackageNotFoundError:
            continue
    result = {"benchmark": name, "rows": list(rows), "config": dict(config)}
    write_json(out, result | {"versions": versions, "hardware": environment.hardware()})
