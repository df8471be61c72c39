"""`freevocab list`: every table with its scales, the time to expect and the last result."""

from dataclasses import dataclass
from pathlib import Path

from research import units
from research.cli import catalog, progress
from research.reporting import results, tables


@dataclass(frozen=True)
class List:
    """Every table and figure: scales, expected time, last result. Main tables are starred."""

    workdir: Path = Path("runs")
    """Results under WORKDIR/results are shown in place of the committed ones."""


def run(options: List) -> None:
    """Prints the list."""
    measured = results.load_all(results.COMMITTED, options.workdir / "results")
    rows = []
    for table in catalog.tables():
        row = {"table": table.path + " *" * table.main, "what": table.experiment().TITLE}
        for scale in catalog.SCALES:
            if not hasattr(table.configuration(), scale):
                row[scale] = None
                continue
            last = measured.get(table.key(scale))
            seconds = progress.expected_seconds(table, scale, measured)
            when = last.date if last else "not yet run"
            row[scale] = f"{units.duration(seconds)}, {when}" if seconds is not None else when
        rows.append(row)
    columns = ["table", "what", *catalog.SCALES]
    progress.console().print(tables.terminal("", columns, rows))
    print("Each scale: expected time, date of the last result. Run one: freevocab reproduce TABLE")
