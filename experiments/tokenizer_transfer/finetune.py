"""Training goes on in one tokenizer's ids (n-shot, fine-tuning).

`train`: trunk and table. `train_together`: the paper's n-shot training, in which hypernetwork and
trunk go on together.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from configs.shared import ModelConfig
from configs.tokenizer_transfer.presets import HypernetworkTraining
from experiments.shared import language_models
from experiments.shared.tables import Log
from experiments.tokenizer_transfer import base_models, hypernetworks
from experiments.tokenizer_transfer.base_models import Base
from experiments.tokenizer_transfer.transfer_methods import Target
from research.codecs.basic import BytesCodec
from research.corpora import Corpus
from research.models.language_model import LanguageModelConfig
from research.training.data import token_store
from research.training.data.token_store import TokenStore
from research.training.loop import EvalFn
from research.transfer import sampling, source_model
from research.transfer.hypernet import task_vectors, training
from research.transfer.source_model import SourceModel
from research.vocabularies import learned
from research.vocabularies.protocol import EmbeddingTable


class Point(NamedTuple):
    """A model on its way: after `steps` of continued training, its bits/byte on the valid text."""

    steps: int
    bits_per_byte: float


class Continued(NamedTuple):
    """What continued training leaves."""

    params: Any
    """With padded tables."""
    table: EmbeddingTable
    """Its rows of real ids."""
    points: tuple[Point, ...]
    """From step 0 on, if it was evaluated on the way."""


def model_of(base: Base, steps: int, learning_rate: float) -> ModelConfig:
    """The base model's settings for `steps` more of AdamW, whatever it was trained with."""
    optimizer = dataclasses.replace(
        base.model.optimizer,
        name="adamw",
        learning_rate=learning_rate,
        schedule="cosine",
        warmup_steps=max(1, steps // 20),
    )
    return dataclasses.replace(base.model, steps=steps, optimizer=optimizer)


def train(
    base: Base,
    table: EmbeddingTable,
    store: TokenStore,
    model: ModelConfig,
    *,
    seed: int,
    workdir: Path,
    log: Log,
    evaluate: Callable[[Any, EmbeddingTable], float] | None = None,
    points: int = 0,
) -> Continued:
    """Trains the base model's trunk and a table for `model.steps` steps on a store's ids.

    Args:
      table: where the rows start.
      workdir: of this training alone; an interrupted one goes on from there.
      evaluate: (params, table) -> bits/byte, called at step 0 and `points` times on the way.
    """
    config = base_models.config_for(base, store.vocab_size)
    start = base_models.with_table(base.params, table, config.rows)
    train_config = language_models.train_config(model, seed)
    first: Point | None = None
    eval_fn: EvalFn | None = None
    if evaluate is not None and points:
        train_config = dataclasses.replace(train_config, eval_every=max(1, model.steps // points))
        first = Point(0, evaluate(start, _table(start, config)))

        def measure(params: Any) -> dict[str, float]:
            params = jax.device_get(params)
            return {"bits_per_byte": evaluate(params, _table(params, config))}

        eval_fn = measure
    lm = language_models.lm(model, config)
    result = lm.train(
        language_models.training_batches(lm, model, store, seed),
        train_config,
        workdir,
        eval_fn=eval_fn,
        initial_params=lambda: start,
        description={
            "trunk": task_vectors.fingerprint_of(base.params["trunk"]),
            "table": source_model.digest(table),
        },
        log=log,
    )
    trained = jax.device_get(result.params)
    return Continued(trained, _table(trained, config), curve(first, result.history))


def curve(first: Point | None, history: Iterable[Mapping[str, Any]]) -> tuple[Point, ...]:
    """The first point and those that a training has logged; none without a first."""
    measured = [Point(line["step"], line["bits_per_byte"]) for line in history
                if "bits_per_byte" in line]  # fmt: skip
    return () if first is None else (first, *measured)


def _table(params: Any, config: LanguageModelConfig) -> EmbeddingTable:
    return base_models.real_rows(learned.table(params["vocabulary"]), config.vocab_size)


def train_store(corpus: Corpus, codec, max_bytes: int, workdir: Path) -> TokenStore:
    """The train text in a codec's ids."""
    return token_store.build(corpus, "train", codec, workdir / "tokens", max_bytes=max_bytes)


def names_of(points: tuple[Point, ...], tokens_per_step: int) -> Iterator[tuple[str, float]]:
    """Columns `at N` (thousands of tokens) of a row that holds a whole curve."""
    for point in points:
        yield f"at {point.steps * tokens_per_step / 1000:g}", point.bits_per_byte


def train_together(
    base: Base,
    hypernet: hypernetworks.Hypernetwork,
    settings: HypernetworkTraining,
    to: Target,
    model: ModelConfig,
    *,
    seed: int,
    workdir: Path,
    run: Path,
    log: Log,
    evaluate: Callable[[Any, EmbeddingTable], float] | None = None,
    points: int = 0,
) -> Continued:
    """Trains a hypernetwork and the trunk for `model.steps` steps on one target's ids.

    Args:
      hypernet: where the hypernetwork begins; the trunk begins at the base model's.
      settings: of its earlier training: what it is trained for, and its text windows.
      model: steps, sequences, optimizer.
      run: work directory of this training alone; an interrupted one goes on from there.
      evaluate: as in `train`; None: never.
    """
    store = token_store.build(
        base.corpus, "train", BytesCodec(), workdir / "tokens", max_bytes=base.text.train_bytes
    )
    windows = sampling.TextWindows(
        store, rows=model.batch_size, size=settings.window_bytes, seed=seed
    )
    loss = dataclasses.replace(hypernetworks.loss_of(settings), train_trunk=True)
    every = 0 if evaluate is None else max(1, model.steps // points)

    def table(params: Any) -> EmbeddingTable:
        now = hypernet._replace(params=params)
        return hypernetworks.table(now, params, base, to.tokenizer, to.match)

    def measure(params: dict[str, Any]) -> dict[str, float]:
        assert evaluate is not None
        bits = evaluate({**base.params, "trunk": params["trunk"]}, table(params["hypernetwork"]))
        return {"bits_per_byte": bits}

    first = None
    if evaluate is not None:
        begun = {"trunk": base.params["trunk"], "hypernetwork": hypernet.params}
        first = Point(0, measure(begun)["bits_per_byte"])
    done = training.train(
        SourceModel(base.params, base.config, base.tokenizer),
        sampling.FixedBatches(to.tokenizer, windows, length=model.length),
        hypernet.network,
        loss,
        dataclasses.replace(language_models.train_config(model, seed), eval_every=every),
        run,
        initial=hypernet.params,
        eval_fn=None if evaluate is None else measure,
        log=log,
    )
    params = {**base.params, "trunk": done.trunk}
    return Continued(params, table(done.params), curve(first, done.history))
