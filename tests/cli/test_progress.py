"""Costs in words."""

import dataclasses

from research.cli import progress


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
