"""How far bits/byte scatter over seeds (Table 11): what every other difference is held against.

    freevocab reproduce compressed_text/seed_spread [--scale hours|gpu|paper]

The same training five times, with other initial weights and another order of the data, for
equal-info windows and for BPE. A claim about trained models counts where a difference exceeds twice
the widest of these spreads (`freevocab claims`).

cpu: novels, M1 = byte 5-gram, M2 "mini", 100 steps of 16 x 128 tokens of 12 bits, 20 s each. Five
  seeds: EqualInfo 2.772 +- .015, BPE 2.309 +- .008 bits/byte.
hours: novels, M2 "small", 650 steps of 8 x 512 tokens of 12 bits, a sixth of those of the other
  tables, with a whole schedule of their own. Not yet run.
gpu: text in $FREEVOCAB_DATA, W = 16, M2 25m, 250 steps of 64 x 512. Not yet run.
paper: C4, 25m, 200,000 steps of 256 x 512. The paper, five seeds: Bytes 1.2899 +- .0020,
  SentencePiece 1.1171 +- .0006, AC 1.4573 +- .0001, StaticAC 4.6936 +- .0005, EqualInfo (8-bit
  tokens) W=16 1.4724 +- .0044, GZip 2.3374 +- .0061 bits/byte. Not run here.

Shapes of the first row on 8 devices, parameters and optimizer, at the paper's ratio (a test):
  gpu: 92,413,952 parameters (25,165,824 kernels), 9.42 MFLOPs/byte, 374.0 MB a device
  paper: 92,413,952 parameters (25,165,824 kernels), 15.42 MFLOPs/byte, 282.3 MB a device
"""

from dataclasses import dataclass, replace

from configs.compressed_text import presets
from configs.compressed_text.presets import TrainedTable
from configs.shared import CodecConfig, M1Config, M2Config

SEEDS = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Config(TrainedTable):
    """A trained table, several times."""

    seeds: tuple[int, ...] = SEEDS
    """Each stands in for `seed` in turn."""


def rows(window: int, vocab_size: int, beta: int = 0) -> tuple[CodecConfig, ...]:
    """The paper's windows, a token each, and BPE."""
    return (
        CodecConfig(
            "equal_info", window_bits=window, bits_per_token=window, closing="point", beta=beta
        ),
        CodecConfig("bpe", vocab_size=vocab_size),
    )


def cpu() -> Config:
    """Ten short trainings that share one compiled step."""
    return Config(
        **presets.CPU,
        codecs=rows(12, 4096),
        m2=M2Config(size="mini", steps=100, padded_vocab_size=4224),
    )


def hours() -> Config:
    """Ten trainings of a sixth of the steps."""
    return Config(
        **presets.HOURS,
        codecs=rows(12, 4096, beta=12),
        m2=replace(presets.HOURS_M2, steps=650, padded_vocab_size=4224),
    )


def gpu() -> Config:
    """The paper's widths at 25m."""
    return Config(
        **dict(presets.GPU, m1=M1Config(order=6, beta=14)),
        codecs=rows(16, 65_536),
        m2=replace(presets.GPU_WIDE_M2, steps=250),
        train_bytes=60_000_000,
    )


def paper() -> Config:
    """The paper's training."""
    return Config(
        **presets.PAPER,
        codecs=rows(16, 65_536),
        m2=presets.PAPER_WIDE_M2,
        train_bytes=150_000_000_000,
    )


def quick() -> Config:
    """Two steps, for tests."""
    return Config(
        **presets.QUICK,
        codecs=rows(12, 300),
        train_bytes=4_000,
        valid_bytes=2_000,
        seeds=(0, 1),
    )
