"""Which tables exist: pairs of an experiment and its configuration, found by name."""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from research.cli.arguments import unknown
from research.errors import UsageError

SCALES = ("cpu", "gpu", "paper")


class Table(NamedTuple):
    """A table or figure of a paper; its modules are imported when they are asked for."""

    paper: str
    name: str

    @property
    def path(self) -> str:
        return f"{self.paper}/{self.name}"

    def experiment(self) -> ModuleType:
        """experiments/<paper>/<table>.py: TITLE, COLUMNS, PAPER_ROWS, run, remarks."""
        return importlib.import_module(f"experiments.{self.paper}.{self.name}")

    def configuration(self) -> ModuleType:
        """configs/<paper>/<table>.py: cpu(), gpu(), paper(), quick()."""
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


def tables() -> list[Table]:
    """Every table that has both an experiment and a configuration, main tables first."""
    import configs
    import experiments

    found = []
    for paper in sorted(set(_modules(configs)) & set(_modules(experiments))):
        both = set(_modules(configs, paper)) & set(_modules(experiments, paper))
        main = [name for name in configs.MAIN_TABLES.get(paper, ()) if name in both]
        found += [Table(paper, name) for name in main + sorted(both - set(main))]
    return found


def select(target: str | None) -> list[Table]:
    """The tables that `PAPER`, `PAPER/TABLE`, `PAPER/all`, `all` or nothing stands for.

    Nothing and `PAPER` stand for the main tables, which configs.MAIN_TABLES lists.

    Raises:
      UsageError: if there is no such paper or table.
    """
    import configs

    known = tables()
    if target == "all":
        return known
    main = [table for table in known if table.name in configs.MAIN_TABLES.get(table.paper, ())]
    if target is None:
        return main
    paper, _, name = target.partition("/")
    of_paper = [table for table in known if table.paper == paper]
    if not of_paper:
        papers = dict.fromkeys(table.paper for table in known)
        raise UsageError(unknown("paper", paper, papers))
    if name == "all":
        return of_paper
    if name:
        named = [table for table in of_paper if table.name == name]
        if not named:
            raise UsageError(unknown("table", name, [table.name for table in of_paper]))
        return named
    return [table for table in main if table.paper == paper]


def _modules(package: ModuleType, paper: str | None = None) -> list[str]:
    """Names of the packages in `package`, or of the plain modules in its subpackage `paper`."""
    folders = [str(Path(folder, paper or "")) for folder in package.__path__]
    return [
        module.name
        for module in pkgutil.iter_modules(folders)
        if module.ispkg == (paper is None) and not module.name.startswith("_")
    ]
