"""The command line of every benchmark: its options, one table, and with --out a JSON file."""

import argparse
import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

FIELDS = (
    "benchmark", "rows", "config", "seeds", "versions", "hardware", "commit", "date",
)  # fmt: skip
"""Of a file. Those that were measured before they had all of them have nulls, and "notes"."""


def main(
    name: str,
    run: Callable[..., Sequence[dict[str, Any]]],
    doc: str | None,
    *,
    options: Callable[..., Any] | None = None,
    seeds: Sequence[int] = (0,),
    show: Callable[[dict[str, Any]], str] | None = None,
) -> None:
    """Runs a benchmark as the command line says, prints its rows and writes them to --out.

    Args:
      run: options -> rows with equal keys.
      doc: of the benchmark; its first line is the help's.
      options: what has the options as parameters with defaults, if not `run` itself.
      seeds: of what is random in it; empty if nothing is.
      show: row -> the line that is printed for it; None: a table of all columns.
    """
    parser = argparse.ArgumentParser(
        description=(doc or "").splitlines()[0],
        epilog=inspect.getdoc(options or run),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option, parameter in inspect.signature(options or run).parameters.items():
        flag, default = f"--{option.replace('_', '-')}", parameter.default
        if isinstance(default, bool):
            parser.add_argument(flag, action="store_true")
        elif isinstance(default, tuple):
            parser.add_argument(flag, type=type(default[0]), nargs="+", default=default)
        else:
            parser.add_argument(flag, type=type(default), default=default, help=f"({default})")
    parser.add_argument("--out", help="JSON file to write, with versions and hardware")
    config = vars(parser.parse_args())
    out = config.pop("out")
    rows = run(**config)
    if show is not None:
        print("\n".join(map(show, rows)))
    else:
        _print_table(rows)
    if out is not None:
        write(name, rows, config, seeds, out)


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    columns = list(rows[0])
    cells = [[str(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for line in (columns, *cells):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))


def write(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    config: Mapping[str, Any],
    seeds: Sequence[int],
    out: str | Path,
) -> None:
    """Writes `rows` with what made them, the versions of peers among it."""
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
