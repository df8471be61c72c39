"""`freevocab train m2` and `train lexinvariant`: their arguments, and the script they run."""

import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from research.errors import UsageError
from research.training.config import (
    DistributedConfig,
    OptimizerConfig,
    ParallelismConfig,
    TrainConfig,
    check_counts,
    check_least,
    check_seed,
)

if TYPE_CHECKING:
    from research.codecs.protocol import Codec
    from research.training.step import EvalTotals
    from research.vocabularies.protocol import Vocabulary

Log = Callable[[str], None]

# What `--preset laptop` sets, besides a length of each command's own.
LAPTOP: dict[str, Any] = {
    "size": "small",
    "batch_size": 16,
    "steps": 2_000,
    "valid_bytes": 200_000,
    "log_every": 20,
    "save_every": 200,
    "optimizer": OptimizerConfig(name="muon", learning_rate=0.01, warmup_steps=100),
}


@dataclasses.dataclass(frozen=True)
class TrainLM:
    """What every training of a language model can be told."""

    preset: Literal["paper", "laptop"] = "paper"
    """Where the other defaults come from. paper: its own, for an accelerator. laptop: a small
    model and a short training, for two cores. Other flags still count."""
    corpus: str = "builtin"
    """builtin, text:GLOB[;valid=GLOB], tfds:NAME or synthetic."""
    out: str = "runs/m2"
    """Folder for the finished model."""
    workdir: str | None = None
    """Folder for checkpoints, metrics and ids; default: OUT.work. Run again to go on."""
    size: str = "25m"
    """Shape of the trunk: 3m, 25m, 113m, 403m, 2b, 151m; mini and small for two cores; llama-mini,
    llama-small, llama-3m, llama-25m for a checkpoint that `freevocab export` can write."""
    length: int = 512
    """Ids in a sequence."""
    batch_size: int = 256
    """Sequences in a step, over all devices and processes."""
    steps: int = 200_000
    """Updates; the paper's number, far more than a trial needs."""
    max_bytes: int | None = None
    """Train on at most so much text."""
    valid_bytes: int = 1_000_000
    """Evaluate on at most so much text at the end."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of activations: bfloat16 on accelerators."""
    z_loss: float = 1e-4
    """Weight of the squared log-normaliser."""
    seed: int = 0
    """Initial weights and order of the data."""
    log_every: int = 50
    """Steps between progress lines."""
    save_every: int = 1000
    """Steps between checkpoints."""
    eval_every: int = 0
    """Steps between evaluations; 0: only at the end."""
    optimizer: OptimizerConfig = OptimizerConfig.paper_adafactor()
    """Optimizer and learning rate; the paper's by default."""
    parallelism: ParallelismConfig = ParallelismConfig()
    """Devices."""
    distributed: DistributedConfig = DistributedConfig()
    """Several processes."""

    def __post_init__(self):
        counts = ("length", "batch_size", "steps", "max_bytes", "valid_bytes")
        check_least(self, **dict.fromkeys(counts, 1), z_loss=0)
        check_least(self, log_every=1, save_every=0, eval_every=0)
        check_counts(self, "length", "batch_size", "steps")
        check_seed(self.seed)

    def loop_config(self, checkpoint: str | None = None) -> TrainConfig:
        """The training loop's part of the arguments."""
        return TrainConfig(
            self.steps,
            seed=self.seed,
            optimizer=self.optimizer,
            parallelism=self.parallelism,
            log_every=self.log_every,
            save_every=self.save_every,
            eval_every=self.eval_every,
            checkpoint=checkpoint,
        )


@dataclasses.dataclass(frozen=True)
class TrainM2(TrainLM):
    """Train a language model (M2) over a codec's ids."""

    codec: str = "english-b16"
    """english-b16, english-dictionary, bytes, gzip, characters, letters, or a folder that a codec
    was saved to."""
    store: str | None = None
    """A folder that `freevocab prepare` wrote with this codec: train on it, not on --corpus."""
    remat: bool = False
    """Recompute each block in the backward pass: less memory, a third more time."""
    tied: bool = False
    """Use one table for input and readout."""
    chunk_size: int | None = None
    """Positions of each sequence in the readout at once; default: about 128 MiB of logits."""
    init_from: str | None = None
    """A model folder whose weights to start from, at step 0."""
    checkpoint: str | None = None
    """Another run's workdir, to go on from with its weights, optimizer and step."""

    PRESETS: ClassVar[dict[str, Any]] = {"laptop": LAPTOP | {"length": 128}}

    def __post_init__(self):
        super().__post_init__()
        check_least(self, chunk_size=1)

    def make_vocabulary(self) -> "Vocabulary":
        """The vocabulary that the arguments describe."""
        from research import vocabularies

        return vocabularies.make("learned", tied=self.tied)


