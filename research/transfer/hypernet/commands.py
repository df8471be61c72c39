"""What `freevocab train hypernetwork` does, as a function of its arguments."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from research import codecs, corpora, tokenizers
from research.codecs.bytes_codec import BytesCodec
from research.codecs.codec_tokenizer import CodecTokenizer
from research.errors import UsageError
from research.files import check_apart
from research.tokenizers import Tokenizer
from research.training import command_parts as parts
from research.training import distributed
from research.training.config import OptimizerConfig, TrainConfig
from research.training.data import token_store
from research.transfer import source_model
from research.transfer.convert import target_files
from research.transfer.hypernet import hypernetwork_file, task_vectors, training
from research.transfer.hypernet.command_config import TrainHypernetwork
from research.transfer.hypernet.fixed_tokenizer import FixedBatches
from research.transfer.hypernet.objective_config import Objective
from research.transfer.sampling import SampledBatches, Sampling, TextWindows, mixture
from research.transfer.source_model import SourceModel
from research.vocabularies import hypernetwork
from research.vocabularies.hypernetwork import HypernetworkConfig

Log = Callable[[str], None]
_IDENTITY_RATE = 3e-4  # arXiv 2405.07883: linear from 0 to this over the first stage


def train_hypernetwork(options: TrainHypernetwork, log: Log = print) -> training.Trained:
    """Trains a hypernetwork for a model and saves it.

    Raises:
      UsageError: if model, text and arguments do not fit together.
    """
    distributed.initialize(options.distributed)
    log = parts.first_process(log)
    names = ("model", "init_from", "tokenizer")
    workdir = parts.workdir_of(options, names, hypernetwork_file.DESCRIPTION)
    source = source_model.load(options.model)
    saved = None if options.init_from is None else hypernetwork_file.load(options.init_from)
    languages = _languages(options, saved)
    network = source_model.network_for(
        source,
        form=options.form,
        residual=options.residual,
        num_layers=options.layers,
        max_slots=options.slots,
        dtype=options.dtype,
        remat=options.remat,
        languages=len(languages),
    )
    start, trunk = _start(options, source, network, saved)
    target = None if options.tokenizer is None else _target(options)
    windows = _windows(options, workdir, log)
    language = languages.index(options.language) if options.language else 0
    draws, tokens = _draws(options, source, windows, target, language)
    log(_summary(source, network, tokens))
    if options.warmup_steps:
        log(f"first stage: {options.warmup_steps} steps of the identity")
        config = _config(options, options.warmup_steps, _identity_optimizer(options))
        start = training.warm_up(source, network, config, workdir / "identity", log=log).params
    result = training.train(
        source,
        draws,
        network,
        objective_of(options),
        _config(options, options.steps, options.optimizer),
        workdir,
        initial=start,
        initial_trunk=trunk,
        description=_description(options, windows, target),
        log=log,
    )
    if jax.process_index() == 0:
        facts = {
            "steps": options.steps,
            "text": options.text,
            "languages": languages,
            "arguments": json.loads(json.dumps(dataclasses.asdict(options))),
        }
        if target is not None:
            facts["target"] = {"name": target.name, "fingerprint": target.fingerprint()}
        hypernetwork_file.save(
            options.out, result.params, network, source, facts, trunk=result.trunk
        )
        log(
            f"saved the hypernetwork to {options.out}; freevocab transfer --model {options.model} "
            f"--method hypernetwork --hypernetwork {options.out} "
            f"--tokenizer {options.tokenizer or 'FILE'} --out DIR"
        )
    return result


def objective_of(options: TrainHypernetwork) -> Objective:
    """The loss that the arguments describe."""
    names = ("loss", "auxiliary", "sampled_rows", "copy_overlap", "train_trunk")
    return Objective(**{name: getattr(options, name) for name in names})


def _languages(options: TrainHypernetwork, saved: hypernetwork_file.Saved | None) -> list[str]:
    """Names of the network's languages; none where it has no token for them."""
    known = [] if saved is None else saved.meta.get("languages", [])
    listed = ", ".join(known)
    if options.tokenizer is not None:
        if known and options.language not in known:
            raise UsageError(f"--language: {options.init_from} has {listed}; name one of them")
        if options.language and not known:
            raise UsageError("--language is for --init-from a network that has languages")
        return known
    given = [name for name, _ in options.texts if name]
    if known and given != known:
        raise UsageError(f"{options.init_from} has the languages {listed}: give --languages with "
                         "these names in this order")  # fmt: skip
    return given


