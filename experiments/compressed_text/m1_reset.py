"""How often M1's context is reset (Table 9, Fig 12)."""

from pathlib import Path

from experiments.compressed_text import pictures
from experiments.compressed_text.verdict_parts import learned_of
from experiments.shared import m2_pipeline
from experiments.shared.tables import Log, Row, remarks_on

TITLE = "Resetting M1's context (Table 9, Fig 12)"
COLUMNS = m2_pipeline.M2_COLUMNS
MEANING = m2_pipeline.M2_MEANING
picture = pictures.draw_learned
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


def remarks(rows: list[Row]) -> list[str]:
    """How much of its ids each M2 has learned."""
    lines = []
    for vocabulary in sorted({row["vocabulary"] for row in rows}):
        of = [row for row in rows if row["vocabulary"] == vocabulary]
        lines.append(f"V = {vocabulary:,}, learned of a token's bits: {learned_of(of)}")
    return remarks_on(rows, *lines)
