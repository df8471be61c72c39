"""The table `reasoning`: it runs, its figures are the paper's, its intervals are paired."""

import functools

import numpy as np
import pytest

from configs.lexinvariant import reasoning as configs
from experiments.lexinvariant import reasoning, task_scores
from experiments.shared.tables import pick
from tests.experiments.table_checks import check_table


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return reasoning.run(
        configs.quick(), workdir=tmp_path_factory.mktemp("reasoning"), log=lambda line: None
    )


def test_the_quick_configuration_runs(rows):
    check_table(reasoning, rows)
    cells = [row for row in rows if row["model"] == "canonical" and "accuracy" in row]
    assert [(row["task"], row["symbols"]) for row in cells] == [
        (task, symbols)
        for task in ("LookUp", "Permutation")
        for symbols in ("uniform", "by frequency")
    ]
    chances = [row for row in rows if row["model"] == reasoning.CHANCE]
    assert len(chances) == 4 and all(row["accuracy"] == 100 / 130 for row in chances)


def test_the_papers_rows_have_its_ratios():
    ratios = {
        (symbols, kind): pick(reasoning.PAPER_ROWS, task=f"both, {kind}", symbols=symbols)["ratio"]
        for symbols in ("uniform", "by frequency")
        for kind in (reasoning.RATIO_OF_MEANS, reasoning.MEAN_OF_RATIOS)
    }
    assert ratios["uniform", reasoning.RATIO_OF_MEANS] == pytest.approx(3.04, abs=0.005)
    assert ratios["uniform", reasoning.MEAN_OF_RATIOS] == pytest.approx(4.94, abs=0.005)
    assert ratios["by frequency", reasoning.RATIO_OF_MEANS] == pytest.approx(1.38, abs=0.005)
    lost = [row for row in reasoning.PAPER_ROWS if row.get("gain", 0) < 0]
    assert [(row["text"], row["task"]) for row in lost] == [("Wiki-40B", "LookUp")]


def test_gains_are_paired():
    """A model that is right where the standard is, and on ten prompts more, is surely above it."""
    compared = functools.partial(task_scores.compared, resamples=2000, seed=0)
    standard = np.arange(400) % 2.0
    better = np.maximum(standard, np.arange(400) < 20)
    row = compared(better, standard)
    assert row["gain"] == pytest.approx(2.5) and row["above_standard"] is True
    low, high = map(float, row["gain_interval"].split(" to "))
    assert 0.9 < low < 2.0 and 3.0 < high < 4.6  # unpaired: -4.4 to 9.4
    assert row["ratio"] == pytest.approx(1.05)
    shuffled = np.random.default_rng(0).permutation(better)
    assert compared(shuffled, standard)["above_standard"] is None
    assert compared(standard, better)["above_standard"] is False
    none = compared(better, np.zeros(400))
    assert "ratio" not in none and none["above_standard"] is True
    assert set(compared(better, None)) == {"interval"}


def test_remarks_follow_the_rows(rows):
    where = {"task": "LookUp", "symbols": "uniform", "model": "canonical"}
    (index,) = (i for i, row in enumerate(rows) if all(row.get(key) == where[key] for key in where))
    for accuracy in (90.0, 20.0):  # more, and less, than copying any of the four values has
        changed = [*rows]
        changed[index] = rows[index] | {"accuracy": accuracy}
        (line,) = (
            line
            for line in reasoning.remarks(changed)
            if line.startswith("canonical beside standard in LookUp, symbols uniform")
        )
        assert f": {accuracy:.1f} % against" in line
        assert ("below a copy" in line) == (accuracy == 20.0)
