"""How well M2 predicts each token of a long window, by position and training step (Figure 10).

    freevocab reproduce compressed_text/position_accuracy [--scale gpu|paper]

cpu: novels, M1 = byte 5-gram, W = 48 (beta 12), tokens of 6 bits: eight to a window, as in the
  paper's W = 64 with tokens of 8. M2 "mini", 400 steps of 16 x 128, looked at four times. In the
  end 2.5 % are right at positions 1 and 2, 1.5 to 1.8 % (one in 64 is 1.6 %) at the others: so
  short a training opens two places, and those hardly. One seed.
gpu: text in $FREEVOCAB_DATA, W = 64, tokens of 8 bits, M2 25m, 2,000 steps of 64 x 512. Not yet
  run.
paper: C4, 3m Transformer, 403m, 200,000 steps of 256 x 512. The paper (a figure): positions unlock
  from left to right; #3 above #2 above #1, over 8 %, #4 below 4 %, later ones lower, and from #4
  on only after 10,000 steps. Not run here.

Shapes of the first row on 8 devices, parameters and optimizer, at the paper's ratio (a test):
  gpu: 25,567,232 parameters (25,165,824 kernels), 12.02 MFLOPs/byte, 39.8 MB a device
  paper: 403,502,080 parameters (402,653,184 kernels), 199.75 MFLOPs/byte, 206.6 MB a device
"""

from dataclasses import dataclass, replace

from configs.compressed_text import presets
from configs.shared import CodecConfig, ExampleConfig, M1Config, M2Config


@dataclass(frozen=True)
class Config:
    """One codec; looks: how often on the way its positions are evaluated."""

    corpus: str
    m1: M1Config
    codec: CodecConfig
    m2: M2Config
    train_bytes: int
    valid_bytes: int
    looks: int
    examples: ExampleConfig = ExampleConfig()
    seed: int = 0


def cpu() -> Config:
    """48-bit windows of eight tokens."""
    return Config(
        **presets.CPU,
        codec=CodecConfig("equal_info", window_bits=48, bits_per_token=6, closing="point"),
        m2=M2Config(size="mini", steps=400),
        looks=4,
    )


def gpu() -> Config:
    """64-bit windows of eight tokens."""
    return Config(
        **presets.GPU,
        codec=CodecConfig("equal_info", window_bits=64, bits_per_token=8, closing="point"),
        m2=replace(presets.GPU_M2, steps=2_000),
        train_bytes=100_000_000,
        looks=8,
    )


def paper() -> Config:
    """The paper's training."""
    return Config(
        **presets.PAPER,
        codec=CodecConfig("equal_info", window_bits=64, bits_per_token=8, closing="point"),
        m2=replace(presets.PAPER_M2, size="403m"),
        train_bytes=110_000_000_000,
        looks=40,
    )


def quick() -> Config:
    """Two steps, for tests."""
    return Config(
        **presets.QUICK,
        codec=CodecConfig("equal_info", window_bits=48, bits_per_token=12, closing="point"),
        train_bytes=8_000,
        valid_bytes=1_000,
        looks=1,
    )
