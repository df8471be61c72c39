"""Bits/byte and FLOPs/byte of an M2 on every way from text to ids (Table 15, Figures 3 and 4)."""

import dataclasses
import re
from pathlib import Path

from experiments.compressed_text import pictures
from experiments.compressed_text.verdict_parts import learned_of
from experiments.shared import m2_pipeline
from experiments.shared.tables import Log, Row, pick, remarks_on

TITLE = "Bits/byte against FLOPs/byte (Tables 15 and 17, Figures 3 and 4)"
COLUMNS = (
    "method",
    "size",
    "vocabulary",
    "ratio",
    "bits_per_byte",
    "mflops_per_byte",
    "bits_per_token",
    "by_position",
    "train_bytes",
    "lost_share",
    "bits_per_byte_all",
    "seconds",
)
MEANING = {
    **m2_pipeline.M2_MEANING,
    "size": "M2's name, whose kernels the FLOPs are counted from",
}

SIZES = ("25m", "113m", "403m", "2b")
summary, picture = pictures.summary, pictures.draw


def _group(method: str) -> str:
    """What a row stands for, whatever the width of its windows."""
    return re.sub(r" W=\d+", "", method)


def _paper(method, vocabulary, ratio, bits, mflops):
    return [
        {
            "method": method,
            "group": _group(method),
            "size": size,
            "vocabulary": vocabulary,
            "ratio": ratio,
            "bits_per_byte": value,
            "mflops_per_byte": cost,
        }
        for size, value, cost in zip(SIZES, bits, mflops, strict=True)
    ]


PAPER_ROWS: list[Row] = [
    *_paper("Bytes", 256, 1.0, (1.29, 1.16, 1.08, 1.03), (50.0, 226, 806, 4000)),
    *_paper(
        "SentencePiece", 32_000, 4.28, (1.12, 1.01, 0.94, 0.87), (11.69, 52.82, 188.37, 934.84)
    ),
    *_paper("AC", 256, 5.49, (1.46, 1.46, 1.46, 1.46), (15.11, 47.17, 152.81, 734.6)),
    *_paper("AC", 65_536, 10.98, (1.46, 1.46, 1.46, 1.46), (10.55, 26.58, 79.41, 370.3)),
    *_paper("StaticAC", 256, 1.73, (4.61, 4.61, 4.61, 4.61), (28.90, None, None, 2310)),
    *_paper("StaticAC", 65_536, 3.46, (4.60, 4.60, 4.62, 4.62), (14.45, None, None, 1160)),
    *_paper(
        "EqualInfo W=16", 256, 2.66, (1.47, 1.23, 1.09, 0.99), (24.80, 90.96, 309.01, 1510)
    ),
    *_paper(
        "EqualInfo W=16", 65_536, 5.31, (1.25, 1.12, 1.02, 0.94), (15.42, 48.56, 157.79, 759.30)
    ),
    # Table 17, "Delay": the windows that our point+delay makes decodable.
    *_paper(
        "EqualInfo W=16 point+delay", 256, 2.20, (1.50, 1.25, 1.11, 1.00), (None,) * len(SIZES)
    ),
    *_paper(
        "EqualInfo W=16 point+delay",
        65_536,
        4.40,
        (1.23, 1.11, 1.01, 0.93),
        (17.36, 57.36, 190.18, 915.09),
    ),
    *_paper("GZip", 256, 2.23, (2.34, 1.93, 1.69, 1.56), (22.42, 101.35, 361.43, 1790)),
    *_paper("GZip", 65_536, 4.47, (2.92, 2.69, 2.48, 2.26), (11.19, 50.56, 180.31, 894.85)),
]


weights_of = m2_pipeline.weights_of


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """One row for each codec and size of M2; each M2 is a folder that `generate` opens."""
    rows = []
    for size in config.sizes:
        sized = dataclasses.replace(config, m2=dataclasses.replace(config.m2, size=size))
        models = None if config.weights else workdir / "models" / size
        trained = m2_pipeline.train_rows(sized, workdir, log, table="main_results", models=models)
        for row in trained:
            rows.append({"group": _group(row["method"]), "size": size} | row)
    return rows


def remarks(rows: list[Row]) -> list[str]:
    """How much of its ids each M2 has learned, and what the paper's comparison lacks."""
    lines: list[str | None] = []
    for size in dict.fromkeys(row["size"] for row in rows):
        of = [row for row in rows if row["size"] == size]
        lines.append(f"at {size}, learned of a token's bits: {learned_of(of)}")
        subwords, pairs = (pick(of, method=name) for name in ("SentencePiece", "BPE"))
        if subwords and pairs:
            lines.append(
                f"at {size}, BPE of {pairs['vocabulary']:,} entries, which the paper lacks:"
                f" {pairs['bits_per_byte']:.3f} against SentencePiece's"
                f" {subwords['bits_per_byte']:.3f}"
            )
    lossy = [row for row in rows if row["lost_share"] is None]
    if lossy:
        names = ", ".join(dict.fromkeys(row["method"] for row in lossy))
        lines.append(f"encode only, nothing can be read back: {names} (the paper's rule)")
    return remarks_on(rows, *lines)
