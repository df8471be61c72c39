"""Rows made random in training: the quick configuration, and what its figures are."""

import math

import pytest

from configs.lexinvariant import random_rows as configs
from experiments.lexinvariant import random_rows as table
from tests.experiments.table_checks import check_table


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return table.run(configs.quick(), workdir=tmp_path_factory.mktemp("table"), log=[].append)


def test_a_row_for_each_variant_and_two_floors(rows):
    check_table(table, rows)
    names = [(row["random"], row.get("p")) for row in rows]
    assert names == [
        ("drawn", 0.2), ("permuted", 1.0), ("all drawn (gaussian)", 1.0),
        ("counts in the sequence", None), ("uniform", None),
    ]  # fmt: skip


def test_learned_rows_begin_as_long_as_drawn_ones(rows):
    for row in rows[:2]:
        assert all(0.8 < row[f"norm {part}"] < 1.2 for part in table.PARTS)
        assert row["norm_spread"] > 0
    assert "norm 25" not in rows[2]


def test_a_drawn_table_reads_renamed_text_as_it_is(rows):
    assert rows[2]["nats"] == rows[2]["nats_renamed"]
    # With every id permuted in training, renaming changes nothing but the draws.
    assert rows[1]["nats_renamed"] == pytest.approx(rows[1]["nats"], abs=0.3)
    assert rows[4]["nats"] == pytest.approx(math.log(27)) and rows[3]["nats"] < rows[4]["nats"]
