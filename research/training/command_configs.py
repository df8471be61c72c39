"""Arguments of `freevocab train`, `evaluate` and `generate`. Plain data: does not import JAX."""

import dataclasses
from typing import Any, ClassVar, Literal

from research.training.config import (
    DistributedConfig,
    OptimizerConfig,
    ParallelismConfig,
    check_least,
    check_seed,
)

# What `--preset laptop` sets, beside a length of each command's own.
_LAPTOP: dict[str, Any] = {
    "size": "small",
    "batch_size": 16,
    "steps": 2_000,
    "valid_bytes": 200_000,
    "log_every": 20,
    "save_every": 200,
    "optimizer": OptimizerConfig(name="muon", learning_rate=0.01, warmup_steps=100),
}


@dataclasses.dataclass(frozen=True)
class TrainM1:
    """Train a byte model (M1) that arithmetic coding and equal-info windows compress with."""

    preset: Literal["paper", "laptop"] = "paper"
    """Where the other defaults come from. paper: its own, for an accelerator. laptop: a small
    model and a short training, for two cores. Other flags still count."""
    corpus: str = "builtin"
    """builtin, text:GLOB[;valid=GLOB], tfds:NAME or synthetic."""
    out: str = "runs/m1"
    """Folder for the finished byte model."""
    workdir: str | None = None
    """Folder for checkpoints, metrics and ids; default: OUT.work. Run again to go on."""
    size: str = "3m"
    """Shape of the Transformer: 3m (the paper's), 25m, ..."""
    regime: Literal["text", "window"] = "text"
    """text: long contexts, the paper's way. window: every example starts where a window of
    --codec starts, as contexts do when the codec resets its model."""
    codec: str | None = None
    """The codec whose windows examples start at (regime window), e.g. english-b16. In regime text
    it only adds bits per byte with the context cut at every window to what is printed."""
    length: int = 1024
    """Bytes in an example (regime text)."""
    window_bytes: int = 24
    """Bytes in an example (regime window); a window of 16 bits seldom stands for more."""
    batch_size: int = 128
    """Examples of --length bytes in a step; regime window fills as many bytes with short ones."""
    steps: int = 2_500_000
    """Updates; the paper's number, far more than a trial needs."""
    max_bytes: int | None = None
    """Train on at most so much text."""
    valid_bytes: int = 1_000_000
    """Evaluate on at most so much text at the end."""
    beta: int = 14
    """The saved model's frequencies sum to 2^beta (the paper's 14)."""
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

    PRESETS: ClassVar[dict[str, Any]] = {"laptop": _LAPTOP | {"length": 256}}

    def __post_init__(self):
        counts = ("length", "window_bytes", "batch_size", "steps", "max_bytes", "valid_bytes")
        check_least(self, **dict.fromkeys(counts, 1), z_loss=0)
        check_least(self, log_every=1, save_every=0, eval_every=0)
        check_seed(self.seed)


@dataclasses.dataclass(frozen=True)
class TrainM2:
    """Train a language model (M2) over a codec's ids."""

    preset: Literal["paper", "laptop"] = "paper"
    """Where the other defaults come from. paper: its own, for an accelerator. laptop: a small
    model and a short training, for two cores. Other flags still count."""
    corpus: str = "builtin"
    """builtin, text:GLOB[;valid=GLOB], tfds:NAME or synthetic."""
    codec: str = "english-b16"
    """A shipped codec's name or a folder that a codec was saved to."""
    out: str = "runs/m2"
    """Folder for the finished model."""
    workdir: str | None = None
    """Folder for checkpoints, metrics and ids; default: OUT.work. Run again to go on."""
    size: str = "25m"
    """Shape of the trunk: 3m, 25m, 113m, 403m, 2b, 151m; mini and small for two cores."""
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
    remat: bool = False
    """Recompute each block in the backward pass: less memory, a third more time."""
    tied: bool = False
    """Use one table for input and readout."""
    z_loss: float = 1e-4
    """Weight of the squared log-normaliser."""
    chunk_size: int | None = None
    """Positions of each sequence in the readout at once; default: about 128 MiB of logits."""
    init_from: str | None = None
    """A model folder whose weights to start from, at step 0."""
    checkpoint: str | None = None
    """Another run's workdir, to go on from with its weights, optimizer and step."""
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

    PRESETS: ClassVar[dict[str, Any]] = {"laptop": _LAPTOP | {"length": 128}}

    def __post_init__(self):
        counts = ("length", "batch_size", "steps", "max_bytes", "valid_bytes", "chunk_size")
        check_least(self, **dict.fromkeys(counts, 1), z_loss=0)
        check_least(self, log_every=1, save_every=0, eval_every=0)
        check_seed(self.seed)


