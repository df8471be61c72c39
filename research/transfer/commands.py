"""What `freevocab train hypernetwork` does, as a function of its arguments."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from research import codecs, corpora
from research.codecs import tokenizer as tokenizers
from research.codecs.bytes_codec import BytesCodec
from research.codecs.tokenizer import CodecTokenizer, Tokenizer
from research.errors import UsageError
from research.training import command_parts as parts
from research.training import distributed, token_store
from research.training.config import OptimizerConfig, TrainConfig
from research.transfer import hypernetwork_file, source_model, training
from research.transfer.command_config import TrainHypernetwork
from research.transfer.fixed_tokenizer import FixedBatches
from research.transfer.objective_config import Objective
from research.transfer.rewriting import target_files
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
    _check_out(options.out)
    source = source_model.load(options.model)
    network = source_model.network_for(
        source,
        form=options.form,
        residual=options.residual,
        num_layers=options.layers,
        max_slots=options.slots,
        dtype=options.dtype,
        remat=options.remat,
    )
    start = _start(options, source, network)
    workdir = Path(options.workdir or f"{options.out}.work")
    windows = _windows(options, workdir, log)
    draws, tokens = _draws(options, source, windows)
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
        description=_description(options, windows),
        log=log,
    )
    if jax.process_index() == 0:
        facts = {
            "steps": options.steps,
            "text": options.text,
            "arguments": json.loads(json.dumps(dataclasses.asdict(options))),
        }
        if options.tokenizer is not None:
            only = draws.tokenizer
            facts["target"] = {"name": only.name, "fingerprint": only.fingerprint()}
        hypernetwork_file.save(
            options.out, result.params, network, source, facts, trunk=result.trunk
        )
        log(
            f"saved the hypernetwork to {options.out}; freevocab transfer --model {options.model} "
            f"--method hypernetwork --hypernetwork {options.out} --tokenizer FILE --out DIR"
        )
    return result


def objective_of(options: TrainHypernetwork) -> Objective:
    """The loss that the arguments describe."""
    names = ("loss", "auxiliary", "sampled_rows", "copy_overlap", "train_trunk")
    return Objective(**{name: getattr(options, name) for name in names})


def _start(options: TrainHypernetwork, source: SourceModel, network: HypernetworkConfig) -> Any:
    if options.init_from is None:
        return None
    saved = hypernetwork_file.load(options.init_from)
    hypernetwork_file.check(saved, source.table, source.tokenizer)
    same = dataclasses.replace(saved.config, dtype=network.dtype, remat=network.remat)
    if same != network:
        raise UsageError(
            f"{options.init_from} has another shape than asked for: give the same --form, "
            "--residual, --layers and --slots"
        )
    return jax.tree.map(jax.numpy.asarray, saved.params)


def _windows(options: TrainHypernetwork, workdir: Path, log: Log) -> TextWindows:
    corpus = corpora.load_files_or(options.text)
    build = parts.store_builder(corpus, workdir, options.max_bytes, None, log)
    store: token_store.TokenStore = build("train", BytesCodec())
    return TextWindows(store, options.batch_size, options.window_bytes, options.seed)


def _draws(options: TrainHypernetwork, source: SourceModel, windows: TextWindows):
    """Where tokenizers and text come from, and how many entries a tokenizer has."""
    if options.tokenizer is not None:
        tokenizer = _target(options)
        return FixedBatches(tokenizer, windows, length=options.length), tokenizer.vocab_size
    special = ("bos", "eos") if source.config.trunk.causal else ("bos", "eos", "mask")
    sampling = Sampling(
        vocab_size=options.vocab_size,
        special=special,
        queue=options.queue,
        kinds=mixture(options.kinds),
    )
    # Every process makes the whole batch, since all have to agree on whose rows are predicted.
    draws = SampledBatches(sampling, [(windows, 1.0)], length=options.length, seed=options.seed)
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


def _description(options: TrainHypernetwork, windows: TextWindows) -> dict[str, Any]:
    """What makes a run this run, beside what `training.train` knows."""
    return {
        "data": windows.store.meta["source"],
        "batch": [options.batch_size, options.length, options.window_bytes],
        "sampling": [options.vocab_size, options.kinds, options.queue],
        "tokenizer_to_train_on": options.tokenizer,
        "init_from": options.init_from,
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


def _check_out(directory: str) -> None:
    path = Path(directory)
    if path.exists() and not path.is_dir():
        raise UsageError(f"{directory} is a file; choose another --out")
    if path.is_dir() and any(path.iterdir()) and not (path / "hypernetwork.json").is_file():
        raise UsageError(f"{directory} holds other files than a hypernetwork; choose another --out")
