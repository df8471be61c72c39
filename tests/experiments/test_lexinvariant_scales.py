"""The gpu and paper configurations, lowered on eight devices without memory, as their records say.

A record line reads, of the first model of the table (a character is a byte),

    gpu: 25,231,872 parameters (25,165,824 kernels), 50.33 MFLOPs/byte, 37.9 MB a device
"""

import functools
import importlib

import pytest

from configs import lexinvariant
from configs.shared import ModelConfig
from research.evaluation import per_byte
from tests.experiments.lowering import Lowered, kernels, lexinvariant_step, lower, models_of


def trained():
    """(table, scale, its different models)."""
    for name in lexinvariant.TABLES:
        module = importlib.import_module(f"configs.lexinvariant.{name}")
        for scale in ("gpu", "paper"):
            if models := models_of(getattr(module, scale)()):
                yield name, scale, tuple(dict.fromkeys(models))


CASES = list(trained())


@functools.cache
def lowered(model: ModelConfig) -> tuple[Lowered, int]:
    """The training step on eight devices, and the trunk's kernels."""
    return lower(lexinvariant_step(model)), kernels(model)


@pytest.mark.parametrize(("name", "scale", "models"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_the_record_is_what_is_lowered(name, scale, models):
    lowered_step, kernel_count = lowered(models[0])
    # A table's models differ in their vocabularies; each kind is lowered once.
    for model in models[1:]:
        assert lowered(model)[1] > 0
    cost = per_byte.flops_per_byte(kernel_count, 1.0, 0.0)
    line = (
        f"{scale}: {lowered_step.parameters:,} parameters ({kernel_count:,} kernels),"
        f" {cost / 1e6:.2f} MFLOPs/byte, {lowered_step.device_bytes / 1e6:.1f} MB a device"
    )
    docstring = importlib.import_module(f"configs.lexinvariant.{name}").__doc__
    assert line in " ".join(docstring.split())
