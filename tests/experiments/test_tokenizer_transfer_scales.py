"""The gpu and paper configurations, lowered on eight devices without memory, as their records say.

A record line reads, of the table's base model and its hypernetwork's training step,

    gpu: model 57,936,384 parameters (25,165,824 kernels), network 5,257,728 parameters,
      12.3 TFLOPs a step, 120.0 MB a device
"""

import functools
import importlib

import pytest

from configs import tokenizer_transfer
from configs.tokenizer_transfer import presets
from research.training.compile import matmul_flops
from tests.experiments.lowering import entries, hypernetwork_step, kernels, lower

TABLES = [name for name in tokenizer_transfer.TABLES if name != "amortization"]
CASES = [(name, scale) for name in TABLES for scale in ("gpu", "paper")]


def setting_of(name, scale):
    config = getattr(importlib.import_module(f"configs.tokenizer_transfer.{name}"), scale)()
    return config if isinstance(config, presets.TransferConfig) else config.setting


@functools.cache
def lowered(setting):
    """Lowers a training step of the hypernetwork on eight devices; sizes and FLOPs."""
    of = lower(hypernetwork_step(setting))
    return {
        "model": entries(of.params["model"]),
        "kernels": kernels(setting.model),
        "network": entries(of.params["hypernetwork"]),
        "tflops": matmul_flops(of.traced.jaxpr) / 1e12,
        "device": of.device_bytes,
    }


@pytest.mark.parametrize(("name", "scale"), CASES, ids=["-".join(case) for case in CASES])
def test_the_record_is_what_is_lowered(name, scale):
    found = lowered(setting_of(name, scale))
    line = (
        f"{scale}: model {found['model']:,} parameters ({found['kernels']:,} kernels),"
        f" network {found['network']:,} parameters, {found['tflops']:.2f} TFLOPs a step,"
        f" {found['device'] / 1e6:.0f} MB a device"
    )
    docstring = importlib.import_module(f"configs.tokenizer_transfer.{name}").__doc__
    assert line in " ".join(docstring.split())
