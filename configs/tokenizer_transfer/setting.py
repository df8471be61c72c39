"""What the tables' configs are made of: fields and their meaning. The values are in `presets`."""

from dataclasses import dataclass
from typing import Literal

from configs.shared import ModelConfig, TextConfig
from research.training.config import OptimizerConfig, ParallelismConfig


@dataclass(frozen=True)
class TokenizerConfig:
    """A tokenizer that a model is trained with, or moved to."""

    kind: Literal["bpe", "unigram", "wordpiece", "codebook", "dictionary", "bytes", "file"]
    """bpe | unigram | wordpiece (BERT's rules, spaces dropped) | codebook (equal-info windows,
    shipped or compiled at `window_bits`) | dictionary | bytes | file (any tokenizer's file)."""
    vocab_size: int = 0
    """Entries."""
    label: str = ""
    """What rows call it."""
    corpus: str = ""
    split: str = "train"
    """`corpus`, `split`: the text that it is made from; an empty corpus is the base model's own."""
    max_bytes: int = 20_000_000
    """Of that text."""
    path: str = ""
    """Of a file, or the name of a shipped codebook."""
    window_bits: int = 12
    """Of a codebook compiled here from a byte n-gram."""


@dataclass(frozen=True)
class HypernetworkTraining:
    """A hypernetwork, and how it is trained on one base model."""

    form: Literal["residual", "zett"] = "residual"
    """Residual (one stage, starts as FVT) or zett (learns the identity first)."""
    residual_on: Literal["mean", "first"] = "mean"
    """Mean or first piece, of the residual form."""
    layers: int = 3
    slots: int = 7
    """`layers`, `slots`: of its encoder."""
    loss: Literal["lm", "alm", "both"] = "lm"
    """lm (through the frozen trunk), alm (distillation) or both."""
    auxiliary: float = 0.0
    """Weight of the pull of one-piece tokens to the source's rows."""
    steps: int = 300
    warmup_steps: int = 0
    """`steps`, `warmup_steps`: of training; of zett's identity stage."""
    batch_size: int = 16
    length: int = 128
    """`batch_size`, `length`: sequences of a step, ids of a sequence."""
    vocab_size: int = 2048
    """Entries of a sampled tokenizer."""
    sampled_rows: int = 0
    """Of these, how many a step predicts and weighs in its softmax, those of its text among them;
    0: all."""
    queue: int = 16
    """Batches of text that a tokenizer is sampled from."""
    window_bytes: int = 2048
    """Text of a sequence, of which the first `length` ids are trained on."""
    kinds: tuple[tuple[str, float], ...] = (("substrings", 1.0),)
    """Samplers and their shares: substrings, unigram, bpe, wordpiece, codebook."""
    aligned: bool = True
    """Sampled entries begin and end between characters."""
    optimizer: OptimizerConfig = OptimizerConfig(
        name="adamw", learning_rate=1e-3, schedule="cosine", warmup_steps=20, clip_norm=0.1
    )
    parallelism: ParallelismConfig = ParallelismConfig()
    dtype: Literal["float32", "bfloat16"] = "float32"
    """`optimizer`, `parallelism`, `dtype`: as elsewhere."""
    warmup_learning_rate: float = 3e-4
    """Of the identity stage."""
    save_every: int = 500
    """Steps between checkpoints; 0: only when it is interrupted, and at the end."""


@dataclass(frozen=True)
class Donors:
    """Models that were trained with a target's tokenizer, for OMP to read."""

    targets: tuple[int, ...]
    """Indices of the targets that have one (bpe, unigram, codebook or dictionary)."""
    size: str
    steps: int
    """`size`, `steps`: otherwise trained as the base model, on its text."""


@dataclass(frozen=True)
class Questions:
    """Which of four continuations is the text's own: accuracy for any tokenizer."""

    count: int = 400
    """Of questions; 400 leave 4 points to chance on each side."""
    context: int = 200
    """Bytes before an option, at most."""
    option: int = 32
    """Bytes of each option."""


@dataclass(frozen=True)
class Setting:
    """What every table here has."""

    text: TextConfig
    """The base model's."""
    tokenizer: TokenizerConfig
    """The base model's."""
    model: ModelConfig
    """The base model; `options` say whether its tables are tied."""
    hypernetwork: HypernetworkTraining
    """Trained on it."""
    targets: tuple[TokenizerConfig, ...]
    """Tokenizers that the model is moved to."""
    aux_bytes: int = 4_000_000
    """Of the text, for auxiliary vectors."""
    aux_dim: int = 128
    """Their width."""
    donors: Donors | None = None
    """None: no OMP with a donor."""
    questions: Questions = Questions()
    """Asked of held-out text, for accuracies."""
    methods: tuple[str, ...] = ()
    """Compared on each target; none: all that there is everything for."""
    seeds: tuple[int, ...] = (0,)
    """Each repeats everything; tables show means and the widest difference."""
    checkpoint: str = ""
    """a Hugging Face folder in place of a base model trained here; it brings its own tokenizer."""
    weights: Literal["", "committed", "retrain"] = ""
    """Where trained models come from, see `experiments.shared.weights`."""
