"""GZip's header and footer: ratio and bits/byte with and without (Table 10)."""

from pathlib import Path

from experiments.compressed_text import m2_pipeline
from experiments.compressed_text.rows import draw_learned, learned_of
from experiments.shared.tables import Log, Row, pick, remarks_on

TITLE = "GZip with and without header and footer (Table 10)"
COLUMNS = m2_pipeline.M2_COLUMNS
MEANING = m2_pipeline.M2_MEANING
picture = draw_learned
PAPER_ROWS: list[Row] = [
    {"method": m, "vocabulary": v, "size": "25m", "ratio": ratio, "bits_per_byte": bits}
    for m, v, ratio, bits in (
        ("GZip", 256, 2.23, 2.33),
        ("GZip no header", 256, 2.24, 2.35),
        ("GZip", 65_536, 4.46, 2.91),
        ("GZip no header", 65_536, 4.47, 2.92),
    )
]


weights_of = m2_pipeline.weights_of


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """One row for each codec of the config."""
    return m2_pipeline.train_rows(config, workdir, log, table="gzip_header")


def remarks(rows: list[Row]) -> list[str]:
    """What leaving the header out changes, and how much was learned at all."""
    lines = []
    for vocabulary in sorted({row["vocabulary"] for row in rows}):
        of = [row for row in rows if row["vocabulary"] == vocabulary]
        kept = pick(of, method="GZip")
        bare = pick(of, method="GZip no header")
        if kept and bare:
            gap = bare["bits_per_byte"] - kept["bits_per_byte"]
            lines.append(
                f"V = {vocabulary:,}: {gap:+.3f} bits/byte without the header; learned of a"
                f" token's bits: {learned_of([kept, bare])}"
            )
    return remarks_on(rows, *lines)
