"""A learned table with some or all rows random in training: norms, and what is read (section 3.6).

The paper first mixed drawn rows with learned ones: their norms diverged, so that the model told
them apart. It then permuted ids over one learned table, where all rows are alike.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np

from experiments.shared import language_models
from experiments.shared.tables import Clock, Log, Row, pick, remarks_on, with_corpus
from research import codecs, vocabularies
from research.lexinvariance import ngrams
from research.reporting import results
from research.training import loop
from research.training.data import token_store
from research.vocabularies.permuted import PartialEmbedding

TITLE = "A learned table with rows made random in training (section 3.6)"
PARTS = (25, 50, 75, 100)
COLUMNS = (
    "random", "p", *(f"norm {part}" for part in PARTS), "norm_spread", "nats", "nats_renamed",
    "spread_renamed", "seconds",
)  # fmt: skip
MEANING = {
    "random": "what the random ids of a sequence have: rows drawn for it, or other ids' rows",
    "p": "share of the ids that are random in a training sequence",
    "norm": (
        "mean norm of the learned rows over that of drawn ones after this part of the training in"
        " %, mean over seeds"
    ),
    "norm_spread": "standard deviation of the last over seeds",
    "nats": "mean log-loss of held-out letters, no row random",
    "nats_renamed": "the same where every sequence's letters are permuted, or all rows drawn",
    "spread_renamed": "its standard deviation over seeds",
    "seconds": "of all seeds",
}
PAPER_ROWS: list[Row] = []  # the paper says it in words
DRAWN, PERMUTED, ALL_DRAWN = "drawn", "permuted", "all drawn (gaussian)"
COUNTS, UNIFORM = "counts in the sequence", "uniform"


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """A row for each variant, and what knows the sequence alone."""
    corpus = language_models.load_corpus(config.text)
    codec = codecs.load(config.model.ids)
    build = functools.partial(token_store.build, corpus, codec=codec, directory=workdir / "tokens")
    train = build("train", max_bytes=config.text.train_bytes)
    valid = build("valid", max_bytes=config.text.valid_bytes)
    runs = workdir / "runs" / f"random_rows-{results.key(config)}"
    rows = []
    for variant in config.variants:
        measure = functools.partial(_measured, config, variant, train, valid, runs, log)
        rows.append(results.once(workdir, config, dataclasses.asdict(variant), measure))
    loop.remove(runs)
    text_T = valid.ids[valid.ids < codec.vocab_size]
    length = config.model.length
    ids_NxL = np.asarray(text_T[: len(text_T) // length * length]).reshape(-1, length)
    counted = float(ngrams.nats(ids_NxL, vocab_size=codec.vocab_size, order=0).mean())
    for name, nats in ((COUNTS, counted), (UNIFORM, float(np.log(codec.vocab_size)))):
        rows.append({"random": name, "nats": nats, "nats_renamed": nats})
    return with_corpus(rows, corpus)


def _measured(config, variant, train, valid, runs: Path, log: Log) -> Row:
    """The row of a variant: means over seeds."""
    clock = Clock()
    name = ALL_DRAWN if variant.kind == "gaussian" else variant.kind
    found = []
    for seed in config.seeds:
        where = f"{name}, p = {variant.p:g}, seed {seed}"
        found.append(_trained(config, variant, seed, train, valid, runs / where, log))
        log(f"{where}: " + ", ".join(f"{key} {value:.3f}" for key, value in found[-1].items()))
    mean = {key: float(np.mean([each[key] for each in found])) for key in found[0]}
    row: Row = {"random": name, "p": variant.p, **mean}
    if len(found) > 1:
        spread = {key: float(np.std([each[key] for each in found], ddof=1)) for key in found[0]}
        row["norm_spread"] = spread.get(f"norm {PARTS[-1]}")
        row["spread_renamed"] = spread["nats_renamed"]
    return row | {"seconds": clock.seconds()}


def _trained(config, variant, seed, train, valid, workdir: Path, log: Log) -> dict[str, float]:
    """Figures of one training."""
    model = dataclasses.replace(config.model, **_vocabulary(variant))
    settings = language_models.model_config(model, valid.vocab_size)
    trainer = language_models.lm(model, settings)
    drawn = model.vocabulary == "gaussian"
    part = model.steps // len(PARTS)

    def norm(params) -> dict[str, float]:
        if drawn:
            return {}
        rows_VxD = np.asarray(params["vocabulary"]["input_VxD"])[: valid.vocab_size - 2]
        return {"norm": float(np.linalg.norm(rows_VxD, axis=1).mean())}

    train_config = dataclasses.replace(language_models.train_config(model, seed), eval_every=part)
    result = trainer.train(
        language_models.training_batches(trainer, model, train, seed), train_config, workdir,
        eval_fn=norm, log=lambda line: log(f"{workdir.name}: {line}"),
    )  # fmt: skip
    norms = [row["norm"] for row in result.history if "norm" in row]
    figures = {f"norm {at}": value for at, value in zip(PARTS, norms, strict=False)}

    def nats(vocabulary) -> float:
        own = dataclasses.replace(settings, vocabulary=vocabulary)
        sums = language_models.lm(model, own).evaluate_store(
            result.params, valid, batch_size=language_models.EVALUATION_ROWS, length=model.length
        )
        return sums.nats / sums.tokens

    if not isinstance(settings.vocabulary, PartialEmbedding):
        figures["nats"] = figures["nats_renamed"] = nats(settings.vocabulary)
        return figures
    figures["nats"] = nats(settings.vocabulary.clean)
    figures["nats_renamed"] = nats(vocabularies.make("partial", p=1.0))
    return figures


def _vocabulary(variant) -> dict[str, Any]:
    if variant.kind == "gaussian":
        return {"vocabulary": "gaussian"}
    base = {DRAWN: "gaussian", PERMUTED: "permuted"}[variant.kind]
    options = (("p", variant.p), ("base", base), ("match_norms", False))
    return {"vocabulary": "partial", "options": options}


def remarks(rows: list[Row]) -> list[str]:
    """Where norms go, and how far permuted ids are from drawn rows."""
    lines = []
    for row in rows:
        norms = [row[f"norm {part}"] for part in PARTS if row.get(f"norm {part}") is not None]
        if norms:
            shown = ", ".join(f"{value:.2f}" for value in norms)
            lines.append(
                f"{row['random']}, p = {row['p']:g}: learned rows are {shown} times as long as"
                f" drawn ones; {row['nats']:.3f} nats a letter, renamed {row['nats_renamed']:.3f}"
            )
    drawn, permuted = pick(rows, random=ALL_DRAWN), pick(rows, random=PERMUTED, p=1.0)
    counts = pick(rows, random=COUNTS)
    if drawn and permuted and counts:
        lines.append(
            f"all ids permuted {permuted['nats_renamed']:.3f} nats, all rows drawn"
            f" {drawn['nats_renamed']:.3f}, counts in the sequence {counts['nats']:.3f}"
        )
    return remarks_on(rows, *lines)
