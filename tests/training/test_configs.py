"""What a run cannot be asked for is refused before it begins."""

import math

import pytest

from research.cli.evaluate import Evaluate
from research.cli.generate import Generate
from research.cli.train import TrainM2
from research.cli.train_m1 import TrainM1
from research.errors import UsageError
from research.training.config import OptimizerConfig, TrainConfig

WRONG = [
    (TrainConfig, {"steps": -1}),
    (TrainConfig, {"steps": 1, "log_every": 0}),
    (TrainConfig, {"steps": 1, "seed": 2**32}),
    (OptimizerConfig, {"learning_rate": math.nan}),
    (OptimizerConfig, {"learning_rate": -1.0}),
    (OptimizerConfig, {"clip_norm": math.inf}),
    (OptimizerConfig, {"warmup_steps": -1}),
    (OptimizerConfig, {"warmup_steps": 2**31}),
    (OptimizerConfig, {"beta1": -1.0}),
    (OptimizerConfig, {"beta2": 1.0}),
    (OptimizerConfig, {"beta2": math.nan}),
    (OptimizerConfig, {"epsilon": math.inf}),
    (OptimizerConfig, {"decay_rate": -math.inf}),
    (OptimizerConfig, {"clip_threshold": 0.0}),
    (OptimizerConfig, {"final_fraction": 1.5}),
    (OptimizerConfig, {"min_factored": -1}),
    (OptimizerConfig, {"momentum": 1.0}),
    (TrainConfig, {"steps": 2**31}),
    (TrainM2, {"batch_size": 2**31}),
    (TrainM1, {"length": 0}),
    (TrainM2, {"batch_size": 0}),
    (TrainM2, {"steps": 0}),
    (TrainM2, {"max_bytes": 0}),
    (TrainM2, {"seed": -1}),
    (TrainM2, {"save_every": -1}),
    (TrainM2, {"z_loss": math.nan}),
    (Evaluate, {"model": "m2", "length": 0}),
    (Evaluate, {"model": "m2", "length": 2**31}),
    (Generate, {"model": "m2", "seed": 2**70}),
]


@pytest.mark.parametrize(("kind", "fields"), WRONG, ids=str)
def test_values_out_of_range_are_named(kind, fields):
    with pytest.raises(UsageError, match=[*fields][-1]):
        kind(**fields)


def test_the_least_values_are_allowed():
    assert TrainConfig(steps=0, save_every=0, seed=2**32 - 1).seed == 2**32 - 1
    assert TrainM2(chunk_size=None, max_bytes=1, eval_every=0).max_bytes == 1
