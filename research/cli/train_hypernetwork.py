"""`freevocab train hypernetwork`: a network that predicts a model's table for any tokenizer."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from research.errors import UsageError
from research.training.config import (
    DistributedConfig,
    OptimizerConfig,
    ParallelismConfig,
    check_counts,
    check_least,
    check_seed,
)

if TYPE_CHECKING:
    from research.tokenizers import Tokenizer
    from research.transfer.hypernet import hypernetwork_file, training
    from research.transfer.sampling import TextWindows
    from research.transfer.source_model import SourceModel
    from research.vocabularies.hypernetwork import HypernetworkConfig

Log = Callable[[str], None]

# zett's second stage (arXiv 2405.07883, appendix), for as many steps as are asked for.
_OPTIMIZER = OptimizerConfig(
    learning_rate=3e-4, warmup_steps=100, beta2=0.95, weight_decay=0.01, clip_norm=0.1
)


@dataclasses.dataclass(frozen=True)
class TrainHypernetwork:
    """Train a network that predicts a model's table for any tokenizer; the model stays as it is.

    With --tokenizer it is trained on for one tokenizer (n-shot), with --train-trunk its trunk too.
    """

    model: str
    """A folder that `freevocab train` wrote, or a Hugging Face folder."""
    text: str = "builtin"
    """GLOB of text files, or a corpus: builtin, text:GLOB[;valid=GLOB], tfds:NAME, synthetic."""
    languages: tuple[str, ...] = ()
    """In place of --text, NAME=GLOB for each language (or NAME=CORPUS): the network gets a token of
    its own for each, and `freevocab transfer --language` names one."""
    out: str = "runs/hypernetwork"
    """Folder for the finished network."""
    workdir: str | None = None
    """Folder for checkpoints, metrics and ids; default: OUT.work. Run again to go on."""
    init_from: str | None = None
    """A finished hypernetwork to start from."""
    tokenizer: str | None = None
    """n-shot: the one tokenizer to train on, in place of sampled ones: a file, a codec's name, or a
    folder with either."""
    language: str | None = None
    """n-shot, from a network with languages: the one that --text and --tokenizer are of."""
    form: Literal["residual", "zett"] = "residual"
    """residual: what is added to the mean of a token's pieces (FVT), from nothing on. zett: the
    paper's, which first learns the identity."""
    residual: Literal["mean", "first"] = "mean"
    """Of the residual form: the mean of the pieces' rows, or the first piece's."""
    layers: int = 3
    """Of the network."""
    slots: int = 8
    """Pieces of a token that have a place of their own; the rest share the last."""
    loss: Literal["lm", "alm", "both"] = "lm"
    """lm: language modelling through the frozen model. alm: distillation from the model with its
    own tokenizer. both: their sum."""
    auxiliary: float = 0.0
    """Weight of the pull of entries with one piece to the source's row (the paper: 0.5; the
    residual form needs none)."""
    sampled_rows: int = 0
    """Softmax over so many entries, those of the batch among them; 0: all."""
    copy_overlap: bool = False
    """Entries with one piece keep the source's row."""
    train_trunk: bool = False
    """n-shot: train the model's trunk as well, and save it beside the network; `freevocab transfer`
    puts it into what it writes, MODEL stays as it is."""
    vocab_size: int = 32_768
    """Entries of a sampled tokenizer."""
    kinds: str = "substrings"
    """How tokenizers are sampled, e.g. substrings=3,bpe=1; also unigram, wordpiece, codebook."""
    queue: int = 16
    """Batches of text that a tokenizer is sampled from."""
    window_bytes: int = 2048
    """Text of a sequence, of which the first --length ids are trained on."""
    length: int = 128
    """Ids in a sequence."""
    batch_size: int = 128
    """Sequences in a step."""
    steps: int = 10_000
    """Updates; the paper has 200,000."""
    warmup_steps: int = 0
    """Updates of zett's first stage, the identity (the paper: 10,000)."""
    max_bytes: int | None = None
    """Train on at most so much text."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the network's activations: bfloat16 on accelerators."""
    remat: bool = False
    """Recompute the network's layers in the backward pass (memory for time)."""
    seed: int = 0
    """Initial weights, tokenizers and order of the text."""
    log_every: int = 50
    """Steps between progress lines."""
    save_every: int = 1000
    """Steps between checkpoints."""
    optimizer: OptimizerConfig = _OPTIMIZER
    """Optimizer and learning rate."""
    parallelism: ParallelismConfig = ParallelismConfig()
    """Devices."""
    distributed: DistributedConfig = DistributedConfig()
    """Several processes."""

    def __post_init__(self):
        counts = ("layers", "slots", "queue", "window_bytes", "length", "batch_size", "steps")
        check_least(self, **dict.fromkeys((*counts, "max_bytes", "log_every"), 1))
        check_least(self, auxiliary=0, sampled_rows=0, warmup_steps=0, save_every=0)
        check_least(self, vocab_size=256)
        check_counts(self, "length", "batch_size", "steps", "vocab_size")
        check_seed(self.seed)
        names = [name for name, _ in self.texts if name]
        if self.languages and (len(names) < len(self.languages) or len(set(names)) < len(names)):
            raise UsageError("--languages takes NAME=GLOB of each language, each name once")
        if self.tokenizer and self.languages:
            raise UsageError("--tokenizer is of one language: name it by --language, its text by "
                             "--text")  # fmt: skip
        if self.language and not self.tokenizer:
            raise UsageError("--language goes with --tokenizer; --languages gives all of them")
        if self.train_trunk and not self.tokenizer:
            raise UsageError("--train-trunk goes with --tokenizer, the one to train on")
        if self.warmup_steps and self.form != "zett":
            raise UsageError("--warmup-steps is of --form zett; the residual form needs none")
        if self.warmup_steps and self.init_from:
            raise UsageError("--init-from starts after the first stage: leave --warmup-steps out")

    @property
    def texts(self) -> list[tuple[str, str]]:
        """(language, text) of each source; the language of --text is ""."""
        pairs = [one.partition("=") for one in self.languages]
        return [(name if text else "", text) for name, _, text in pairs] or [("", self.text)]


