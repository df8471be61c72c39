"""Wide tokens with the same text in a sequence, and with the same number of tokens (Table 6)."""

import functools
from dataclasses import replace
from pathlib import Path

from experiments.compressed_text import m2_pipeline
from experiments.compressed_text.rows import draw_learned
from experiments.shared import compressors
from experiments.shared.tables import Log, Row, remarks_on, with_corpus
from research.reporting import results

TITLE = "Wide tokens, matched by bytes and by tokens (Table 6)"
COLUMNS = ("method", "matched", "length", *m2_pipeline.M2_COLUMNS[1:])
MEANING = {
    "length": "tokens of a sequence",
    "matched": "what the row shares with the first one's sequences",
    **m2_pipeline.M2_MEANING,
}
picture = draw_learned
PAPER_ROWS: list[Row] = [
    {
        "method": "EqualInfo W=16",
        "matched": matched,
        "length": length,
        "vocabulary": vocabulary,
        "size": "25m",
        "ratio": ratio,
        "bits_per_byte": bits,
    }
    for matched, length, vocabulary, ratio, bits in (
        ("-", 512, 256, 2.66, 1.472),
        ("bytes", 256, 65_536, 5.31, 1.287),
        ("tokens", 512, 65_536, 5.31, 1.251),
    )
]


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """One row for each codec and length."""
    corpus = compressors.load_corpus(config.corpus)
    first = config.codecs[0].bits_per_token
    rows = []
    for codec_config, length in zip(config.codecs, config.lengths, strict=True):
        codec = compressors.build_codec(codec_config, config.m1, corpus, workdir, log)
        sized = replace(config, m2=replace(config.m2, length=length))
        measure = functools.partial(
            m2_pipeline.train_and_evaluate, codec_config, codec, corpus, sized, workdir, log
        )
        which = [compressors.folder(codec_config), length]
        row = results.once(workdir, config, which, measure)
        same_bits = length * codec_config.bits_per_token == config.lengths[0] * first
        matched = ("bytes" if same_bits else "tokens") if rows else "-"
        rows.append(row | {"matched": matched, "length": length})
    return with_corpus(rows, corpus)


def remarks(rows: list[Row]) -> list[str]:
    """What the wide token gains, and how much of it with the same text."""
    of = {row["matched"]: row["bits_per_byte"] for row in rows}
    if not {"-", "bytes", "tokens"} <= of.keys():
        return []
    gain, same_text = of["-"] - of["tokens"], of["-"] - of["bytes"]
    return remarks_on(
        rows,
        f"wide tokens gain {gain:.3f} bits/byte, {same_text:.3f} with the same text",
    )
