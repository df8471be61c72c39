"""One model, each language with a tokenizer of its own: how much shorter, and how much worse."""

import dataclasses
from pathlib import Path

from configs.tokenizer_transfer.cross_lingual import Config
from experiments.shared import language_models
from experiments.shared.tables import Clock, Log, Row, pick, remarks_on, with_corpus
from experiments.tokenizer_transfer import base_models, hypernetworks, transfer_methods
from experiments.tokenizer_transfer.accuracy import ORIGINAL

TITLE = "A tokenizer for each language: length and quality (the paper's XNLI and XCOPA tables)"
COLUMNS = ("language", "method", "bits_per_byte", "lost", "tokens_per_byte", "shorter", "overlap",
           "accuracy", "seconds")  # fmt: skip
MEANING = {
    "language": "whose text and tokenizer",
    "shorter": "% fewer tokens than with the model's own tokenizer",
    "lost": "bits/byte above the model with its own tokenizer on the same text",
    "accuracy": "the paper's average (XLM-R on XNLI, 50k Unigram)",
}
PAPER_ROWS: list[Row] = [
    {"group": "paper", "language": "15 of XNLI, mean", "method": ORIGINAL, "accuracy": 72.6},
    {
        "group": "paper",
        "language": "15 of XNLI, mean",
        "method": transfer_methods.HYPERNETWORK,
        "accuracy": 71.2,
        "shorter": 14.0,
    },
]


def run(config: Config, *, workdir: Path, log: Log) -> list[Row]:
    """For each language the model's own tokenizer, then one made from that language's text."""
    seed = config.setting.seeds[0]
    base = base_models.trained(config.setting, seed, workdir, log)
    hypernet = hypernetworks.trained(config.setting, base, seed, workdir, log)
    rows: list[Row] = []
    for text in config.languages:
        corpus = language_models.load_corpus(text)
        there = base._replace(corpus=corpus, text=text)
        store = base_models.valid_store(there, base.codec, workdir)
        own = base_models.evaluate(base, base.params, base.table, store)
        rows.append(
            {
                "language": text.name,
                "method": ORIGINAL,
                "bits_per_byte": own.bits_per_byte,
                "tokens_per_byte": own.tokens / own.bytes,
            }
        )
        tokenizer = dataclasses.replace(config.target, label=f"{config.target.label}, {text.name}")
        to = transfer_methods.target(config.setting, there, tokenizer, workdir, log)
        for method in config.methods:
            clock = Clock()
            table = transfer_methods.table(method, there, to, hypernet, seed)
            sums = transfer_methods.evaluate(base, table, to)
            facts = {name: value for name, value in to.facts().items() if name in COLUMNS}
            rows.append(
                facts
                | {
                    "language": text.name,
                    "method": method,
                    "bits_per_byte": sums.bits_per_byte,
                    "lost": sums.bits_per_byte - own.bits_per_byte,
                    "shorter": 100 * (1 - sums.tokens / own.tokens),
                    "seconds": clock.seconds(),
                }
            )
            log(f"{text.name}, {method}: {sums.bits_per_byte:.4f} bits/byte")
    return with_corpus(rows, base.corpus)


def remarks(rows: list[Row]) -> list[str]:
    """How much shorter each language becomes, and how much worse."""
    lines = []
    for row in rows:
        if row["method"] == transfer_methods.HYPERNETWORK:
            focus = pick(rows, language=row["language"], method="focus")
            focus_text = f", FOCUS {focus['bits_per_byte']:.3f}" if focus else ""
            lines.append(
                f"{row['language']}: {row['shorter']:.1f} % shorter by its own tokenizer,"
                f" {row['bits_per_byte'] - row['lost']:.3f} -> {row['bits_per_byte']:.3f} bits/byte"
                f" by the hypernetwork{focus_text}"
            )
    return remarks_on(rows, *lines)
