"""The theorem's table: the quick configuration, and that it says when a bound is broken."""

import pytest

from configs.lexinvariant import mixture as configs
from experiments.lexinvariant import mixture as table
from research.lexinvariance import baselines
from research.lexinvariance.tasks import mixtures
from tests.experiments.table_checks import check_table


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    lines = []
    found = table.run(configs.quick(), workdir=tmp_path_factory.mktemp("table"), log=lines.append)
    assert lines
    return found


def test_the_rows_have_the_columns(rows):
    check_table(table, rows)


def test_every_model_and_bound_has_a_row_for_each_length(rows):
    config = configs.quick()
    names = [table.IDEAL, "gaussian", "gaussian, 2 draws", "canonical"]
    names += [table.OUR_BOUND, table.PAPER_BOUND]
    expected = [(name, length) for name in names for length in config.lengths]
    assert [(row["model"], row["length"]) for row in rows] == expected


def test_the_ideal_keeps_its_bounds(rows):
    config = configs.quick()
    for row in rows:
        if row["model"] == table.IDEAL:
            assert row["nearest_bits"] <= row["nearest_key_bits"] + 1e-9
            assert row["nearest_key_bits"] <= baselines.key_bits(4, 4) + 1e-9
            assert row["mean_gap"] <= mixtures.gap_bound(config.alphabet, row["length"])


def test_remarks_say_what_the_rows_say(rows):
    assert table.remarks(rows)[0].startswith("holds: ")
    broken = [row | {"nearest_bits": 99.0} if "nearest_bits" in row else row for row in rows]
    assert table.remarks(broken)[0].startswith("fails: ")
