"""The paper's n-shot training: hypernetwork and trunk go on together, on the target's tokens."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from configs.lexinvariant.parts import ModelConfig
from configs.tokenizer_transfer.setting import HypernetworkTraining
from experiments.shared import language_models
from experiments.tokenizer_transfer import finetune, hypernetworks
from experiments.tokenizer_transfer.base_models import Base
from experiments.tokenizer_transfer.finetune import Continued, Log, Point
from experiments.tokenizer_transfer.transfer_methods import Target
from research.codecs.basic import BytesCodec
from research.training.data import token_store
from research.transfer import sampling
from research.transfer.hypernet import training
from research.transfer.source_model import SourceModel
from research.vocabularies.protocol import EmbeddingTable


def train(
    base: Base,
    found: hypernetworks.Trained,
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
      found: where the hypernetwork begins; the trunk begins at the base model's.
      settings: of its earlier training: what it is trained for, and its text windows.
      model: steps, sequences, optimizer.
      run: work directory of this training alone; an interrupted one goes on from there.
      evaluate: (params, table) -> bits/byte, asked at step 0 and `points` times on the way; None:
        never.
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
        now = found._replace(params=params)
        return hypernetworks.table(now, params, base, to.tokenizer, to.match)

    def measure(params: dict[str, Any]) -> dict[str, float]:
        bits = evaluate({**base.params, "trunk": params["trunk"]}, table(params["hypernetwork"]))
        return {"bits_per_byte": bits}

    first = None
    if evaluate is not None:
        begun = {"trunk": base.params["trunk"], "hypernetwork": found.params}
        first = Point(0, measure(begun)["bits_per_byte"])
    done = training.train(
        SourceModel(base.params, base.config, base.tokenizer),
        sampling.FixedBatches(to.tokenizer, windows, length=model.length),
        found.network,
        loss,
        dataclasses.replace(language_models.train_config(model, seed), eval_every=every),
        run,
        initial=found.params,
        eval_fn=None if evaluate is None else measure,
        log=log,
    )
    params = {**base.params, "trunk": done.trunk}
    return Continued(params, table(done.params), finetune.curve(first, done.history))
