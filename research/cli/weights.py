"""Models that configurations of scale hours open from the repository, or train again.

The configuration, or the setting in it that tables of a paper share, has a field `weights`
('committed', 'retrain' or '' for none kept), and the experiment says by `weights_of(config)` which
folders of results/<paper>/weights it opens.
"""

import dataclasses
from typing import Any

from research.cli.catalog import Table
from research.errors import UsageError
from research.reporting import results


def source(config: Any) -> str | None:
    """Where the models of a configuration come from; None if it keeps none."""
    return getattr(getattr(config, "setting", config), "weights", None)


def retrained(table: Table, config: Any) -> Any:
    """The configuration that trains its models again.

    Raises:
      UsageError: if it keeps none.
    """
    if not source(config):
        raise UsageError(f"--retrain: {table.path} keeps no models, it measures anew every time")
    if hasattr(config, "setting"):
        return dataclasses.replace(
            config, setting=dataclasses.replace(config.setting, weights="retrain")
        )
    return dataclasses.replace(config, weights="retrain")


def are_there(table: Table, config: Any) -> bool:
    """Whether at least half of the models that a configuration opens are in the repository, and
    so enough of them to be compared; True if it opens none."""
    if source(config) != "committed":
        return True
    names = table.experiment().weights_of(config)
    folder = results.COMMITTED / table.paper / "weights"
    there = sum((folder / name / results.WEIGHTS_RECORD).is_file() for name in names)
    return 2 * there >= len(names)
