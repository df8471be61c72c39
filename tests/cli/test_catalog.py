"""The real tables: every one that a paper lists or that has a file is complete."""

import importlib
import pkgutil

import pytest

import configs
import experiments
from research.cli import catalog
from research.errors import UsageError


def modules(package, paper):
    folder = importlib.import_module(f"{package.__name__}.{paper}").__path__
    return {module.name for module in pkgutil.iter_modules(folder)}


PAPERS = [module.name for module in pkgutil.iter_modules(configs.__path__) if module.ispkg]


@pytest.mark.parametrize("paper", PAPERS)
def test_a_configuration_has_an_experiment_and_is_listed(paper):
    tables = modules(configs, paper) - {"presets", "hours", "setting"}  # what tables share
    listed = importlib.import_module(f"configs.{paper}").TABLES
    assert tables <= set(listed)
    assert tables == {table.name for table in catalog.tables() if table.paper == paper}
    assert set(importlib.import_module(f"configs.{paper}").MAIN) <= set(listed)


@pytest.mark.parametrize("table", catalog.tables(), ids=lambda table: table.path)
def test_an_experiment_offers_what_the_command_line_needs(table):
    experiment = table.experiment()
    assert experiment.TITLE and callable(experiment.run) and callable(experiment.remarks)
    columns = list(experiment.COLUMNS)
    assert len(set(columns)) == len(columns)
    for row in experiment.PAPER_ROWS:
        assert set(row) <= {*columns, "group"} and row.get(columns[0]) is not None


def test_targets():
    known = catalog.tables()
    assert catalog.select("all") == known
    assert catalog.select(None) == [table for table in known if table.main]
    for paper in {table.paper for table in known}:
        of_paper = [table for table in known if table.paper == paper]
        assert catalog.select(f"{paper}/all") == of_paper
        assert catalog.select(paper) == [table for table in of_paper if table.main]
        assert catalog.select(of_paper[0].path) == of_paper[:1]
    with pytest.raises(UsageError, match="unknown paper"):
        catalog.select("no_such_paper")
    assert experiments.__path__
