"""An ordinary BPE model moved to an equal-info codebook, and back, without training (ours)."""

from pathlib import Path

from configs.tokenizer_transfer.compressed_tokens import Config
from experiments.shared.tables import (
    DIFFERENCE,
    Clock,
    Log,
    Row,
    pick,
    remarks_on,
    statement,
    with_corpus,
)
from experiments.tokenizer_transfer import base_models, hypernetworks, transfer_methods
from experiments.tokenizer_transfer.accuracy import ORIGINAL
from research.codecs.codec_tokenizer import CodecTokenizer
from research.transfer import methods
from research.vocabularies.protocol import EmbeddingTable

TITLE = "From BPE to compressed ids and back, without training (ours)"
COLUMNS = ("target", "method", "bits_per_byte", "lost", "back", "tokens_per_byte", "overlap",
           "seconds")  # fmt: skip
MEANING = {
    "bits_per_byte": "of the model with the target's ids",
    "lost": "bits/byte above the model with its own ids",
    "back": (
        "bits/byte of the same table moved back to the model's own tokenizer by the mean of"
        " the target's pieces, entries that both have included: what of the old rows the new"
        " ones still hold"
    ),
}
PAPER_ROWS: list[Row] = []  # no paper has this table


def run(config: Config, *, workdir: Path, log: Log) -> list[Row]:
    """There and back by each method, for each target."""
    seed = config.setting.seeds[0]
    base = base_models.trained(config.setting, seed, workdir, log)
    hypernet = hypernetworks.trained(config.setting, base, seed, workdir, log)
    own_store = base_models.valid_store(base, base.codec, workdir)
    own = base_models.evaluate(base, base.params, base.table, own_store)
    rows = [
        {
            "target": config.setting.tokenizer.label,
            "method": ORIGINAL,
            "bits_per_byte": own.bits_per_byte,
            "tokens_per_byte": own.tokens / own.bytes,
        }
    ]
    for tokenizer in config.targets:
        to = transfer_methods.target(config.setting, base, tokenizer, workdir, log)
        for method in config.methods:
            clock = Clock()
            there = transfer_methods.table(method, base, to, hypernet, seed)
            sums = transfer_methods.evaluate(base, there, to)
            back = base_models.evaluate(base, base.params, _back(base, to, there), own_store)
            facts = {name: value for name, value in to.facts().items() if name in COLUMNS}
            rows.append(
                facts
                | {
                    "method": method,
                    "bits_per_byte": sums.bits_per_byte,
                    "lost": sums.bits_per_byte - own.bits_per_byte,
                    "back": back.bits_per_byte,
                    "seconds": clock.seconds(),
                }
            )
            there_and_back = f"{sums.bits_per_byte:.3f} there, {back.bits_per_byte:.3f} back"
            log(f"{to.label}, {method}: {there_and_back}")
    return with_corpus(rows, base.corpus)


def _back(base, to, there: EmbeddingTable) -> EmbeddingTable:
    return methods.make("fvt")(there, CodecTokenizer(to.codec), base.tokenizer)


def remarks(rows: list[Row]) -> list[str]:
    """How much a move to compressed ids costs compared with one to ordinary tokens."""
    lines: list[str | None] = []
    hyper = [row for row in rows if row["method"] == transfer_methods.HYPERNETWORK]
    if hyper:
        shown = ", ".join(f"{row['target']} {row['lost']:.3f}" for row in hyper)
        lines.append(f"bits/byte lost by the hypernetwork's table: {shown}")
    for row in hyper:
        fvt = pick(rows, target=row["target"], method="fvt")
        if fvt:
            lines.append(
                statement(
                    f"{row['target']}: the hypernetwork loses less than the mean of pieces",
                    row["bits_per_byte"] < fvt["bits_per_byte"] - DIFFERENCE,
                    f"{row['bits_per_byte']:.3f} against {fvt['bits_per_byte']:.3f} bits/byte",
                )
            )
    return remarks_on(rows, *lines)
