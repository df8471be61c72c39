"""Resetting M1's context at every window, at every other, or never (Table 9, Figure 12).

    freevocab reproduce compressed_text/m1_reset [--scale gpu|paper]

The coder is reset at every window in all rows; only M1 remembers more.

cpu: novels, M1 = byte 5-gram, W = 12 (beta 12), tokens of 6 and 12 bits; M2 "mini", 150 steps of
  16 x 128. Share of a token's bits that M2 leaves, M1 reset every window / every other / never:
  .94 / .99 / 1.00 and .78 / .97 / .99; of M1's loss, so 2.606 / 2.501 / 2.189 bits/byte. One seed.
hours: the setting of main_results' hours, W = 12, tokens of 12 bits.
gpu: text in $FREEVOCAB_DATA, W = 16, M2 25m, 400 steps of 64 x 512. Not yet run.
paper: C4, 3m Transformer, 403m, 200,000 steps of 256 x 512. The paper: 1.092 / 1.015 bits/byte
  (every window), 1.748 / 1.697 (every other), 1.501 / 1.501 (never: what uniform would give).
  Not run here.

Shapes of the first row on 8 devices, parameters and optimizer, at the paper's ratio (a test):
  gpu: 92,413,952 parameters (25,165,824 kernels), 18.80 MFLOPs/byte, 374.0 MB a device
  paper: 537,195,520 parameters (402,653,184 kernels), 309.01 MFLOPs/byte, 741.9 MB a device
"""

from dataclasses import replace

from configs.compressed_text import presets
from configs.compressed_text.presets import TrainedTable
from configs.shared import CodecConfig, M2Config


def rows(window: int, bits: tuple[int, ...], beta: int = 0) -> tuple[CodecConfig, ...]:
    """Three policies at each token width, greedy as in the paper."""
    return tuple(
        CodecConfig(
            "equal_info",
            window_bits=window,
            bits_per_token=n,
            closing="point",
            reset=reset,
            beta=beta,
        )
        for n in bits
        for reset in ("every", "every-other", "never")
    )


def cpu() -> TrainedTable:
    """Windows and tokens three quarters of the paper's width."""
    return TrainedTable(
        **presets.CPU,
        codecs=rows(12, (6, 12)),
        m2=M2Config(size="mini"),
    )


def hours() -> TrainedTable:
    """Windows of twelve bits, one token each."""
    return TrainedTable(
        **presets.HOURS,
        codecs=rows(12, (12,), beta=12),
        m2=presets.HOURS_M2,
        weights="committed",
    )


def gpu() -> TrainedTable:
    """The paper's widths, a count-based M1."""
    return TrainedTable(
        **presets.GPU,
        codecs=rows(16, (8, 16)),
        m2=replace(presets.GPU_WIDE_M2, steps=400),
        train_bytes=50_000_000,
    )


def paper() -> TrainedTable:
    """The paper's training."""
    return TrainedTable(
        **presets.PAPER,
        codecs=rows(16, (8, 16)),
        m2=replace(presets.PAPER_WIDE_M2, size="403m"),
        train_bytes=250_000_000_000,
    )


def quick() -> TrainedTable:
    """Two steps, for tests."""
    return TrainedTable(
        **presets.QUICK,
        codecs=rows(12, (12,)),
        train_bytes=8_000,
        valid_bytes=1_000,
    )
