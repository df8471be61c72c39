"""The table `compressed_symbols`: it runs, and its floors are floors."""

import math

import pytest

from configs.lexinvariant import compressed_symbols as configs
from experiments.lexinvariant import compressed_symbols as table
from tests.experiments.table_checks import check_table


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return table.run(
        configs.quick(), workdir=tmp_path_factory.mktemp("symbols"), log=lambda line: None
    )


def test_the_quick_configuration_runs(rows):
    check_table(table, rows)
    assert [(row["ids"], row["model"]) for row in rows] == [
        ("characters", "learned"),
        ("characters", "canonical"),
        ("equal-info windows", "learned"),
        ("equal-info windows", "permuted"),
    ]
    assert table.remarks(rows)[-1].startswith("text: synthetic:60000, digest ")


def test_gaps_are_to_the_learned_vocabulary_of_the_same_ids(rows):
    for learned, other in (rows[:2], rows[2:]):
        assert learned["gap"] is None
        assert other["gap"] == other["bits_per_byte"] - learned["bits_per_byte"]


def test_floors_of_a_kind_of_ids(rows):
    for row in rows:
        bits = math.log2(row["vocabulary"])
        assert row["uniform"] == pytest.approx(bits / row["ratio"])
        # No exactly lexinvariant model is below the price of new ids; nor is the n-gram.
        assert 0 < row["new_ids_alone"] < min(row["in_context"], row["uniform"])
        assert row["unigram"] < row["uniform"]
        if row["model"] == table.EXACT:
            assert row["bits_per_byte"] > row["new_ids_alone"]


def test_every_kind_of_ids_has_its_learned_model_first():
    for scale in (configs.cpu(), configs.gpu(), configs.paper(), configs.quick()):
        seen = set()
        for model in scale.models:
            assert model.vocabulary == table.LEARNED or model.ids in seen
            seen.add(model.ids)


@pytest.mark.parametrize(
    ("learned", "canonical", "word"),
    [(2.0, 2.5, "holds"), (2.0, 2.0, "fails"), (3.1, 3.5, "fails")],
)
def test_meaning_needs_both_a_gap_and_something_learned(learned, canonical, word):
    shared = {"ids": "windows", "unigram": 3.0, "new_ids_alone": 1.0, "uniform": 4.0}
    made = [
        shared | {"model": "learned", "bits_per_byte": learned, "gap": None},
        shared | {"model": "canonical", "bits_per_byte": canonical, "gap": canonical - learned},
    ]
    assert table.remarks(made)[0].startswith(word)
