"""Settings that configurations of several papers have: texts, codecs, models and their training.

A table's config is a frozen dataclass of its own with these as fields, so `--set m2.steps=50` or
`--set m1.order=4` reach inside. The values are in each paper's `presets`.
"""

from dataclasses import dataclass, fields, replace
from typing import Literal

from research.training.config import OptimizerConfig, ParallelismConfig, check_least

Weights = Literal["", "committed", "retrain"]
"""Where trained models come from, see `experiments.shared.weights`."""


@dataclass(frozen=True)
class M1Config:
    """The byte model that compresses."""

    kind: Literal["ngram", "unigram", "saved"] = "ngram"
    """`ngram` and `unigram` are counted on the train split; `saved` is a folder that `freevocab
    train m1` wrote."""
    order: int = 5
    """Bytes of context of the n-gram."""
    beta: int = 14
    """Frequencies sum to 2**beta (14 in the paper); at most the window's bits."""
    max_bytes: int = 100_000_000
    """Train text that is counted."""
    directory: str = ""
    """The folder of a saved byte model."""

    def __post_init__(self):
        check_least(self, order=0, beta=1, max_bytes=1)


@dataclass(frozen=True)
class CodecConfig:
    """One way from text to ids: a row of a table."""

    kind: Literal[
        "bytes", "sentencepiece", "bpe", "gzip", "ac", "static_ac",
        "equal_info", "codebook", "dictionary", "saved",
    ] = "bytes"
    """bytes | sentencepiece | bpe | gzip | ac | static_ac | equal_info | codebook (point+delay
    windows compiled to strings) | dictionary (ours, longest match) | saved."""
    label: str = ""
    """The row's name; empty for one made of the settings."""
    vocab_size: int = 65_536
    """Entries of SentencePiece, BPE and the dictionary."""
    bits_per_token: int = 16
    """N of the coded kinds; their vocabulary is 2**N."""
    window_bits: int = 16
    closing: Literal["point+delay", "point", "dyadic"] = "point+delay"
    reset: Literal["every", "every-other", "never"] = "every"
    """`window_bits`, `closing`, `reset`: of equal-info windows."""
    beta: int = 0
    """Frequencies of M1 sum to 2**beta for this codec; 0: as M1's config says."""
    header: bool = True
    """GZip's header and footer kept."""
    pre_tokenize: bool = True
    """Pieces of SentencePiece and BPE stop at word borders."""
    directory: str = ""
    """Of a saved codec, or the name of a shipped one."""

    def __post_init__(self):
        check_least(self, vocab_size=1, bits_per_token=1, window_bits=1, beta=0)


@dataclass(frozen=True)
class M2Config:
    """The language model that is trained on the ids, and how."""

    size: str = "small"
    """A name of `research.models.sizes.SIZES`; mini and small are for two cores."""
    length: int = 128
    batch_size: int = 16
    steps: int = 150
    """`length`, `batch_size`, `steps`: tokens of a sequence, sequences of a step, steps."""
    embedding_dim: int = 0
    """Width of the tables' rows, with matrices to and from the trunk's width; 0: as wide as the
    trunk."""
    tied: bool = False
    """One table for ids and logits."""
    padded_vocab_size: int = 0
    """Rows of M2's tables, one value for all rows of a table so that they share one compiled step;
    0: what each codec needs."""
    optimizer: OptimizerConfig = OptimizerConfig(
        name="adamw", learning_rate=3e-3, schedule="cosine", warmup_steps=10
    )
    """The optimizer and its schedule."""
    parallelism: ParallelismConfig = ParallelismConfig()
    """How a step is spread over devices."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of activations."""
    z_loss: float = 1e-4
    """Weight of log(Z)^2."""
    remat: bool = False
    """Recompute blocks in the backward pass."""
    chunk_size: int = 0
    """Positions of each sequence in the readout at once; 0: all."""
    evaluation_batch_size: int = 16
    """Sequences of an evaluation step."""
    save_every: int = 0
    """Steps between checkpoints; 0: only at the end and at Ctrl-C."""

    def __post_init__(self):
        counts = ("length", "batch_size", "steps", "evaluation_batch_size")
        check_least(self, **dict.fromkeys(counts, 1))
        check_least(self, padded_vocab_size=0, z_loss=0, chunk_size=0, save_every=0)
        check_least(self, embedding_dim=0)