@dataclasses.dataclass(frozen=True)
class TrainLexinvariant(TrainM2):
    """Train a language model whose ids mean nothing: a vocabulary drawn anew for each sequence."""

    codec: str = "characters"
    """A shipped codec's name (characters: 7-bit ASCII) or a folder that a codec was saved to."""
    out: str = "runs/lexinvariant"
    vocabulary: Literal[
        "gaussian",
        "sphere",
        "hypercube",
        "orthogonal",
        "dual",
        "permuted",
        "canonical",
        "partial",
        "learned",
    ] = "gaussian"
    """gaussian: the paper's random rows. canonical: ids numbered by first occurrence, which learns
    fastest. permuted: for large vocabularies. partial: a share --p of the ids made random."""
    p: float = 0.2
    """Of partial: the probability that an id is made random."""
    per: Literal["type", "occurrence"] = "type"
    """Of partial: whether each type or each occurrence is chosen."""
    size: str = "151m"
    """Shape of the trunk: the paper's 151m; tiny, mini, small, 3m, 25m for less."""
    batch_size: int = 64
    steps: int = 250_000
    z_loss: float = 0.0
    optimizer: OptimizerConfig = OptimizerConfig.lexinvariant_paper()

    PRESETS: ClassVar[dict[str, Any]] = {"laptop": LAPTOP | {"length": 256}}

    def __post_init__(self):
        super().__post_init__()
        check_least(self, p=0)

    def make_vocabulary(self) -> "Vocabulary":
        from research import vocabularies

        options: dict[str, Any] = {}
        if self.vocabulary in ("canonical", "learned"):
            options["tied"] = self.tied
        if self.vocabulary == "canonical":
            options["slots"] = self.length
        if self.vocabulary == "partial":
            options = {"p": self.p, "per": self.per}
        return vocabularies.make(self.vocabulary, **options)


def train_m2(options: TrainM2, log: Log = print) -> "EvalTotals":
    """Trains a language model over a codec's ids, saves it, and returns its validation sums.

    With `TrainLexinvariant` its vocabulary is drawn for each sequence, or canonical.
    """
    import jax

    from research import codecs, corpora
    from research.codecs import lm_folder
    from research.files import check_apart
    from research.models import language_model, sizes
    from research.models.language_model import LanguageModelConfig
    from research.training import parallelism, processes, runtime
    from research.training.lm import LM, Evaluations

    # Check the arguments, before any work.
    log = processes.join(options, log)
    inputs = ("codec", "store", "init_from", "checkpoint")
    workdir = runtime.workdir_of(options, inputs, lm_folder.MANIFEST)
    vocabulary = options.make_vocabulary()
    mesh = parallelism.make_mesh(options.parallelism)

    # The text in the codec's ids.
    codec = codecs.load(options.codec)
    initial_params = _weights_of(options.init_from, codec) if options.init_from else None
    sizes_of_text = (options.max_bytes, options.valid_bytes, log)
    if options.store is not None:
        build = runtime.store_opener(options.store, *sizes_of_text)
    else:
        corpus = corpora.load(options.corpus)
        check_apart(options.out, [("--corpus", path) for path in corpus.paths])
        build = runtime.store_builder(corpus, workdir, *sizes_of_text)
    valid, train = build("valid", codec), build("train", codec)

    # The model. A partly random vocabulary trains as such; the learned one is evaluated and kept.
    trunk = sizes.size(options.size, dtype=options.dtype, remat=options.remat)
    model = LanguageModelConfig(trunk, train.vocab_size, vocabulary=vocabulary)
    clean = dataclasses.replace(model, vocabulary=getattr(vocabulary, "clean", vocabulary))
    lm, clean_lm = (
        LM(each, mesh, options.parallelism, z_loss=options.z_loss, chunk_size=options.chunk_size)
        for each in (model, clean)
    )
    length = options.length
    evaluation_rows = lm.rows_that_fit(options.batch_size)
    evaluate = functools.partial(
        clean_lm.evaluate_store, store=valid, batch_size=evaluation_rows, length=length
    )
    evaluations = Evaluations({"": evaluate}, codec.vocab_size)

    # Train, save.
    description = {
        "model": language_model.as_dict(model),
        "data": train.meta["source"],
        "batch": [options.batch_size, length],
        "z_loss": options.z_loss,
    }
    log("compiling the training step")
    result = lm.train(
        lm.training_batches(train, seed=options.seed, batch_size=options.batch_size, length=length),
        options.loop_config(options.checkpoint),
        workdir,
        eval_fn=evaluations,
        initial_params=initial_params,
        description=description,
        log=log,
    )
    totals = evaluations.last[""]
    params = processes.gather(result.params)
    if jax.process_index() == 0:
        facts = {
            "length": length,
            "steps": options.steps,
            "corpus": train.meta["corpus_name"],
            "bits_per_byte": totals.bits_per_byte,
            "arguments": json.loads(json.dumps(dataclasses.asdict(options))),
        }
        lm_folder.save(options.out, params, clean, codec, facts)
        next_ = "generate" if clean.vocabulary.kind == "learned" else "evaluate"
        log(f"saved the model to {options.out}; freevocab {next_} --model {options.out}")
    return totals


def _weights_of(directory: str, codec: "Codec") -> Callable[[], Any]:
    """Loads a model folder's weights when called; whether its codec fits is checked at once."""
    from research import codecs
    from research.codecs import lm_folder

    if not Path(directory, "model.json").is_file():
        raise UsageError(f"{directory} is no model folder: it has no model.json")
    theirs = codecs.load(Path(directory) / "codec")
    if theirs.fingerprint() != codec.fingerprint():
        raise UsageError(
            f"{directory} was trained with codec {theirs.name}, whose ids mean something else: "
            "give the same --codec"
        )
    return lambda: lm_folder.load(directory)[0]