def run(options: TrainHypernetwork, log: Log = print) -> "training.Trained":
    """Trains a hypernetwork for a model and saves it.

    Raises:
      UsageError: if model, text and arguments do not fit together.
    """
    import jax

    from research.training import processes, runtime
    from research.training.config import TrainConfig
    from research.transfer import source_model
    from research.transfer.hypernet import hypernetwork_file, training
    from research.transfer.hypernet.loss import HypernetLossConfig

    log = processes.join(options, log)
    names = ("model", "init_from", "tokenizer")
    workdir = runtime.workdir_of(options, names, hypernetwork_file.DESCRIPTION)
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
    initial = trunk = None
    if saved is not None and options.init_from is not None:
        initial, trunk = hypernetwork_file.start_from(
            options.init_from,
            saved,
            source,
            network,
            model=options.model,
            train_trunk=options.train_trunk,
        )
    target = None if options.tokenizer is None else _target(options.model, options.tokenizer)
    windows = _windows(options, workdir, log)
    language = languages.index(options.language) if options.language else 0
    draws, rows = _draws(options, source, windows, target, language)
    log(_summary(source, network, rows))
    log("compiling the training step")
    if options.warmup_steps:
        log(f"first stage: {options.warmup_steps} steps of the identity")
    trained = training.train(
        source,
        draws,
        network,
        HypernetLossConfig(
            loss=options.loss,
            auxiliary=options.auxiliary,
            sampled_rows=options.sampled_rows,
            copy_overlap=options.copy_overlap,
            train_trunk=options.train_trunk,
        ),
        TrainConfig(
            steps=options.steps,
            seed=options.seed,
            optimizer=options.optimizer,
            parallelism=options.parallelism,
            log_every=options.log_every,
            save_every=options.save_every,
        ),
        workdir,
        initial=initial,
        initial_trunk=trunk,
        warmup_steps=options.warmup_steps,
        warmup_workdir=workdir / "identity",
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
            options.out, trained.params, network, source, facts, trunk=trained.trunk
        )
        log(
            f"saved the hypernetwork to {options.out}; freevocab transfer --model {options.model} "
            f"--method hypernetwork --hypernetwork {options.out} "
            f"--tokenizer {options.tokenizer or 'FILE'} --out DIR"
        )
    return trained


