"""How often M1's context is reset (Table 9, Fig 12)."""

from pathlib import Path

from experiments.compressed_text import m2_pipeline
from experiments.compressed_text.rows import draw_learned, learned_by_width
from experiments.shared.tables import Log, Row

TITLE = "Resetting M1's context (Table 9, Fig 12)"
COLUMNS = m2_pipeline.M2_COLUMNS
MEANING = m2_pipeline.M2_MEANING
picture, remarks = draw_learned, learned_by_width
PAPER_ROWS: list[Row] = [
    {
        "method": method,
        "vocabulary": vocabulary,
        "size": "403m",
        "ratio": ratio,
        "bits_per_byte": bits,
    }
    for method, vocabulary, ratio, bits in (
        ("EqualInfo W=16", 256, 2.66, 1.092),
        ("EqualInfo W=16 reset=every-other", 256, 3.40, 1.748),
        ("EqualInfo W=16 reset=never", 256, 5.33, 1.501),
        ("EqualInfo W=16", 65_536, 5.31, 1.015),
        ("EqualInfo W=16 reset=every-other", 65_536, 6.80, 1.697),
        ("EqualInfo W=16 reset=never", 65_536, 10.66, 1.501),
    )
]


weights_of = m2_pipeline.weights_of


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """One row for each codec of the config."""
    return m2_pipeline.train_rows(config, workdir, log, table="m1_reset")
