"""Trains a hypernetwork around a frozen language model: parameters, batches, stages.

    source = source_model.load("model")
    draws = SampledBatches(...)  # or FixedBatches: n-shot
    config = TrainConfig(steps)
    trained = training.train(source, draws, network, HypernetLossConfig(), config, workdir)
    predict = methods.make("hypernetwork", Auxiliary(hypernetwork=Network(trained.params, network)))
    table = predict(source.table, source.tokenizer, target)

What the parameters of a training are:

    hypernetwork/...   trained, but for the statistics of the source's rows
    model/...          the language model as it was given: frozen
    trunk/...          n-shot: a trunk that is trained as well, in place of the model's
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from research.errors import UsageError
from research.models.saved import config_as_dict
from research.training import loop, parallelism, processes
from research.training.config import TrainConfig
from research.training.data.batches import prefetch
from research.training.sharding_rules import LANGUAGE_MODEL_RULES, Rule, frozen
from research.transfer.hypernet import task_vectors
from research.transfer.hypernet.batches import (
    Batch,
    HypernetBatches,
    identity_batches,
    identity_layout,
)
from research.transfer.hypernet.loss import HypernetLossConfig, make_identity_loss_fn, make_loss_fn
from research.transfer.source_model import SourceModel, digest
from research.vocabularies import hypernetwork
from research.vocabularies.hypernetwork import HypernetworkConfig, Layout

Log = Callable[[str], None]
_PROBES = 16  # steps whose tokenizers say how large the packed arrays must be
_IDENTITY_TOKENS = 16_384  # of a step of zett's first stage
_IDENTITY_RATE = 3e-4  # arXiv 2405.07883, section 3.3: linear from 0 to this over the stage

_NETWORK = "hypernetwork/"
HYPERNETWORK_RULES = (
    Rule(rf"{_NETWORK}in_(mean|std)_I", ("-",), frozen=True),
    Rule(rf"{_NETWORK}(input|output)_(scale|shift)_D", ("-",), frozen=True),
    Rule(rf"{_NETWORK}(positions|languages)", ("-", "-")),
    Rule(rf"{_NETWORK}heads_bias/projection/kernel", ("in", "out"), kernel=True),
    Rule(
        rf"{_NETWORK}(?!heads_bias/projection)([a-z_0-9]+/)+kernel",
        ("in/data", "out/model"),
        kernel=True,
    ),
    Rule(rf"{_NETWORK}([a-z_0-9]+/)+(bias|scale)", ("-",)),
)

TRANSFER_RULES = (
    *HYPERNETWORK_RULES,
    *frozen(LANGUAGE_MODEL_RULES, "model/"),
    *(rule for rule in LANGUAGE_MODEL_RULES if rule.pattern.startswith("trunk/")),
)


class Draws(Protocol):
    """Where tokenizers and text come from, as `research.transfer.sampling.SampledBatches`."""

    def at(self, step: int) -> Any:
        """tokenizer, batch (all rows, of all processes) and rows of a step; a pure function."""
        ...

    def source(self, step: int) -> tuple[int, int]:
        """The step's language, and how many steps before it took the same."""
        ...


class Trained(NamedTuple):
    """What training leaves."""

    params: Any
    """Of the hypernetwork."""
    trunk: Any
    """The trunk if it was trained as well, else None."""
    history: list[dict[str, Any]]
    """Every logged line."""
    seconds: float
    """Of training, the first stage included."""


def train(
    source: SourceModel,
    draws: Draws,
    network: HypernetworkConfig,
    loss: HypernetLossConfig,
    config: TrainConfig,
    workdir: str | Path | None,
    *,
    initial: Any = None,
    initial_trunk: Any = None,
    warmup_steps: int = 0,
    warmup_rate: float = _IDENTITY_RATE,
    warmup_workdir: str | Path | None = None,
    eval_fn: Callable[[Any], Mapping[str, float]] | None = None,
    description: Mapping[str, Any] | None = None,
    log: Log = print,
) -> Trained:
    """Trains for `config.steps` steps; with a workdir the same arguments go on where they were.

    Args:
      initial: the hypernetwork's parameters to start from; None: fresh ones from the seed.
      initial_trunk: with loss.train_trunk, the trunk to start from; None: the model's.
      warmup_steps: of zett's first stage (`warm_up`), in place of `initial`.
      warmup_rate: the learning rate that it ends with.
      warmup_workdir: its checkpoints.
      eval_fn: takes the whole tree of parameters, 'hypernetwork' among it.
      description: what else makes this run what it is: text and sampling.

    Raises:
      UsageError: if model, network and loss do not fit together, or the processes do not divide the
        rows of texts.
      FreevocabError: see `research.training.loop.train`.
    """
    _check(source, loss)
    warmup_seconds = 0.0
    if warmup_steps:
        optimizer = dataclasses.replace(
            config.optimizer,
            learning_rate=warmup_rate,
            schedule="constant",
            warmup_steps=warmup_steps,
        )
        warm = warm_up(
            source,
            network,
            dataclasses.replace(config, steps=warmup_steps, optimizer=optimizer),
            warmup_workdir,
            log=log,
        )
        initial, warmup_seconds = warm.params, warm.seconds
    mesh = parallelism.make_mesh(config.parallelism)
    batches = HypernetBatches(
        source.tokenizer, loss, masked=not source.config.trunk.causal, seed=config.seed
    )
    # Packed tokens have a part for each device, along 'data' and 'model'.
    layout = find_layout(batches, draws, network, mesh.size, loss.margin)
    params = parameters(source, network, loss, config.seed, initial, initial_trunk)
    shards = mesh.shape["data"] if config.parallelism.kind == "mesh" else 1
    loss_fn = make_loss_fn(source.config, network, layout, loss, data_shards=shards)
    shard = parallelism.data_shard(mesh)

    def batch_fn(step: int) -> Batch:
        drawn = draws.at(step)
        batch = batches.make(drawn, step, layout)
        if network.languages:
            language = draws.source(step)[0]
            batch["languages_G"] = np.full(layout.groups, language, np.int32)
        return {name: shard.part(array) for name, array in batch.items()}

    whole = {
        "model": config_as_dict(source.config),
        "table": digest(source.table),
        "trunk": task_vectors.fingerprint_of(source.params["trunk"]),
        "tokenizer": source.tokenizer.fingerprint(),
        "network": dataclasses.asdict(network),
        "objective": dataclasses.asdict(loss),
        # How many devices share the work may change from one start to the next.
        "layout": dataclasses.asdict(layout) if mesh.size == 1 else None,
        **(description or {}),
    }
    with prefetch(batch_fn, config.steps) as prefetched:
        result = loop.train(
            loss_fn,
            _zeros_like(params),
            prefetched,
            config,
            workdir,
            eval_fn=eval_fn,
            initial_params=lambda: params,
            description=whole,
            rules=TRANSFER_RULES,
            log=log,
        )
    trained = _trained(result)
    return trained._replace(seconds=warmup_seconds + trained.seconds)


