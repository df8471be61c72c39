"""GZip with and without its header and footer (Table 10).

    freevocab reproduce compressed_text/gzip_header [--scale gpu|paper]

cpu: novels, M2 "mini" (524 k kernels), 150 steps of 16 x 128 tokens of 8 and 12 bits. Of 8
  bits, 6.88 are left with the header and 7.01 without (counts by place leave 7.10 and 7.22), of 12
  bits 11.28 and 11.41 (11.24 and 11.37). The header's ids are the same in every text, and so few
  that a longer sequence would hardly show them. One seed.
hours: the setting of main_results' hours, tokens of 8 and 12 bits.
gpu: text in $FREEVOCAB_DATA, M2 25m, 500 steps of 64 x 512, tokens of 8 and 16 bits. Not yet run.
paper: C4, 25m, 200,000 steps of 256 x 512. The paper: ratio 2.24 / 2.23 and 2.35 / 2.33 bits/byte
  without / with header at v=256; 4.47 / 4.46 and 2.92 / 2.91 at v=65,536. Not run here.

Shapes of the first row on 8 devices, parameters and optimizer, at the paper's ratio (a test):
  gpu: 92,413,952 parameters (25,165,824 kernels), 22.42 MFLOPs/byte, 374.0 MB a device
  paper: 92,413,952 parameters (25,165,824 kernels), 22.42 MFLOPs/byte, 282.3 MB a device
"""

from configs.compressed_text import presets
from configs.compressed_text.presets import TrainedTable
from configs.shared import CodecConfig, M1Config, M2Config


def rows(narrow: int, wide: int) -> tuple[CodecConfig, ...]:
    """Both headers at both widths."""
    return tuple(
        CodecConfig("gzip", bits_per_token=bits, header=header)
        for bits in (narrow, wide)
        for header in (True, False)
    )


def cpu() -> TrainedTable:
    """Four rows, one compiled step for each width."""
    return TrainedTable(
        **dict(presets.CPU, m1=M1Config()),
        codecs=rows(8, 12),
        m2=M2Config(size="mini"),
    )


def hours() -> TrainedTable:
    """Both headers at both widths."""
    return TrainedTable(
        **presets.HOURS,
        codecs=rows(8, 12),
        m2=presets.HOURS_M2,
        weights="committed",
    )


def gpu() -> TrainedTable:
    """The paper's widths."""
    return TrainedTable(
        **presets.GPU,
        codecs=rows(8, 16),
        m2=presets.GPU_WIDE_M2,
        train_bytes=100_000_000,
    )


def paper() -> TrainedTable:
    """The paper's training."""
    return TrainedTable(
        **presets.PAPER,
        codecs=rows(8, 16),
        m2=presets.PAPER_WIDE_M2,
        train_bytes=120_000_000_000,
    )


def quick() -> TrainedTable:
    """Two steps, for tests."""
    return TrainedTable(
        **presets.QUICK,
        codecs=rows(8, 12)[:2],
        train_bytes=8_000,
        valid_bytes=1_000,
    )
