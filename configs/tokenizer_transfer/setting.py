"""What the tables' configs are made of: fields and their meaning. The values are in `parts`."""

from dataclasses import dataclass
from typing import Literal

from configs.lexinvariant.parts import ModelConfig, TextConfig
from research.training.config import OptimizerConfig, ParallelismConfig


@dataclass(frozen=True)
class TokenizerConfig:
    """A tokenizer that a model is trained with, or moved to.

    Attributes:
      kind: bpe | unigram | wordpiece (BERT's rules, spaces dropped) | codebook (equal-info windows,
        shipped or compiled at `window_bits`) | dictionary | bytes | file (any tokenizer's file).
      vocab_size: entries.
      label: what rows call it.
      corpus, split: the text that it is made from; an empty corpus is the base model's own.
      max_bytes: of that text.
      path: of a file, or the name of a shipped codebook.
      window_bits: of a codebook compiled here from a byte n-gram.
    """

    kind: Literal["bpe", "unigram", "wordpiece", "codebook", "dictionary", "bytes", "file"]
    vocab_size: int = 0
    label: str = ""
    corpus: str = ""
    split: str = "train"
    max_bytes: int = 20_000_000
    path: str = ""
    window_bits: int = 12


@dataclass(frozen=True)
class HypernetworkTraining:
    """A hypernetwork, and how it is trained on one base model.

    Attributes:
      form: residual (one stage, starts as FVT) or zett (learns the identity first).
      residual_on: mean or first piece, of the residual form.
      layers, slots: of its encoder.
      loss: lm (through the frozen trunk), alm (distillation) or both.
      auxiliary: weight of the pull of one-piece tokens to the source's rows.
      steps, warmup_steps: of training; of zett's identity stage.
      batch_size, length: sequences of a step, ids of a sequence.
      vocab_size: entries of a sampled tokenizer.
      sampled_rows: of these, how many a step predicts and weighs in its softmax, those of its text
        among them; 0: all.
      queue: batches of text that a tokenizer is sampled from.
      window_bytes: text of a sequence, of which the first `length` ids are trained on.
      kinds: samplers and their shares: substrings, unigram, bpe, wordpiece, codebook.
      aligned: sampled entries begin and end between characters.
      optimizer, parallelism, dtype: as elsewhere.
      warmup_learning_rate: of the identity stage.
      save_every: steps between checkpoints; 0: only when it is interrupted, and at the end.
    """

    form: Literal["residual", "zett"] = "residual"
    residual_on: Literal["mean", "first"] = "mean"
    layers: int = 3
    slots: int = 7
    loss: Literal["lm", "alm", "both"] = "lm"
    auxiliary: float = 0.0
    steps: int = 300
    warmup_steps: int = 0
    batch_size: int = 16
    length: int = 128
    vocab_size: int = 2048
    sampled_rows: int = 0
    queue: int = 16
    window_bytes: int = 2048
    kinds: tuple[tuple[str, float], ...] = (("substrings", 1.0),)
    aligned: bool = True
    optimizer: OptimizerConfig = OptimizerConfig(
        name="adamw", learning_rate=1e-3, schedule="cosine", warmup_steps=20, clip_norm=0.1
    )
    parallelism: ParallelismConfig = ParallelismConfig()
    dtype: Literal["float32", "bfloat16"] = "float32"
    warmup_learning_rate: float = 3e-4
    save_every: int = 500


@dataclass(frozen=True)
class Donors:
    """Models that were trained with a target's tokenizer, for OMP to read.

    Attributes:
      targets: indices of the targets that have one (bpe, unigram, codebook or dictionary).
      size, steps: otherwise trained as the base model, on its text.
    """

    targets: tuple[int, ...]
    size: str
    steps: int


@dataclass(frozen=True)
class Questions:
    """Which of four continuations is the text's own: accuracy for any tokenizer.

    Attributes:
      count: of questions; 400 leave 4 points to chance on each side.
      context: bytes before an option, at most.
      option: bytes of each option.
    """

    count: int = 400
    context: int = 200
    option: int = 32


@dataclass(frozen=True)
class Setting:
    """What every table here has.

    Attributes:
      text: the base model's.
      tokenizer: the base model's.
      model: the base model; `options` say whether its tables are tied.
      hypernetwork: trained on it.
      targets: tokenizers that the model is moved to.
      aux_bytes: of the text, for auxiliary vectors.
      aux_dim: their width.
      donors: None: no OMP with a donor.
      questions: asked of held-out text, for accuracies.
      methods: compared on each target; none: all that there is everything for.
      seeds: each repeats everything; tables show means and the widest difference.
      checkpoint: a Hugging Face folder in place of a base model trained here; it brings its own
        tokenizer.
      weights: where trained models come from, see `experiments.shared.weights`.
    """

    text: TextConfig
    tokenizer: TokenizerConfig
    model: ModelConfig
    hypernetwork: HypernetworkTraining
    targets: tuple[TokenizerConfig, ...]
    aux_bytes: int = 4_000_000
    aux_dim: int = 128
    donors: Donors | None = None
    questions: Questions = Questions()
    methods: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    checkpoint: str = ""
    weights: Literal["", "committed", "retrain"] = ""