def _languages(options: TrainHypernetwork, saved: "hypernetwork_file.Saved | None") -> list[str]:
    """Names of the network's languages; none where it has no token for them."""
    known = [] if saved is None else saved.meta.get("languages", [])
    listed = ", ".join(known)
    if options.tokenizer is not None:
        if known and options.language not in known:
            raise UsageError(f"--language: {options.init_from} has {listed}; name one of them")
        if options.language and not known:
            raise UsageError("--language is for --init-from a network that has languages")
        return known
    names = [name for name, _ in options.texts if name]
    if known and names != known:
        raise UsageError(f"{options.init_from} has the languages {listed}: give --languages with "
                         "these names in this order")  # fmt: skip
    return names


def _windows(options: TrainHypernetwork, workdir: Path, log: Log) -> "list[TextWindows]":
    """The text of each language, or all of it."""
    from research import corpora
    from research.codecs.basic import BytesCodec
    from research.files import check_apart
    from research.training import runtime
    from research.transfer.sampling import TextWindows

    windows = []
    for _, text in options.texts:
        corpus = corpora.load_files_or(text)
        check_apart(options.out, [("--text", path) for path in corpus.paths])
        build = runtime.store_builder(corpus, workdir, options.max_bytes, None, log)
        store = build("train", BytesCodec())
        windows.append(TextWindows(store, options.batch_size, options.window_bytes, options.seed))
    return windows


def _draws(
    options: TrainHypernetwork,
    source: "SourceModel",
    windows: "list[TextWindows]",
    target: "Tokenizer | None",
    language: int,
) -> "tuple[training.Draws, int]":
    """Where tokenizers and text come from, and how many entries a tokenizer has."""
    from research.transfer.sampling import FixedBatches, SampledBatches, Sampling, mixture

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
    sources = [(text, 1.0) for text in windows]
    draws = SampledBatches(sampling, sources, length=options.length, seed=options.seed)
    return draws, options.vocab_size


def _target(model: str, tokenizer: str) -> "Tokenizer":
    """The tokenizer of n-shot training, with the ids that `freevocab transfer` would give it."""
    from research import codecs, tokenizers
    from research.codecs.codec_tokenizer import CodecTokenizer
    from research.models import saved
    from research.transfer.convert import target_tokenizer

    if not target_tokenizer.is_codec(tokenizer):
        return tokenizers.load(tokenizer)
    if saved.is_own(model):
        return CodecTokenizer(codecs.load(tokenizer))
    return target_tokenizer.open_target(tokenizer)


def _description(
    options: TrainHypernetwork, windows: "list[TextWindows]", target: "Tokenizer | None"
) -> dict[str, Any]:
    """What makes a run this run, besides what `training.train` knows."""
    from research.transfer.hypernet import hypernetwork_file

    return {
        "data": [text.store.meta["source"] for text in windows],
        "language": options.language,
        "batch": [options.batch_size, options.length, options.window_bytes],
        "sampling": [options.vocab_size, options.kinds, options.queue],
        "tokenizer_to_train_on": None if target is None else target.fingerprint(),
        "init_from": options.init_from and hypernetwork_file.fingerprint(options.init_from),
        "warmup_steps": options.warmup_steps,
    }


def _summary(source: "SourceModel", network: "HypernetworkConfig", rows: int) -> str:
    import jax

    from research.vocabularies import hypernetwork

    shapes = jax.eval_shape(
        lambda key, table: hypernetwork.init(key, network, table), jax.random.key(0), source.table
    )
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    tied = "tied" if network.tied else "untied"
    return (
        f"a hypernetwork of {count:,} parameters for {tied} tables of width {network.d_model} and "
        f"{source.tokenizer.vocab_size:,} ids ({source.tokenizer.name}); {rows:,} rows a step"
    )
