"""Do compressed ids carry stable meaning? Learned against lexinvariant, by kind of ids (ours)."""

from pathlib import Path
from typing import Any

import numpy as np

from experiments.shared import compressors, language_models
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
from research.evaluation import per_byte
from research.lexinvariance import baselines, ngrams
from research.training.data import batches
from research.training.data.token_store import TokenStore

TITLE = "Do compressed ids carry stable meaning? (ours)"
COLUMNS = (
    "ids",
    "vocabulary",
    "model",
    "ratio",
    "bits_per_byte",
    "gap",
    "new_ids_alone",
    "uniform",
    "unigram",
    "in_context",
    "seconds",
)
MEANING = {
    "vocabulary": "number of ids",
    "gap": "bits/byte above the learned vocabulary on the same ids",
    "new_ids_alone": "bits/byte of log2(V - k) for each new id, and nothing for others",
    "uniform": "bits/byte of log2 V for each",
    "unigram": "bits/byte of the frequencies in the training text",
    "in_context": "bits/byte of an n-gram with back-off that knows the sequence alone",
}
PAPER_ROWS: list[Row] = []  # no paper has this table
LEARNED, EXACT = "learned", "canonical"
NAMES = {
    "windows": "equal-info windows",
    "english-b16": "equal-info windows",
    "unigram": "Unigram tokens",
}


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """A row for each model."""
    corpus = language_models.load_corpus(config.text)
    rows: list[Row] = []
    learned: dict[str, float] = {}
    floors: dict[str, dict[str, Any]] = {}
    for model in config.models:
        clock = Clock()
        codec = None
        if model.ids == "windows":
            codec = compressors.build_codec(config.windows, config.m1, corpus, workdir, log)
        trained = language_models.trained(
            model, config.text, seed=config.seed, workdir=workdir, log=log, codec=codec
        )
        bits = language_models.evaluate(model, trained).bits_per_byte
        if model.vocabulary == LEARNED:
            learned[model.ids] = bits
        if model.ids not in floors:
            floors[model.ids] = _without_training(config, model, trained)
        name = NAMES.get(model.ids, model.ids)
        below = learned.get(model.ids)
        rows.append(
            {
                "ids": name,
                "model": model.vocabulary,
                "bits_per_byte": bits,
                "gap": None if below is None or model.vocabulary == LEARNED else bits - below,
                "seconds": clock.seconds(),
            }
            | floors[model.ids]
        )
        log(f"{name}, {model.vocabulary}: {bits:.4f} bits/byte")
    return with_corpus(rows, corpus)


def _without_training(config, model, trained) -> Row:
    """What a kind of ids is known for, before any model: sizes, and floors in bits/byte."""
    valid, ordinary = trained.valid, trained.codec.vocab_size
    ids_N = _text_ids(valid)
    parts = list(batches.evaluation_batches(valid, batch_size=16, length=model.length))
    targets_NxL = np.concatenate([part["targets_BxL"] for part in parts])
    counted_NxL = np.concatenate([part["weights_BxL"] for part in parts]) > 0
    # EOS is told apart from the text's ids by every vocabulary here, and costs no key; that it is
    # among the ids seen before others makes the floor a little lower, so it stays one.
    key_NxL = baselines.key_nats(targets_NxL, vocab_size=ordinary)
    key = key_NxL[counted_NxL & (targets_NxL < ordinary)].sum()
    by_order = ngrams.nats(targets_NxL, vocab_size=ordinary + 2, order=config.order)
    return {
        "vocabulary": ordinary,
        "ratio": valid.bytes_per_token,
        "new_ids_alone": per_byte.bits_per_byte(key, valid.num_bytes),
        "uniform": per_byte.uniform_bits_per_byte(ordinary, valid.bytes_per_token),
        "unigram": per_byte.unigram_bits_per_byte(
            _text_ids(trained.train), ids_N, ordinary, valid.num_bytes
        ),
        "in_context": per_byte.bits_per_byte(by_order[-1][counted_NxL].sum(), valid.num_bytes),
    }


def _text_ids(tokens: TokenStore) -> np.ndarray:
    """All ids of a store but the EOS, int32."""
    return np.delete(tokens.ids, tokens.offsets[1:] - 1)


def remarks(rows: list[Row]) -> list[str]:
    """What not knowing the ids costs, and how much of it is the price of new ids."""
    lines: list[str | None] = []
    gaps = []
    for ids in dict.fromkeys(row["ids"] for row in rows):
        learned = pick(rows, ids=ids, model=LEARNED)
        others = [row for row in rows if row["ids"] == ids and row["gap"] is not None]
        if learned is None or not others:
            continue
        best = min(others, key=lambda row: row["bits_per_byte"])
        gaps.append((ids, best["gap"]))
        lines.append(
            statement(
                f"{ids} keep their meaning from one sequence to the next: a learned vocabulary"
                " beats the unigram and every lexinvariant model",
                learned["bits_per_byte"] < learned["unigram"] - DIFFERENCE
                and best["gap"] > DIFFERENCE,
                f"learned {learned['bits_per_byte']:.3f}, unigram {learned['unigram']:.3f}, best"
                f" lexinvariant {best['bits_per_byte']:.3f} ({best['model']}), new ids alone"
                f" {learned['new_ids_alone']:.3f}",
            )
        )
        if learned["bits_per_byte"] < learned["new_ids_alone"]:
            lines.append(
                f"{ids}: on sequences of this length no exactly lexinvariant model, however good,"
                f" could be where the learned one is: new ids alone cost"
                f" {learned['new_ids_alone']:.3f}"
            )
    if len(gaps) > 1:
        shown = ", ".join(f"{ids} {gap:.3f}" for ids, gap in sorted(gaps, key=lambda g: g[1]))
        lines.append(f"bits/byte lost by not knowing the ids: {shown}")
    drawn = [row for row in rows if row["model"] not in (LEARNED, EXACT)]
    stuck = [row for row in drawn if row["bits_per_byte"] > 0.99 * row["uniform"]]
    if stuck:
        names = ", ".join(f"{row['model']} on {row['ids']}" for row in stuck)
        lines.append(f"{names}: nothing is learned yet (within 1 % of uniform, or above)")
    return remarks_on(rows, *lines)