def _start(
    options: TrainHypernetwork,
    source: SourceModel,
    network: HypernetworkConfig,
    saved: hypernetwork_file.Saved | None,
) -> tuple[Any, Any]:
    """The parameters and the trunk to begin with; None: fresh ones, the model's own."""
    if saved is None:
        return None, None
    hypernetwork_file.check(saved, source.table, source.tokenizer)
    same = dataclasses.replace(saved.config, dtype=network.dtype, remat=network.remat)
    if same != network:
        raise UsageError(
            f"{options.init_from} has another shape than asked for: give the same --form, "
            "--residual, --layers and --slots"
        )
    params = jax.tree.map(jax.numpy.asarray, saved.params)
    trained_with = saved.meta["source"]["trunk"]
    if trained_with is None:
        return params, None
    if not options.train_trunk:
        raise UsageError(
            f"{options.init_from} was trained together with a trunk, which is not {options.model}'s"
            " any more: go on with both by --tokenizer FILE --train-trunk"
        )
    if trained_with != task_vectors.fingerprint_of(source.params["trunk"]):
        raise UsageError(
            f"{options.init_from} was trained together with the trunk of another model than "
            f"{options.model}"
        )
    return params, hypernetwork_file.load_trunk(options.init_from)


def _windows(options: TrainHypernetwork, workdir: Path, log: Log) -> list[TextWindows]:
    """The text of each language, or all of it."""
    found = []
    for _, text in options.texts:
        corpus = corpora.load_files_or(text)
        check_apart(options.out, [("--text", path) for path in corpus.paths])
        build = parts.store_builder(corpus, workdir, options.max_bytes, None, log)
        store: token_store.TokenStore = build("train", BytesCodec())
        found.append(TextWindows(store, options.batch_size, options.window_bytes, options.seed))
    return found


def _draws(
    options: TrainHypernetwork,
    source: SourceModel,
    windows: list[TextWindows],
    target: Tokenizer | None,
    language: int,
):
    """Where tokenizers and text come from, and how many entries a tokenizer has."""
    if target is not None:
        draws = FixedBatches(target, windows[0], length=options.length, language=language)
        return draws, target.vocab_size
    special = ("bos", "eos") if source.config.trunk.causal else ("bos", "eos", "mask")
    sampling = Sampling(
        vocab_size=options.vocab_size,
        special=special,
        queue=options.queue,
        kinds=mixture(options.kinds),
    )
    # Every process makes the whole batch, since all have to agree on whose rows are predicted.
    sources = [(one, 1.0) for one in windows]
    draws = SampledBatches(sampling, sources, length=options.length, seed=options.seed)
    return draws, options.vocab_size


def _target(options: TrainHypernetwork) -> Tokenizer:
    """The tokenizer of n-shot training, with the ids that `freevocab transfer` would give it."""
    if not target_files.is_codec(options.tokenizer):
        return tokenizers.load(options.tokenizer)
    if (Path(options.model) / "model.json").is_file():
        return CodecTokenizer(codecs.load(options.tokenizer))
    return target_files.open_target(options.tokenizer)


def _config(options: TrainHypernetwork, steps: int, optimizer: OptimizerConfig) -> TrainConfig:
    names = ("seed", "parallelism", "log_every", "save_every")
    return TrainConfig(
        steps=steps, optimizer=optimizer, **{name: getattr(options, name) for name in names}
    )


def _identity_optimizer(options: TrainHypernetwork) -> OptimizerConfig:
    return dataclasses.replace(
        options.optimizer,
        learning_rate=_IDENTITY_RATE,
        schedule="constant",
        warmup_steps=options.warmup_steps,
    )


def _description(
    options: TrainHypernetwork, windows: list[TextWindows], target: Tokenizer | None
) -> dict[str, Any]:
    """What makes a run this run, beside what `training.train` knows."""
    return {
        "data": [one.store.meta["source"] for one in windows],
        "language": options.language,
        "batch": [options.batch_size, options.length, options.window_bytes],
        "sampling": [options.vocab_size, options.kinds, options.queue],
        "tokenizer_to_train_on": None if target is None else target.fingerprint(),
        "init_from": options.init_from and hypernetwork_file.fingerprint(options.init_from),
        "warmup_steps": options.warmup_steps,
    }


def _summary(source: SourceModel, network: HypernetworkConfig, tokens: int) -> str:
    shapes = jax.eval_shape(
        lambda key, table: hypernetwork.init(key, network, table), jax.random.key(0), source.table
    )
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    tied = "tied" if network.tied else "untied"
    return (
        f"a hypernetwork of {count:,} parameters for {tied} tables of width {network.d_model} and "
        f"{source.tokenizer.vocab_size:,} ids ({source.tokenizer.name}); {tokens:,} rows a step"
    )
