"""Rows that a table has finished, kept until the whole table is: an interrupted run reads them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from research import files
from research.reporting import environment, results


def kept(
    workdir: str | Path, config: Any, facts: Any, make: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """The row that `make` measures, or that it measured before the table was interrupted.

    Rows are kept under `workdir` for the configuration, commit and versions; none are where no
    commit names the code.

    Args:
      config: the table's dataclass.
      facts: what makes the row another than the table's others, as JSON values.
    """
    commit = environment.commit()
    if not environment.is_clean(commit):
        return make()
    name = results.key(facts, commit, environment.versions())
    path = _folder(workdir, config) / f"{name}.json"
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # ValueError: damaged; then it is measured again
        row = results.plain(make())
        files.write_json(path, row)
    return row


def forget(workdir: str | Path, config: Any) -> None:
    """Removes the rows of a configuration."""
    shutil.rmtree(_folder(workdir, config), ignore_errors=True)


def _folder(workdir: str | Path, config: Any) -> Path:
    kind = f"{type(config).__module__}.{type(config).__qualname__}"
    return Path(workdir) / "rows" / results.key(kind, config)
