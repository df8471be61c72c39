"""The hypernetwork of a base model: trained by the first table that needs it, opened after that."""

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import jax

from configs.tokenizer_transfer.presets import HypernetworkTraining, TransferConfig
from experiments.shared import weights
from experiments.shared.tables import Log, Row
from experiments.tokenizer_transfer import base_models, target_tokenizers
from experiments.tokenizer_transfer.base_models import Base
from research import files
from research.codecs.basic import BytesCodec
from research.codecs.codec_tokenizer import CodecTokenizer
from research.errors import FreevocabError
from research.reporting import results
from research.tokenizers import Tokenizer
from research.training import loop
from research.training.config import TrainConfig
from research.training.data import token_store
from research.transfer import matching, methods, sampling, source_model
from research.transfer.hypernet import hypernetwork_file, training
from research.transfer.hypernet.loss import HypernetLossConfig
from research.transfer.matching import Match
from research.transfer.methods.auxiliary import Auxiliary
from research.transfer.methods.hypernetwork import Network
from research.transfer.sampling import batches
from research.transfer.source_model import SourceModel
from research.vocabularies import hypernetwork
from research.vocabularies.hypernetwork import HypernetworkConfig
from research.vocabularies.protocol import EmbeddingTable

_NOTED = 100  # steps between two notes of what was seen


class Hypernetwork(NamedTuple):
    """A trained hypernetwork."""

    params: Any
    """After training."""
    network: HypernetworkConfig
    """Its shape."""
    initial: Any
    """Before training."""
    seen: dict[str, float]
    """% of each target's entries, by its label, that a sampled tokenizer had."""
    falling: float | None = None
    """Nats a token by which the loss still fell, see `_falling`."""


def trained(
    config: TransferConfig, base: Base, seed: int, workdir: Path, log: Log, *, keep: bool = True
) -> Hypernetwork:
    """The hypernetwork of a setting: from its weights, or trained (`experiments.shared.weights`).

    Args:
      keep: off for one of many, whose weights are not kept.

    Raises:
      FreevocabError: if the loss is not finite.
    """
    settings = config.hypernetwork
    source = SourceModel(base.params, base.config, base.tokenizer)
    network = network_of(settings, source)
    initial = jax.jit(hypernetwork.init, static_argnums=1)(
        jax.random.key(seed), network, source.table
    )
    facts: dict[str, Any] = {}

    def train():
        params, of_training = _train(config, base, source, network, seed, workdir, log)
        facts.update(of_training)
        return params, of_training

    def save(directory: Path, params: Any) -> None:
        hypernetwork_file.save(directory, params, network, source, facts, dtype="bfloat16")

    def load(directory: Path) -> Any:
        opened = hypernetwork_file.load(directory)
        if opened.config != network or not hypernetwork_file.check(
            opened, source.table, base.tokenizer
        ):
            raise FreevocabError(f"{directory} was trained for another model: train it again")
        return opened.params

    def figures(params: Any) -> dict[str, float]:
        return beginning(config, base, params, network, workdir, log) if place.source else {}

    name = "hypernetwork" if seed == config.seeds[0] else f"hypernetwork-{seed}"
    place = weights.Place(
        "tokenizer_transfer", name, "zero_shot", config.weights if keep else "", workdir
    )
    fields = dataclasses.asdict(settings)
    for field in ("parallelism", "save_every"):  # they decide nothing
        del fields[field]
    described = {"hypernetwork": fields, "table": source_model.digest(source.table), "seed": seed}
    form = weights.Format(save, load)
    params, record = weights.obtain(place, described, form, train, figures, log)
    return Hypernetwork(params, network, initial, record["seen"], record.get("falling"))


def beginning(
    config: TransferConfig, base: Base, params: Any, network: HypernetworkConfig, workdir: Path,
    log: Log,
) -> dict[str, float]:
    """Bits/byte of a little text in the first target's tokens, for a record and a test."""
    codec = target_tokenizers.build(config.targets[0], base.corpus, workdir, log)
    tokenizer = CodecTokenizer(codec)
    hypernet = Hypernetwork(params, network, None, {})
    match = matching.match(base.tokenizer, tokenizer)
    predicted = table(hypernet, params, base, tokenizer, match)
    text = dataclasses.replace(base.text, valid_bytes=base_models.BEGINNING_BYTES)
    store = base_models.valid_store(base._replace(text=text), codec, workdir)
    sums = base_models.evaluate(base, base.params, predicted, store)
    return {"bits_per_byte of the beginning": sums.bits_per_byte}


