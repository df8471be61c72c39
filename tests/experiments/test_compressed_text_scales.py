"""The gpu and paper configurations, lowered on eight devices without memory, as their records say.

A record line reads

    gpu: 92,408,064 parameters (25,165,824 kernels), 24.80 MFLOPs/byte, 69.3 MB a device
"""

import dataclasses
import functools
import importlib

import jax
import pytest

from configs import compressed_text
from configs.shared import M2Config
from experiments.compressed_text import m2
from research.evaluation import per_byte
from research.models import sizes
from research.training.compile import matmul_flops
from tests.experiments.lowering import Lowered, compressed_text_step, lower

TRAINED = [
    name
    for name in compressed_text.TABLES
    if hasattr(importlib.import_module(f"configs.compressed_text.{name}").paper(), "m2")
]


@functools.cache
def lowered(config: M2Config, vocab_size: int) -> tuple[Lowered, int]:
    """The training step on eight devices, and FLOPs of a token forward."""
    step = compressed_text_step(config, vocab_size)
    forward = matmul_flops(jax.make_jaxpr(step.loss)(step.params, step.batch))
    return lower(step), forward // (config.batch_size * config.length)


def first_codec(config):
    return config.codecs[0] if hasattr(config, "codecs") else config.codec


def vocabulary(name: str, config) -> int:
    """Ids of M2 in the first row, BOS and EOS included."""
    codec = first_codec(config)
    ids = 256 if codec.kind == "bytes" else 2**codec.bits_per_token
    return ids + (256 + 3 if name == "learn_the_coder" else 2)


PAPERS_RATIOS = {
    "bytes": {8: 1.0, 16: 1.0},
    "gzip": {8: 2.23, 16: 4.46},
    "ac": {8: 5.49, 16: 10.98},
    ("equal_info", 16): {8: 2.66, 16: 5.31},
    ("equal_info", 64): {8: 4.16, 16: 8.33},
}


def papers_ratio(codec) -> float:
    """Bytes a token of the first row, from the paper's tables."""
    key = ("equal_info", codec.window_bits) if codec.kind == "equal_info" else codec.kind
    return PAPERS_RATIOS[key][codec.bits_per_token]


@pytest.mark.parametrize("scale", ["gpu", "paper"])
@pytest.mark.parametrize("name", TRAINED)
def test_the_record_is_what_is_lowered(name, scale):
    module = importlib.import_module(f"configs.compressed_text.{name}")
    config = getattr(module, scale)()
    of_m2 = config.m2
    if hasattr(config, "sizes"):
        of_m2 = dataclasses.replace(of_m2, size=config.sizes[0])
    vocab_size = vocabulary(name, config)
    model = m2.model_config(of_m2, vocab_size)
    lowered_step, forward_flops = lowered(of_m2, vocab_size)
    kernels = sizes.kernel_count(m2.trunk_config(of_m2))
    codec = first_codec(config)
    cost = per_byte.flops_per_byte(
        m2.parameters(of_m2), papers_ratio(codec), m2.m1_flops(codec, config.m1)
    )
    line = (
        f"{scale}: {lowered_step.parameters:,} parameters ({kernels:,} kernels),"
        f" {cost / 1e6:.2f} MFLOPs/byte, {lowered_step.device_bytes / 1e6:.1f} MB a device"
    )
    assert line in " ".join(module.__doc__.split())
    # Two FLOPs for each kernel and readout entry, and what attention adds.
    expected = 2 * kernels + 2 * model.rows * model.trunk.d_model
    attention = (
        4 * of_m2.length * model.trunk.num_layers * model.trunk.num_heads * (model.trunk.head_dim)
    )
    assert forward_flops == pytest.approx(expected + attention, rel=1e-4)