@dataclasses.dataclass(frozen=True)
class TrainLexinvariant(TrainM2):
    """Train a language model whose ids mean nothing: a vocabulary drawn anew for each sequence."""

    codec: str = "characters"
    """A shipped codec's name (characters: 7-bit ASCII) or a folder that a codec was saved to."""
    out: str = "runs/lexinvariant"
    """Folder for the finished model."""
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
    """Sequences in a step, over all devices and processes."""
    steps: int = 250_000
    """Updates; the paper's number, far more than a trial needs."""
    z_loss: float = 0.0
    """Weight of the squared log-normaliser."""
    optimizer: OptimizerConfig = OptimizerConfig.lexinvariant_paper()
    """Optimizer and learning rate; the paper's by default."""

    PRESETS: ClassVar[dict[str, Any]] = {"laptop": _LAPTOP | {"length": 256}}

    def __post_init__(self):
        super().__post_init__()
        check_least(self, p=0)


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Bits per byte of a saved model on a corpus, over every byte of the text."""

    model: str
    """A folder that `train m2`, `train lexinvariant` or `reproduce` wrote, or a Hugging Face
    folder (config.json and safetensors) of a model that predicts the next token."""
    corpus: str = "builtin"
    """builtin, text:GLOB[;valid=GLOB], tfds:NAME or synthetic."""
    split: Literal["train", "valid", "test"] = "valid"
    """Which part of it."""
    text: str | None = None
    """A file to evaluate on as a whole, instead of a corpus."""
    tokenizer: str | None = None
    """For a Hugging Face folder: another tokenizer than its own (a file or a folder)."""
    max_bytes: int | None = None
    """Only the first so many bytes."""
    batch_size: int = 16
    """Sequences at once."""
    length: int | None = None
    """Ids in a sequence; default: what the model was trained with, else 512; of a Hugging Face
    folder its context, at most 2048."""
    stores: str = "runs/stores"
    """Folder for the text as ids, kept for the next time."""
    parallelism: ParallelismConfig = ParallelismConfig()
    """Devices."""
    distributed: DistributedConfig = DistributedConfig()
    """Several processes."""

    def __post_init__(self):
        check_least(self, max_bytes=1, batch_size=1, length=1)


@dataclasses.dataclass(frozen=True)
class Generate:
    """Continue a text with a saved model, through its codec, as it is drawn."""

    model: str
    """A folder that `train m2` or `reproduce` wrote."""
    prompt: str = ""
    """Text to go on from."""
    max_tokens: int = 256
    """Ids to draw at most; an end of document stops earlier."""
    temperature: float = 1.0
    """0 takes the most probable id every time."""
    top_k: int = 0
    """Draw only from the k most probable ids; 0: from all."""
    top_p: float = 1.0
    """Draw only from the most probable ids that together reach this probability."""
    seed: int = 0
    """The same seed, prompt and settings give the same text."""
    raw: bool = False
    """Write the bytes as they are; otherwise what is not UTF-8 is shown as a replacement sign."""

    def __post_init__(self):
        check_seed(self.seed)
