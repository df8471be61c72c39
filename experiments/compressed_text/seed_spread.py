"""Bits/byte of the same training under several seeds (Table 11)."""

import dataclasses
import functools
import statistics
from pathlib import Path

from experiments.compressed_text import m2_pipeline
from experiments.shared import compressors
from experiments.shared.tables import Log, Row, remarks_on, with_corpus
from research.reporting import results

TITLE = "Spread over seeds (Table 11)"
COLUMNS = (
    "method", "vocabulary", "size", "seeds", "bits_per_byte", "spread", "least", "most",
    "train_bytes", "seconds",
)  # fmt: skip
MEANING = {
    "seeds": "how many",
    "bits_per_byte": "mean over seeds",
    "spread": "standard deviation over seeds",
    "least": "of the seeds' bits/byte",
    "most": "of the seeds' bits/byte",
    "train_bytes": "of one training",
    "seconds": "of one training",
}
PAPER_ROWS: list[Row] = [
    {
        "method": method,
        "vocabulary": vocabulary,
        "size": "25m",
        "seeds": 5,
        "bits_per_byte": bits,
        "spread": spread,
    }
    for method, vocabulary, bits, spread in (
        ("Bytes", 256, 1.2899, 0.0020),
        ("SentencePiece", 32_000, 1.1171, 0.0006),
        ("AC", 256, 1.4573, 0.0001),
        ("StaticAC", 256, 4.6936, 0.0005),
        ("EqualInfo W=16", 256, 1.4724, 0.0044),
        ("EqualInfo W=32", 256, 2.0457, 0.0058),
        ("EqualInfo W=64", 256, 1.8494, 0.0052),
        ("EqualInfo W=128", 256, 1.7121, 0.0003),
        ("GZip", 256, 2.3374, 0.0061),
    )
]


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """One row for each codec, of all its seeds."""
    corpus = compressors.load_corpus(config.corpus)
    codecs = m2_pipeline.build_codecs(config, corpus, workdir, log)
    rows = []
    for codec_config, codec in zip(config.codecs, codecs.values(), strict=True):
        by_seed = []
        for seed in config.seeds:
            log(f"{compressors.method(codec_config)}, seed {seed}")
            seeded = dataclasses.replace(config, seed=seed)
            measure = functools.partial(
                m2_pipeline.train_and_evaluate, codec_config, codec, corpus, seeded, workdir, log
            )
            which = [compressors.folder(codec_config), seed]
            by_seed.append(results.once(workdir, config, which, measure))
        bits = [row["bits_per_byte"] for row in by_seed]
        first = {name: by_seed[0][name] for name in COLUMNS if name in by_seed[0]}
        rows.append(
            first
            | {
                "seeds": len(bits),
                "bits_per_byte": statistics.mean(bits),
                "spread": statistics.stdev(bits),
                "least": min(bits),
                "most": max(bits),
            }
        )
    return with_corpus(rows, corpus)


def remarks(rows: list[Row]) -> list[str]:
    """What another difference has to exceed."""
    widest = max(rows, key=lambda row: row["spread"])
    return remarks_on(
        rows,
        f"a difference in bits/byte counts above {2 * widest['spread']:.4f}, twice the widest"
        f" spread ({widest['method']}); the paper's widest is .0061 (GZip)",
    )
