"""The three pictures and tables of the README, from committed records and from parts of them."""

import importlib

import pytest

from experiments.lexinvariant import position_windows
from research.cli import catalog
from research.reporting import results, tables

MAIN = [table.path for table in catalog.select(None) if hasattr(table.experiment(), "picture")]
COMMITTED = results.load_all(results.COMMITTED)


@pytest.mark.parametrize("table", MAIN)
@pytest.mark.parametrize("few", [1, 3, 1000])
def test_a_picture_and_a_table_of_whatever_rows_there_are(table, few, tmp_path):
    paper, name = table.split("/")
    experiment = importlib.import_module(f"experiments.{paper}.{name}")
    rows = COMMITTED[paper, name, "cpu"].rows[:few]
    drawn = experiment.picture(tmp_path / "1.png", "Title", rows, experiment.PAPER_ROWS)
    assert drawn == (tmp_path / "1.png").exists() and (drawn or few == 1)


@pytest.mark.parametrize("table", catalog.select(None), ids=lambda table: table.path)
@pytest.mark.parametrize("few", [1, 3, 1000])
def test_every_main_table_has_a_summary_of_whatever_rows_there_are(table, few):
    experiment, rows = table.experiment(), COMMITTED[(*table, "cpu")].rows[:few]
    columns, lines = experiment.summary(rows, experiment.PAPER_ROWS)
    assert 0 < len(lines) <= len(rows) and len(columns) <= 8
    assert tables.markdown(columns, lines).count("\n") == len(lines) + 2


def test_what_learned_nothing_is_marked_and_stands_last():
    experiment = importlib.import_module("experiments.compressed_text.main_results")
    rows = [
        {"method": name, "group": name, "size": "s", "vocabulary": 4096, "ratio": 4.0,
         "bits_per_byte": bits, "mflops_per_byte": 1.0}
        for name, bits in (("AC", 3.0), ("GZip", 3.01), ("BPE", 2.0))
    ]  # fmt: skip
    _, lines = experiment.summary(rows, experiment.PAPER_ROWS)
    assert [line["method"] for line in lines] == ["BPE", "AC (= its M1)", "GZip (= uniform)"]
    assert [line["learned"] for line in lines] == ["33 %", "0 %", "0 %"]


def test_the_floor_is_the_best_of_every_window():
    rows = [
        {"model": "n-gram, order 0", "start 1": 40.0, "start 50": 30.0},
        {"model": "gzip", "start 1": 90.0, "start 50": 20.0},
        {"model": "new ids alone", "start 1": 1.0, "start 50": 1.0},  # no model, but a bound
    ]
    found = position_windows.floor(rows)
    assert (found["start 1"], found["start 50"]) == (40.0, 20.0)
    assert found["model"].startswith("best of 2 floors")
