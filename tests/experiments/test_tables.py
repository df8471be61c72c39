"""What all tables use: remarks and the difference that a statement needs."""

import pytest

from experiments.shared.tables import DIFFERENCE, pick, remarks_on, slug, statement
from research.reporting import claims, results

RECORDS = results.load_all(results.COMMITTED)
SPREADS = {
    key: claims.spread_of({key: record}, key[-1])
    for key, record in RECORDS.items()
    if key[:2] in (claims.SEED_SPREAD, claims.TWO_SEEDS)
}


@pytest.mark.parametrize("key", SPREADS, ids="/".join)
def test_a_difference_exceeds_twice_every_spread_of_seeds_in_the_records(key):
    assert DIFFERENCE > SPREADS[key].margin


def test_the_spread_of_seeds_is_in_the_records():
    assert claims.SEED_SPREAD in {key[:2] for key in SPREADS}


def test_statements_of_ours_hold_or_fail():
    assert statement("a < b", True, "1 and 2") == "holds: a < b (1 and 2)"
    assert statement("a < b", False, "2 and 1").startswith("fails: ")


def test_remarks_end_with_the_text_and_leave_out_what_says_nothing():
    assert remarks_on([{"corpus": "novels"}], "a", None, "") == ["a", "text: novels"]
    assert remarks_on([{}], "a") == remarks_on([], "a") == ["a"]


def test_a_row_is_picked_by_its_columns():
    rows = [{"a": 1, "b": 2}, {"a": 1, "b": 3}]
    assert pick(rows, a=1) is rows[0] and pick(rows, a=1, b=3) is rows[1]
    assert pick(rows, a=2) is pick(rows, c=1) is None


@pytest.mark.parametrize(
    ("label", "folder"),
    [
        ("gaussian + n-gram heads", "gaussian-n-gram-heads"),
        ("equal-info W=14", "equal-info-w-14"),
        ("BPE 5.6k", "bpe-5-6k"),
        ("(old) GPT/2 ", "old-gpt-2"),
    ],
)
def test_a_label_names_a_folder(label, folder):
    assert slug(label) == folder
