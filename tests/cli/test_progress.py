"""Durations and costs in words."""

import dataclasses

import pytest

from research.cli import progress


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (89, "89 s"), (90, "1.5 min"), (3600, "60.0 min"), (7200, "2.0 h")]
    + [(3 * 86400, "3 days")],
)
def test_durations(seconds, words):
    assert progress.duration(seconds) == words


def test_the_clock():
    assert [progress.clock(seconds) for seconds in (0, 61.9, 3725)] == ["0:00", "1:01", "62:05"]


def test_what_is_trained_is_found_in_a_part():
    @dataclasses.dataclass(frozen=True)
    class Model:
        steps: int = 2_000
        batch_size: int = 16
        length: int = 128

    @dataclasses.dataclass(frozen=True)
    class Config:
        m2: Model = Model()

    words = "2,000 steps of 16 x 128 tokens a model"
    assert progress.training(Config()) == progress.training(Model()) == words
    assert progress.training(Config(m2=None)) is None