def warm_up(
    source: SourceModel,
    network: HypernetworkConfig,
    config: TrainConfig,
    workdir: str | Path | None,
    *,
    log: Log = print,
) -> Trained:
    """zett's first stage: the network learns to give the source's rows back; see `loss`."""
    mesh = parallelism.make_mesh(config.parallelism)
    layout = identity_layout(min(_IDENTITY_TOKENS, source.tokenizer.vocab_size), mesh.size)
    params = parameters(source, network, HypernetLossConfig(), config.seed)
    params = {**params, "model": {"vocabulary": params["model"]["vocabulary"]}}
    shard = parallelism.data_shard(mesh)
    make_batch = identity_batches(source.tokenizer.vocab_size, layout, config.seed)

    def batch_fn(step: int) -> Batch:
        return {name: shard.part(array) for name, array in make_batch(step).items()}

    description = {
        "stage": "identity",
        "table": digest(source.table),
        "network": dataclasses.asdict(network),
        "tokens": _IDENTITY_TOKENS,
    }
    result = loop.train(
        make_identity_loss_fn(network, layout),
        _zeros_like(params),
        batch_fn,
        config,
        workdir,
        initial_params=lambda: params,
        description=description,
        rules=TRANSFER_RULES,
        log=log,
    )
    return _trained(result)


def parameters(
    source: SourceModel,
    network: HypernetworkConfig,
    loss: HypernetLossConfig,
    seed: int,
    initial: Any = None,
    initial_trunk: Any = None,
) -> dict[str, Any]:
    """Everything that a step reads, trained or frozen; see this module's docstring."""
    if initial is None:
        make = jax.jit(hypernetwork.init, static_argnums=1)
        initial = make(jax.random.key(seed), network, source.table)
    vocabulary = dict(source.params["vocabulary"])
    if not loss.train_trunk:
        model = {"trunk": source.params["trunk"], "vocabulary": vocabulary}
        return {"hypernetwork": initial, "model": model}
    model = {"vocabulary": vocabulary}
    if loss.distils:  # the teacher stays as it was
        model["trunk"] = source.params["trunk"]
    trunk = source.params["trunk"] if initial_trunk is None else initial_trunk
    return {"hypernetwork": initial, "model": model, "trunk": trunk}


def find_layout(
    batches: HypernetBatches, draws: Draws, network: HypernetworkConfig, groups: int, margin: float
) -> Layout:
    """Room for tokenizers like those of the first steps, however few are trained.

    A later tokenizer with more long tokens loses the rows of the longest that its text does not
    need; if those that it needs do not fit, the step is an error (see `packing.fitting`).
    """
    counts = [batches.chosen(draws.at(step), step).pieces.counts_T for step in range(_PROBES)]
    layout = hypernetwork.layout_for(
        counts,
        rows=max(map(len, counts)),
        max_slots=network.max_slots,
        groups=groups,
        margin=margin,
    )
    # A kind of tokenizer that comes seldom may need more than was seen. Tails cost next to nothing.
    return dataclasses.replace(layout, tails=max(layout.tails, layout.rows // groups // 2))


def _check(source: SourceModel, loss: HypernetLossConfig) -> None:
    if source.config.vocabulary.kind != "learned":
        raise UsageError("a hypernetwork needs a model whose vocabulary is a learned table")
    if loss.distils and not source.config.trunk.causal:
        raise UsageError("distillation (loss alm or both) is for models that predict the next id")
    rows = source.params["vocabulary"]["input_VxD"].shape[0]
    if source.tokenizer.vocab_size > rows:
        raise UsageError(
            f"the tokenizer has {source.tokenizer.vocab_size} ids, the model's table {rows} rows: "
            "they do not belong together"
        )


def _zeros_like(params: Any) -> Callable[[jax.Array], Any]:
    """init_fn of the loop, for the shapes alone: all runs start from parameters that are there."""
    return lambda key: jax.tree.map(lambda leaf: jax.numpy.zeros(leaf.shape, leaf.dtype), params)


def _trained(result: loop.TrainResult) -> Trained:
    params = processes.gather({
        name: result.params[name] for name in ("hypernetwork", "trunk") if name in result.params
    })  # fmt: skip
    seconds = result.metrics.get("seconds", 0.0)
    return Trained(params["hypernetwork"], params.get("trunk"), result.history, seconds)
