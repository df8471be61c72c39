"""Numbers in words."""

import pytest

from research import units


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (89, "89 s"), (90, "1.5 min"), (3600, "60.0 min"), (7200, "2.0 h")]
    + [(3 * 86400, "3 days")],
)
def test_durations(seconds, words):
    assert units.duration(seconds) == words


def test_the_clock():
    assert [units.stopwatch(seconds) for seconds in (0, 61.9, 3725)] == ["0:00", "1:01", "62:05"]
    assert units.countdown(3725) == "1:02:05"
    assert units.countdown(59.6) == "1:00"


def test_one_of_a_thing_has_no_s():
    words = [units.counted(number, "block") for number in (0, 1, 1234)]
    assert words == ["0 blocks", "1 block", "1,234 blocks"]
    assert units.counted(2, "entry", "entries") == "2 entries"


def test_quantities():
    assert units.quantity(1234567) == "1.23M"
    assert units.quantity(999, "B") == "999 B"
    assert units.quantity(999_999, "B") == "1 MB"
