"""Which tables exist (`freevocab list`): pairs of an experiment and its configuration, by name.

Some configurations of scale hours open models from the repository. Such a configuration, or the
setting in it that tables of a paper share, has a field `weights` ('committed', 'retrain' to train
them again, or ''), and the experiment says by `weights_of(config)` which folders of
results/<paper>/weights it opens.
"""

import dataclasses
import importlib
import importlib.util
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from research import units
from research.cli.arguments import unknown
from research.errors import UsageError
from research.reporting import results
from research.reporting import tables as reporting_tables
from research.reporting.claims import SCALES as SCALES
from research.reporting.claims import Claim
from research.reporting.results import Results


class Table(NamedTuple):
    """A table or figure of a paper; its modules are imported when they are asked for."""

    paper: str
    name: str

    @property
    def path(self) -> str:
        return f"{self.paper}/{self.name}"

    def key(self, scale: str) -> tuple[str, str, str]:
        """What names its result at a scale, as in `results.load_all`."""
        return self.paper, self.name, scale

    def experiment(self) -> ModuleType:
        """experiments/<paper>/<table>.py: TITLE, COLUMNS, MEANING, PAPER_ROWS, run, remarks."""
        return importlib.import_module(f"experiments.{self.paper}.{self.name}")

    def configuration(self) -> ModuleType:
        """configs/<paper>/<table>.py: cpu(), gpu(), paper(), quick(), and hours() where models
        trained for hours are in the repository."""
        return importlib.import_module(f"configs.{self.paper}.{self.name}")

    def config(self, scale: str):
        """The frozen dataclass of one scale.

        Raises:
          UsageError: if the table has no such scale.
        """
        make = getattr(self.configuration(), scale, None)
        if make is None:
            raise UsageError(f"{self.path} has no {scale} scale")
        return make()

    def expected_seconds(self, scale: str, measured: Results) -> float | None:
        """How long it took last time, or what its configuration says; None if nobody knows.

        A configuration may hold EXPECTED_MINUTES, a dict scale -> minutes.
        """
        last = measured.get(self.key(scale))
        if last is not None:
            return last.seconds
        minutes = getattr(self.configuration(), "EXPECTED_MINUTES", {}).get(scale)
        return None if minutes is None else 60 * minutes

    @property
    def main(self) -> bool:
        """Is it run when only its paper is named?"""
        return self.name in importlib.import_module(f"configs.{self.paper}").MAIN


class Job(NamedTuple):
    """A table to run, at which scale, with which frozen dataclass."""

    table: Table
    scale: str
    config: Any

    @property
    def key(self) -> tuple[str, str, str]:
        """`Table.key` at this scale."""
        return self.table.key(self.scale)


def tables() -> list[Table]:
    """Every table that a paper's configs list and that is there, in the order of the list."""
    import configs

    folders = (module for module in pkgutil.iter_modules(configs.__path__) if module.ispkg)
    papers = sorted(folder.name for folder in folders)
    return [
        Table(paper, name)
        for paper in papers
        for name in importlib.import_module(f"configs.{paper}").TABLES
        if _exists(f"configs.{paper}.{name}") and _exists(f"experiments.{paper}.{name}")
    ]


def select(target: str | None) -> list[Table]:
    """The tables that `PAPER`, `PAPER/TABLE`, `PAPER/all`, `all` or nothing stands for.

    Nothing and `PAPER` stand for main tables.

    Raises:
      UsageError: if there is no such paper or table.
    """
    known = tables()
    if target == "all":
        return known
    main = [table for table in known if table.main]
    if target is None:
        return main
    paper, _, name = target.partition("/")
    of_paper = [table for table in known if table.paper == paper]
    if not of_paper:
        raise UsageError(unknown("paper", paper, papers()))
    if name == "all":
        return of_paper
    if name:
        named = [table for table in of_paper if table.name == name]
        if not named:
            raise UsageError(unknown("table", name, [table.name for table in of_paper]))
        return named
    return [table for table in main if table.paper == paper]


def claims(paper: str) -> tuple[Claim, ...]:
    """What a paper claims, as experiments/<paper>/claims.py lists it; nothing without the file."""
    name = f"experiments.{paper}.claims"
    return importlib.import_module(name).CLAIMS if _exists(name) else ()


def papers() -> list[str]:
    """Every paper with tables."""
    return list(dict.fromkeys(table.paper for table in tables()))


def weights_source(config: Any) -> str | None:
    """Where the models of a configuration come from; None if it keeps none."""
    return getattr(getattr(config, "setting", config), "weights", None)


def retrained(table: Table, config: Any) -> Any:
    """The configuration that trains its models again.

    Raises:
      UsageError: if it keeps none.
    """
    if not weights_source(config):
        raise UsageError(f"--retrain: {table.path} keeps no models, it measures anew every time")
    if hasattr(config, "setting"):
        return dataclasses.replace(
            config, setting=dataclasses.replace(config.setting, weights="retrain")
        )
    return dataclasses.replace(config, weights="retrain")


def weights_are_there(table: Table, config: Any) -> bool:
    """Whether at least half of the models that a configuration opens are in the repository, and
    so enough of them to be compared; True if it opens none."""
    if weights_source(config) != "committed":
        return True
    names = table.experiment().weights_of(config)
    folder = results.COMMITTED / table.paper / "weights"
    there = sum((folder / name / results.WEIGHTS_RECORD).is_file() for name in names)
    return 2 * there >= len(names)


@dataclasses.dataclass(frozen=True)
class List:
    """Every table and figure: scales, expected time, last result. Main tables are starred."""

    workdir: Path = Path("runs")
    """Results under WORKDIR/results are shown in place of the committed ones."""


def run(options: List) -> None:
    """Prints the list."""
    measured = results.load_all(results.COMMITTED, options.workdir / "results")
    rows = []
    for table in tables():
        row = {"table": table.path + " *" * table.main, "what": table.experiment().TITLE}
        for scale in SCALES:
            if not hasattr(table.configuration(), scale):
                row[scale] = None
                continue
            last = measured.get(table.key(scale))
            seconds = table.expected_seconds(scale, measured)
            when = last.date if last else "not yet run"
            row[scale] = f"{units.duration(seconds)}, {when}" if seconds is not None else when
        rows.append(row)
    columns = ["table", "what", *SCALES]
    reporting_tables.console().print(reporting_tables.terminal("", columns, rows))
    print("Each scale: expected time, date of the last result. Run one: freevocab reproduce TABLE")


def _exists(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
