"""Golden text of every configuration: a refactoring cannot change an experiment unnoticed.

`python -m pytest tests/test_configs.py --update-golden` rewrites tests/golden; read the diff.
"""

import dataclasses
import json
from pathlib import Path

import pytest

from research.cli import catalog
from research.reporting import results

GOLDEN = Path(__file__).resolve().parent / "golden"
TABLES = catalog.tables()
SCALES = (*catalog.SCALES, "quick")


def golden_path(table):
    return GOLDEN / table.paper / f"{table.name}.json"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.path)
def test_resolved_configs_are_golden(table, request):
    resolved = {
        scale: results.plain(dataclasses.asdict(table.config(scale)))
        for scale in SCALES
        if hasattr(table.configuration(), scale)
    }
    text = json.dumps(resolved, indent=1, ensure_ascii=False) + "\n"
    path = golden_path(table)
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"{path.name} is missing: run with --update-golden and read it"
    assert path.read_text(encoding="utf-8") == text


def test_no_golden_file_is_left_over():
    assert set(GOLDEN.glob("*/*.json")) == {golden_path(table) for table in TABLES}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.path)
def test_a_config_is_frozen_and_complete(table):
    configuration = table.configuration()
    for scale in ("cpu", "quick"):
        config = table.config(scale)
        assert dataclasses.is_dataclass(config) and type(config).__dataclass_params__.frozen
        assert config == table.config(scale) and hash(config) is not None
    assert {"cpu", "gpu", "paper", "quick"} <= set(vars(configuration))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.path)
def test_the_docstring_is_the_record(table):
    """It gives the command and says something of each scale."""
    text = table.configuration().__doc__
    assert f"freevocab reproduce {table.path}" in text
    for scale in catalog.SCALES:
        if hasattr(table.configuration(), scale):
            assert f"{scale}:" in text
