"""Bits/byte by the window's size, both token widths (Table 16, Figures 5 and 6).

    freevocab reproduce compressed_text/window_size [--scale gpu|paper]

cpu: novels, M1 = byte 5-gram, W = 12, 24, 48, 96 (beta 12) for the paper's 16, 32, 64, 128, tokens
  of 6 and 12 bits for 8 and 16; M2 "mini" (524 k kernels), 90 steps of 16 x 128. 6.4
  minutes on 2 busy cores. W = 12 is learned in part (10.11 of 12 bits a token), W = 24 hardly
  (11.92), longer ones not at all, so that the longest window, nearest to M1, is best: 2.170
  bits/byte, W = 12 2.805. One seed.
hours: the setting of main_results' hours, W = 12, 24, 48, 96 (beta 12), tokens of 12 bits.
gpu: text in $FREEVOCAB_DATA, W = 16, 24, 32, 64, 128, M2 25m, 300 steps of 64 x 512. Not yet run.
paper: C4, 3m Transformer, 403m (and 25m, 113m, 2b by --set m2.size=25m), 200,000 steps of
  256 x 512. The paper at 403m: 1.09 / 1.02 (W = 16), 1.394 / 1.249 (24), 1.83 / 1.74 (32),
  1.80 / 1.79 (64), 1.71 / 1.68 (128), standard deviation .006 at 25m. Not run here.

Shapes of the first row on 8 devices, parameters and optimizer, at the paper's ratio (a test):
  gpu: 92,413,952 parameters (25,165,824 kernels), 18.80 MFLOPs/byte, 374.0 MB a device
  paper: 537,195,520 parameters (402,653,184 kernels), 309.01 MFLOPs/byte, 741.9 MB a device
"""

from dataclasses import replace

from configs.compressed_text import presets
from configs.compressed_text.presets import TrainedTable
from configs.shared import CodecConfig, M2Config


def rows(windows: tuple[int, ...], bits: tuple[int, ...], beta: int = 0) -> tuple[CodecConfig, ...]:
    """Greedy windows, as in the paper."""
    return tuple(
        CodecConfig("equal_info", window_bits=window, bits_per_token=n, closing="point", beta=beta)
        for window in windows
        for n in bits
    )


def cpu() -> TrainedTable:
    """Windows and tokens three quarters of the paper's width."""
    return TrainedTable(
        **presets.CPU,
        codecs=rows((12, 24, 48, 96), (6, 12)),
        m2=M2Config(size="mini", steps=90),
    )


def hours() -> TrainedTable:
    """Three quarters of the paper's widths; one token a window or more."""
    return TrainedTable(
        **presets.HOURS,
        codecs=rows((12, 24, 48, 96), (12,), beta=12),
        m2=presets.HOURS_M2,
        weights="committed",
    )


def gpu() -> TrainedTable:
    """The paper's widths, a count-based M1."""
    return TrainedTable(
        **presets.GPU,
        codecs=rows((16, 24, 32, 64, 128), (8, 16)),
        m2=replace(presets.GPU_WIDE_M2, steps=300),
        train_bytes=40_000_000,
    )


def paper() -> TrainedTable:
    """The paper's training."""
    return TrainedTable(
        **presets.PAPER,
        codecs=rows((16, 24, 32, 64, 128), (8, 16)),
        m2=replace(presets.PAPER_WIDE_M2, size="403m"),
        train_bytes=250_000_000_000,
    )


def quick() -> TrainedTable:
    """Two steps, for tests."""
    return TrainedTable(
        **presets.QUICK,
        codecs=rows((12, 24), (12,)),
        train_bytes=8_000,
        valid_bytes=1_000,
    )
