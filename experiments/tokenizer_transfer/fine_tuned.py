"""A base model's hypernetwork on its fine-tuned variant, and the task vector of n-shot training."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from configs.tokenizer_transfer.fine_tuned import Config
from experiments.shared import language_models
from experiments.shared.tables import Clock, Log, Row, remarks_on, with_corpus
from experiments.tokenizer_transfer import (
    accuracy,
    base_models,
    finetune,
    hypernetworks,
    transfer_methods,
)
from experiments.tokenizer_transfer.accuracy import ORIGINAL
from experiments.tokenizer_transfer.base_models import Base
from research.codecs.protocol import Codec
from research.evaluation.continuations import Item
from research.reporting import results
from research.training import loop
from research.training.data.token_store import TokenStore
from research.transfer.hypernet import task_vectors
from research.vocabularies.protocol import EmbeddingTable

TITLE = "A fine-tuned model moved with its base model's hypernetwork (the paper's MT-Bench table)"
COLUMNS = (
    "model", "method", "bits_per_byte", "lost", "before", "accuracy", "accuracy_interval", "kept",
    "kept_interval", "score", "seconds",
)  # fmt: skip
MEANING = {
    "model": "its size, and the kind of text that it was fine-tuned on",
    "bits_per_byte": "on held-out text of the kind that the model was fine-tuned on",
    "lost": "bits/byte above the fine-tuned model with its own tokenizer",
    "before": "bits/byte of the base model, moved the same way",
    "accuracy": "% of questions right, which of four continuations is the text's own (chance 25)",
    "kept": "accuracy (the paper: score) as % of the fine-tuned model's",
    "score": (
        "the paper's MT-Bench, of Mistral-7B-Instruct moved to GPT-2's tokenizer, figures not"
        " fully certain"
    ),
}
BASE_ROWS = "original, rows of the base model"
OWN_ROWS = "hypernetwork on the fine-tuned rows"
PAPER_ROWS: list[Row] = [
    {
        "group": "paper",
        "model": "Mistral-7B-Instruct",
        "method": method,
        "score": score,
        "kept": 100 * score / 7.33,
    }
    for method, score in (
        (ORIGINAL, 7.33), (BASE_ROWS, 7.48), ("focus", 5.03), (transfer_methods.HYPERNETWORK, 6.56),
        ("n-shot, lambda 0", 6.59), ("n-shot, lambda 0.3", 6.75), ("n-shot, lambda 0.5", 6.82),
        ("n-shot, lambda 0.7", 6.77),
    )
]  # fmt: skip


class _Measure(NamedTuple):
    """What a model is worth in one tokenizer's ids: bits/byte of `store`, questions."""

    base: Base
    codec: Codec
    store: TokenStore
    items: list[Item]
    own_N: np.ndarray

    def bits(self, params: Any, table: EmbeddingTable) -> float:
        """Bits/byte with a table for this tokenizer."""
        return base_models.evaluate(self.base, params, table, self.store).bits_per_byte

    def row(self, method: str, params: Any, table: EmbeddingTable) -> Row:
        """bits_per_byte, accuracy, kept."""
        right_N = base_models.right_answers(self.base, params, table, self.codec, self.items)
        scores = accuracy.columns(right_N, None if method == ORIGINAL else self.own_N)
        return {"method": method, "bits_per_byte": self.bits(params, table)} | scores


def weights_of(config: Config) -> tuple[str, ...]:
    """Folders of the models that the table cannot do without."""
    return ("base", "hypernetwork")


def run(config: Config, *, workdir: Path, log: Log) -> list[Row]:
    """The base model goes on with another text, then both are moved."""
    seed = config.setting.seeds[0]
    base = base_models.trained(config.setting, seed, workdir, log)
    hypernet = hypernetworks.trained(config.setting, base, seed, workdir, log)
    corpus = language_models.load_corpus(config.text)
    model = finetune.model_of(base, config.steps, config.learning_rate)
    log(f"fine-tuning on {config.text.name}")
    store = finetune.train_store(corpus, base.codec, config.text.train_bytes, workdir)
    runs = workdir / "runs" / f"fine_tuned-{results.key(config)}"
    tuned = finetune.train(
        base, base.table, store, model, seed=seed, workdir=runs / "tuned", log=log
    )
    tuned_base = base._replace(
        params=tuned.params, table=tuned.table, corpus=corpus, text=config.text
    )
    tokenizer = config.setting.targets[config.target]
    to = transfer_methods.target(config.setting, tuned_base, tokenizer, workdir, log)
    items = accuracy.questions(config.setting, corpus)
    own = base_models.valid_store(tuned_base, base.codec, workdir)
    own_N = base_models.right_answers(base, tuned.params, tuned.table, base.codec, items)
    measure = _Measure(base, base.codec, own, items, own_N)
    rows = [
        measure.row(ORIGINAL, tuned.params, tuned.table)
        | {"before": measure.bits(base.params, base.table)},
        measure.row(BASE_ROWS, tuned.params, base.table),
    ]
    measure = _Measure(base, to.codec, to.store, items, own_N)
    for method in config.methods:
        clock = Clock()
        of_tuned = transfer_methods.table(method, tuned_base, to, hypernet, seed)
        of_base = transfer_methods.table(method, base, to, hypernet, seed)
        if method == transfer_methods.HYPERNETWORK:
            rows.append(measure.row(OWN_ROWS, tuned.params, of_tuned))
            of_tuned = of_base  # the paper: the base model's rows, predicted, in the tuned model
        row = measure.row(method, tuned.params, of_tuned)
        row["before"] = measure.bits(base.params, of_base)
        rows.append(row | {"seconds": clock.seconds()})
        log(f"{method}: {row['bits_per_byte']:.4f} bits/byte")
    rows += _n_shot(config, base, tuned, to, hypernet, measure, seed, workdir, runs / "n_shot", log)
    loop.remove(runs)
    first = rows[0]["bits_per_byte"]
    name = {"model": f"{config.setting.model.size}, {config.text.name}"}
    rows = [name | row | {"lost": row["bits_per_byte"] - first} for row in rows]
    return with_corpus(rows, corpus)


def _n_shot(config, base, tuned, to, hypernet, measure, seed, workdir, run, log) -> list[Row]:
    """The base model and its hypernetwork trained on with the new tokenizer: the rows predicted
    then in the tuned model, with lambda times what happened to the trunk."""
    log("n-shot: the base model and its hypernetwork go on in the target's tokens")
    model = finetune.model_of(base, config.n_shot_steps, config.n_shot_learning_rate)
    settings = config.setting.hypernetwork
    done = finetune.train_together(
        base, hypernet, settings, to, model, seed=seed, workdir=workdir, run=run, log=log
    )
    rows = []
    for weight in config.weights:
        trunk = task_vectors.add(
            tuned.params["trunk"], base.params["trunk"], done.params["trunk"], weight
        )
        params = {**tuned.params, "trunk": trunk}
        rows.append(measure.row(f"n-shot, lambda {weight:g}", params, done.table))
        log(f"lambda {weight:g}: {rows[-1]['bits_per_byte']:.4f} bits/byte")
    return rows


def remarks(rows: list[Row]) -> list[str]:
    """What each way of moving leaves of the fine-tuned model."""
    own = rows[0]["bits_per_byte"]
    best = min(rows[2:], key=lambda row: row["bits_per_byte"])
    return remarks_on(
        rows,
        f"the fine-tuned model has {own:.3f} bits/byte; the best that was moved,"
        f" {best['method']}, {best['bits_per_byte']:.3f}",
    )