def _train(
    config: TransferConfig, base: Base, source: SourceModel, network: HypernetworkConfig, seed: int,
    workdir: Path, log: Log,
) -> tuple[Any, dict[str, Any]]:
    """Parameters, and facts: seconds, steps, seed, seen. Opened if an earlier table trained it."""
    settings = config.hypernetwork
    digest = source_model.digest(source.table)
    key = results.key(settings, *config.targets, digest, seed)
    directory = workdir / "hypernetworks" / key
    if directory.is_dir():
        params, saved_network, facts = hypernetwork_file.load(directory)
        if saved_network == network:
            del facts["source"]
            return params, facts
    runs = workdir / "runs" / f"hypernetwork-{key}"
    draws = _Watched(config, base, seed, workdir, log, runs / "missing.json")
    log(
        f"training a hypernetwork ({settings.form}): {settings.steps} steps, each a tokenizer of"
        f" {settings.vocab_size} entries and {settings.batch_size} x {settings.length} ids"
    )

    def say(line: str) -> None:
        log(f"hypernetwork: {line}")

    trained = training.train(
        source,
        draws,
        network,
        loss_of(settings),
        TrainConfig(
            steps=settings.steps,
            seed=seed,
            optimizer=settings.optimizer,
            parallelism=settings.parallelism,
            log_every=max(1, min(100, settings.steps // 4)),
            save_every=settings.save_every,
        ),
        runs / "training",
        warmup_steps=settings.warmup_steps,
        warmup_rate=settings.warmup_learning_rate,
        warmup_workdir=runs / "identity",
        description={"settings": dataclasses.asdict(settings), "corpus": base.corpus.digest},
        log=say,
    )
    facts = {
        "seconds": round(trained.seconds, 1),
        "steps": settings.steps,
        "seed": seed,
        "seen": draws.shares(settings.steps),
        "falling": _falling(trained.history),
    }
    hypernetwork_file.save(directory, trained.params, network, source, facts)
    loop.remove(runs)
    return trained.params, facts


def _falling(history: list[Row]) -> float | None:
    """How far the mean loss of the last fifth of the steps is below that of the fifth before; None
    if too little of it was logged here."""
    lines = [(line["step"], line["loss"]) for line in history if "loss" in line]
    last = lines[-1][0] if lines else 0
    fifths = [
        [loss for step, loss in lines if low * last < step <= high * last]
        for low, high in ((0.6, 0.8), (0.8, 1.0))
    ]
    if min(map(len, fifths)) < 2:
        return None
    before, after = (sum(one) / len(one) for one in fifths)
    return before - after


def table(
    hypernet: Hypernetwork,
    params: Any,
    base: Base,
    target: Tokenizer,
    match: Match,
    *,
    copy_overlap: bool = False,
) -> EmbeddingTable:
    """The rows of a target tokenizer from the base model's.

    Args:
      params: the trained ones or the initial ones.
    """
    network = Network(params, hypernet.network, copy_overlap=copy_overlap)
    predict = methods.make(methods.HYPERNETWORK, Auxiliary(hypernetwork=network))
    return predict(base.table, base.tokenizer, target, match=match)


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


def loss_of(settings: HypernetworkTraining) -> HypernetLossConfig:
    """What it is trained for."""
    return HypernetLossConfig(
        loss=settings.loss,
        auxiliary=settings.auxiliary,
        sampled_rows=settings.sampled_rows,
    )


def sampling_of(settings: HypernetworkTraining) -> sampling.Sampling:
    """How its training tokenizers are drawn."""
    kinds = []
    for name, weight in settings.kinds:
        kind = batches.KINDS[name]()
        if hasattr(kind, "candidates"):
            candidates = dataclasses.replace(kind.candidates, aligned=settings.aligned)
            kind = dataclasses.replace(kind, candidates=candidates)
        kinds.append((kind, weight))
    return sampling.Sampling(
        vocab_size=settings.vocab_size, queue=settings.queue, kinds=tuple(kinds)
    )


class _Watched:
    """The draws of a training; notes which entries of the held-out targets they contained, from
    time to time in the file `notes`, for a training that goes on."""

    def __init__(
        self, config: TransferConfig, base: Base, seed: int, workdir: Path, log: Log, notes: Path
    ):
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
        codecs = [target_tokenizers.build(one, base.corpus, workdir, log) for one in config.targets]
        self._entries: dict[str, list[bytes]] = {
            one.label: getattr(codec, "match_bytes", codec.token_bytes)() or []
            for one, codec in zip(config.targets, codecs, strict=True)
        }
        self._seen = sampling.Seen(name for names in self._entries.values() for name in names)
        self._drawn: set[int] = set()
        self._notes = notes
        if notes.is_file():
            noted = json.loads(notes.read_text("utf-8"))
            self._seen.restore(map(bytes.fromhex, noted["missing"]))
            self._drawn = set(range(noted["steps"]))

    def at(self, step: int) -> sampling.SampledBatch:
        """The draw of a step."""
        drawn = self._draws.at(step)
        self._seen.add(drawn.tokenizer)
        self._drawn.add(step)
        if step % _NOTED == 0 and len(self._drawn) == step + 1:
            missing = sorted(name.hex() for name in self._seen.missing)
            files.write_json(self._notes, {"steps": step + 1, "missing": missing})
        return drawn

    def source(self, step: int) -> tuple[int, int]:
        """Which text it is from."""
        return self._draws.source(step)

    def shares(self, steps: int) -> dict[str, float]:
        """% of each target's entries that were there in `steps` steps.

        Those that were not noted before an interruption are drawn again: a draw is a pure function
        of its step.
        """
        for step in sorted(set(range(steps)) - self._drawn):
            self.at(step)
        return {label: 100 * self._seen.share(names) for label, names in self._entries.items()}
