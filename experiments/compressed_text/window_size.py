"""Bits/byte by the size of the window (Table 16, Figs 5 and 6)."""

from pathlib import Path

from experiments.compressed_text import m2_pipeline
from experiments.compressed_text.rows import draw_learned, learned_by_width
from experiments.shared.tables import Log, Row

TITLE = "Window size (Table 16, Figs 5 and 6)"
COLUMNS = m2_pipeline.M2_COLUMNS
MEANING = m2_pipeline.M2_MEANING
picture, remarks = draw_learned, learned_by_width
SIZES = ("25m", "113m", "403m", "2b")


def _paper(window: int, ratios, columns) -> list[Row]:
    return [
        {"method": f"EqualInfo W={window}", "vocabulary": v, "size": size, "ratio": ratio,
         "bits_per_byte": bits}
        for v, ratio, column in zip((256, 65_536), ratios, columns, strict=True)
        for size, bits in zip(SIZES, column, strict=True)
        if bits is not None
    ]


PAPER_ROWS: list[Row] = [
    *_paper(16, (2.66, 5.31), ((1.47, 1.23, 1.09, 0.99), (1.25, 1.12, 1.02, 0.94))),
    *_paper(24, (3.15, 6.30), ((None, None, 1.394, None), (None, None, 1.249, None))),
    *_paper(32, (3.49, 6.97), ((2.05, 1.94, 1.83, 1.65), (1.95, 1.85, 1.74, 1.63))),
    *_paper(64, (4.16, 8.33), ((1.85, 1.82, 1.80, 1.79), (1.82, 1.80, 1.79, 1.76))),
    *_paper(128, (4.61, 9.22), ((1.71, 1.71, 1.71, 1.71), (1.70, 1.69, 1.68, 1.67))),
]


weights_of = m2_pipeline.weights_of


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """One row for each codec of the config."""
    return m2_pipeline.train_rows(config, workdir, log, table="window_size")
