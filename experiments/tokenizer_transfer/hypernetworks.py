"""The hypernetwork of a base model: trained by the first table that needs it, opened after that."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax

from configs.tokenizer_transfer.parts import HypernetworkTraining, Setting
from experiments.compressed_text import compressors
from experiments.tokenizer_transfer import targets
from experiments.tokenizer_transfer.base_models import Base
from research.codecs.bytes_codec import BytesCodec
from research.codecs.tokenizer import Tokenizer
from research.training import loop, token_store
from research.training.config import TrainConfig
from research.transfer import hypernetwork_file, prediction, sampling, source_model, training
from research.transfer.matching import Match
from research.transfer.objective_config import Objective
from research.transfer.sampling import sampler
from research.transfer.source_model import SourceModel
from research.vocabularies import hypernetwork
from research.vocabularies.hypernetwork import HypernetworkConfig
from research.vocabularies.table import Table

Log = Callable[[str], None]


class Trained(NamedTuple):
    """A hypernetwork.

    Attributes:
      params, network: parameters and shape.
      initial: the parameters before training.
      seen: % of each target's entries, by its label, that a sampled tokenizer had.
      seconds: of training.
    """

    params: Any
    network: HypernetworkConfig
    initial: Any
    seen: dict[str, float]
    seconds: float


def trained(config: Setting, base: Base, seed: int, workdir: Path, log: Log) -> Trained:
    """The hypernetwork of a setting.

    Raises:
      FreevocabError: if the loss is not finite.
    """
    settings = config.hypernetwork
    source = SourceModel(base.params, base.config, base.tokenizer)
    network = network_of(settings, source)
    initial = jax.jit(hypernetwork.init, static_argnums=1)(
        jax.random.key(seed), network, source.table
    )
    digest = source_model.digest(source.table)
    key = compressors.key(settings, *config.targets, digest, seed)
    directory = workdir / "hypernetworks" / key
    if directory.is_dir():
        params, kept, facts = hypernetwork_file.load(directory)
        if kept == network:
            return Trained(params, network, initial, facts["seen"], facts["seconds"])
    draws = _Watched(config, base, seed, workdir, log)
    log(
        f"training a hypernetwork ({settings.form}): {settings.steps} steps, each a tokenizer of"
        f" {settings.vocab_size} entries and {settings.batch_size} x {settings.length} ids"
    )

    def say(line: str) -> None:
        log(f"hypernetwork: {line}")

    runs = workdir / "runs" / f"hypernetwork-{key}"
    start, seconds = None, 0.0
    if settings.warmup_steps:
        warm = training.warm_up(
            source, network, _train_config(settings, seed, True), runs / "identity", log=say
        )
        start, seconds = warm.params, warm.seconds
    found = training.train(
        source,
        draws,
        network,
        objective_of(settings),
        _train_config(settings, seed),
        runs / "training",
        initial=start,
        log=say,
    )
    seconds = round(seconds + found.seconds, 1)
    seen = draws.shares(settings.steps)
    facts = {"seconds": seconds, "steps": settings.steps, "seed": seed, "seen": seen}
    hypernetwork_file.save(directory, found.params, network, source, facts)
    loop.remove(runs)
    return Trained(found.params, network, initial, seen, seconds)


def table(
    found: Trained,
    params: Any,
    base: Base,
    target: Tokenizer,
    match: Match,
    *,
    copy_overlap: bool = False,
) -> Table:
    """The rows of a target tokenizer from the base model's.

    Args:
      params: the trained ones or the initial ones.
    """
    return prediction.table_for(
        params,
        found.network,
        base.table,
        base.tokenizer,
        target,
        match=match,
        copy_overlap=copy_overlap,
    )


def network_of(settings: HypernetworkTraining, source: SourceModel) -> HypernetworkConfig:
    """The network's shape for a model."""
    return source_model.network_for(
        source,
        form=settings.form,
        residual=settings.residual_on,
        num_layers=settings.layers,
        max_slots=settings.slots,
        dtype=settings.dtype,
    )


def objective_of(settings: HypernetworkTraining) -> Objective:
    """What it is trained for."""
    return Objective(loss=settings.loss, auxiliary=settings.auxiliary)


def sampling_of(settings: HypernetworkTraining) -> sampling.Sampling:
    """How its training tokenizers are drawn."""
    kinds = []
    for name, weight in settings.kinds:
        kind = sampler.KINDS[name]()
        if hasattr(kind, "candidates"):
            candidates = dataclasses.replace(kind.candidates, aligned=settings.aligned)
            kind = dataclasses.replace(kind, candidates=candidates)
        kinds.append((kind, weight))
    return sampling.Sampling(
        vocab_size=settings.vocab_size, queue=settings.queue, kinds=tuple(kinds)
    )


def _train_config(settings: HypernetworkTraining, seed: int, warmup: bool = False) -> TrainConfig:
    steps = settings.warmup_steps if warmup else settings.steps
    optimizer = settings.optimizer
    if warmup:  # section 3.3: linear to 3e-4 over the whole stage
        optimizer = dataclasses.replace(
            optimizer,
            learning_rate=settings.warmup_learning_rate,
            schedule="constant",
            warmup_steps=steps,
        )
    return TrainConfig(
        steps=steps,
        seed=seed,
        optimizer=optimizer,
        parallelism=settings.parallelism,
        log_every=max(1, steps // 4),
        save_every=settings.save_every,
    )


class _Watched:
    """The draws of a training; notes which entries of the held-out targets they contained."""

    def __init__(self, config: Setting, base: Base, seed: int, workdir: Path, log: Log):
        settings = config.hypernetwork
        store = token_store.build(
            base.corpus, "train", BytesCodec(), workdir / "tokens", max_bytes=base.text.train_bytes
        )
        windows = sampling.TextWindows(
            store, rows=settings.batch_size, size=settings.window_bytes, seed=seed
        )
        self._draws = sampling.SampledBatches(
            sampling_of(settings), [(windows, 1.0)], length=settings.length, seed=seed
        )
        codecs = [targets.build(one, base.corpus, workdir, log) for one in config.targets]
        self._entries = {
            one.label: getattr(codec, "match_bytes", codec.token_bytes)()
            for one, codec in zip(config.targets, codecs, strict=True)
        }
        self._seen = sampling.Seen(name for names in self._entries.values() for name in names)
        self._drawn: set[int] = set()

    def at(self, step: int) -> sampling.SampledBatch:
        """The draw of a step."""
        drawn = self._draws.at(step)
        self._seen.add(drawn.tokenizer)
        self._drawn.add(step)
        return drawn

    def source(self, step: int) -> tuple[int, int]:
        """Which text it is from."""
        return self._draws.source(step)

    def shares(self, steps: int) -> dict[str, float]:
        """% of each target's entries that were there in `steps` steps.

        Those before an interruption are drawn again: a draw is a pure function of its step.
        """
        for step in sorted(set(range(steps)) - self._drawn):
            self.at(step)
        return {label: 100 * self._seen.share(names) for label, names in self._entries.items()}