@dataclass(frozen=True)
class ExampleConfig:
    """How text is cut into the examples that are compressed each by itself (section 3.1)."""

    example_bytes: int = 10_240
    """Bytes of an example; M2 reads the ids that it begins with."""
    stride_bytes: int = 10_240
    """From the start of one training example to the next; as M2 reads less than an example, smaller
    strides give more of the text to read."""
    valid_stride_bytes: int = 10_240
    """The same for validation."""
    ratio_examples: int = 256
    """Whole validation examples on which a codec's ratio is measured, at most."""

    def __post_init__(self):
        names = ("example_bytes", "stride_bytes", "valid_stride_bytes", "ratio_examples")
        check_least(self, **dict.fromkeys(names, 1))


@dataclass(frozen=True)
class TextConfig:
    """A kind of text."""

    name: str
    """What rows call it."""
    corpus: str
    """A spec for `research.corpora.load`; $FREEVOCAB_DATA is filled in."""
    train_bytes: int
    valid_bytes: int
    """`train_bytes`, `valid_bytes`: of the two splits that are used."""


def data_text(
    name: str, folder: str, train_bytes: int, valid_bytes: int = 1_000_000
) -> TextConfig:
    """The files train* and valid* in a folder of $FREEVOCAB_DATA."""
    files = f"$FREEVOCAB_DATA/{folder}"
    return TextConfig(name, f"text:{files}/train*;valid={files}/valid*", train_bytes, valid_bytes)


DOCUMENTATION = TextConfig("documentation", "builtin:docstrings", 10_000_000, 48_000)
DATA_NOVELS = data_text("novels", "novels", 50_000_000)
QUICK_TEXT = TextConfig("made up", "synthetic:60000", 30_000, 4_000)

Options = tuple[tuple[str, int | float | str | bool | tuple[int, ...]], ...]


@dataclass(frozen=True)
class StageConfig:
    """A lesson before the training proper: shorter sequences, simpler tables, texts said twice.

    Its optimizer and its draws start again; the weights are those that the previous lesson left.
    """

    length: int
    batch_size: int
    steps: int
    """`length`, `batch_size`, `steps`: ids of a sequence, sequences of a step, steps."""
    optimizer: OptimizerConfig
    """The optimizer and its schedule."""
    vocabulary: str = "orthogonal"
    options: Options = ()
    """`vocabulary`, `options`: as in `ModelConfig`; one whose parameters are those of the model's.
    """
    twice: float = 0.0
    """Share of the sequences whose second half repeats the first, under the same table."""


@dataclass(frozen=True)
class ModelConfig:
    """A language model, and how it is trained."""

    vocabulary: str = "gaussian"
    """A kind of `research.vocabularies`."""
    options: Options = ()
    """Of the vocabulary, as pairs: (("p", 0.2),)."""
    name: str = ""
    """What rows call it; empty: by its vocabulary."""
    trunk: Options = ()
    """Fields of the size that are replaced, as pairs: (("output_map", True),)."""
    rows: int | None = None
    """Padded number of ids; None: the next multiple of 128."""
    stages: tuple[StageConfig, ...] = ()
    """Lessons before the training that the other fields describe."""
    ids: str = "characters"
    """'characters', 'bytes', 'unigram' (trained on the text), or a codec's name or folder."""
    vocab_size: int = 32_000
    """Entries of the unigram vocabulary."""
    size: str = "mini"
    """A name of `research.models.sizes.SIZES`."""
    length: int = 256
    batch_size: int = 8
    steps: int = 600
    """`length`, `batch_size`, `steps`: ids of a sequence, sequences of a step, steps."""
    optimizer: OptimizerConfig = OptimizerConfig(
        name="adamw", learning_rate=3e-3, schedule="cosine", warmup_steps=40
    )
    """The optimizer and its schedule."""
    parallelism: ParallelismConfig = ParallelismConfig()
    """How a step is spread over devices."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of activations."""
    z_loss: float = 0.0
    """Weight of log(Z)^2."""
    remat: bool = False
    """Recompute blocks in the backward pass."""
    twice: float = 0.0
    """Share of the sequences whose second half repeats the first, under the same table."""
    save_every: int = 0
    """Steps between checkpoints; 0: none."""

    @property
    def label(self) -> str:
        """What rows and work directories call it."""
        return self.name or self.vocabulary

    @property
    def ids_seen(self) -> int:
        """Ids of all steps of all lessons."""
        return sum(each.steps * each.batch_size * each.length for each in self.lessons)

    @property
    def lessons(self) -> tuple["ModelConfig", ...]:
        """The trainings in order, each without stages; the last is the training proper."""
        names = [field.name for field in fields(StageConfig)]
        stages = [
            replace(self, stages=(), **{name: getattr(stage, name) for name in names})
            for stage in self.stages
        ]
        return (*stages, replace(self, stages=()))
