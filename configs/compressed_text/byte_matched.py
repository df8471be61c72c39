"""Is it the structure of wide tokens or the amount of text? Rows matched by bytes (Table 6).

    freevocab reproduce compressed_text/byte_matched [--scale gpu|paper]

Tokens of a whole window against tokens of half a window: over sequences of half as many (the same
text in each), then over as many (twice the text).

cpu: novels, M1 = byte 5-gram, W = 12 (beta 12), tokens of 6 and 12 bits, M2 "mini", 300 steps of
  16 x 128 or 16 x 64. 3.136 bits/byte (6 bits), 2.542 (12 bits, byte-matched), 2.394
  (token-matched): 80 % of the gain with the same text. One seed.
gpu: text in $FREEVOCAB_DATA, W = 16, tokens of 8 and 16 bits, M2 25m, 500 steps of 64 x 512 or
  64 x 256. Not yet run.
paper: C4, 3m Transformer, 25m, 200,000 steps of 256 x 512 or 256 x 256. The paper: 1.472 (8 bits),
  1.287 (16 bits, byte-matched), 1.251 (16 bits, token-matched) bits/byte, each +- .004: 84 % of
  the gain is there with the same text. Not run here.

Shapes of the first row on 8 devices, parameters and optimizer, at the paper's ratio (a test):
  gpu: 92,413,952 parameters (25,165,824 kernels), 18.80 MFLOPs/byte, 374.0 MB a device
  paper: 92,413,952 parameters (25,165,824 kernels), 24.80 MFLOPs/byte, 282.3 MB a device
"""

from dataclasses import dataclass

from configs.compressed_text import presets
from configs.compressed_text.presets import TrainedTable
from configs.shared import CodecConfig, M2Config


@dataclass(frozen=True)
class Config(TrainedTable):
    """A trained table."""

    lengths: tuple[int, ...] = ()
    """Tokens of a sequence, one for each codec."""


def rows(window: int) -> tuple[CodecConfig, ...]:
    """Half a window a token; a whole one, byte-matched; a whole one, token-matched."""
    half, whole = (
        CodecConfig("equal_info", window_bits=window, bits_per_token=n, closing="point")
        for n in (window // 2, window)
    )
    return (half, whole, whole)


def cpu() -> Config:
    """Three shapes of step."""
    return Config(
        **presets.CPU,
        codecs=rows(12),
        lengths=(128, 64, 128),
        m2=M2Config(size="mini", steps=300),
    )


def gpu() -> Config:
    """The paper's widths."""
    return Config(
        **presets.GPU,
        codecs=rows(16),
        lengths=(512, 256, 512),
        m2=presets.GPU_WIDE_M2,
        train_bytes=60_000_000,
    )


def paper() -> Config:
    """The paper's training."""
    return Config(
        **presets.PAPER,
        codecs=rows(16),
        lengths=(512, 256, 512),
        m2=presets.PAPER_WIDE_M2,
        train_bytes=150_000_000_000,
    )


def quick() -> Config:
    """Two steps, for tests."""
    return Config(
        **presets.QUICK,
        codecs=rows(12)[1:],
        lengths=(16, 16),
        train_bytes=8_000,
        valid_bytes=1_000,
    )
