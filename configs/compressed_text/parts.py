"""What the tables' configs are made of: a corpus, M1, codecs and M2, and their three scales.

A table's config is a frozen dataclass of its own with these as fields, so
`--set m2.steps=50` or `--set m1.order=4` reach inside.
"""

from dataclasses import dataclass
from typing import Literal

from research.training.config import OptimizerConfig, ParallelismConfig, check_least

BUILTIN = "builtin"
NOVELS = "builtin:novels"
LOCAL_TEXT = "text:$FREEVOCAB_DATA/train*;valid=$FREEVOCAB_DATA/valid*"
C4 = "tfds:c4/en:3.1.0"


@dataclass(frozen=True)
class M1Config:
    """The byte model that compresses.

    Attributes:
      kind: `ngram` and `unigram` are counted on the train split; `saved` is a folder that
        `freevocab train m1` wrote.
      order: bytes of context of the n-gram.
      beta: frequencies sum to 2**beta (14 in the paper); at most the window's bits.
      max_bytes: train text that is counted.
      directory: the folder of a saved byte model.
    """

    kind: Literal["ngram", "unigram", "saved"] = "ngram"
    order: int = 5
    beta: int = 14
    max_bytes: int = 100_000_000
    directory: str = ""

    def __post_init__(self):
        check_least(self, order=0, beta=1, max_bytes=1)


@dataclass(frozen=True)
class CodecConfig:
    """One way from text to ids: a row of a table.

    Attributes:
      kind: bytes | sentencepiece | bpe | gzip | ac | static_ac | equal_info | codebook
        (point+delay windows compiled to strings) | dictionary (ours, longest match) | saved.
      label: the row's name; empty for one made of the settings.
      vocab_size: entries of SentencePiece, BPE and the dictionary.
      bits_per_token: N of the coded kinds; their vocabulary is 2**N.
      window_bits, closing, reset: of equal-info windows.
      beta: frequencies of M1 sum to 2**beta for this codec; 0: as M1's config says.
      header: GZip's header and footer kept.
      pre_tokenize: pieces of SentencePiece and BPE stop at word borders.
      directory: of a saved codec, or the name of a shipped one.
    """

    kind: Literal[
        "bytes", "sentencepiece", "bpe", "gzip", "ac", "static_ac",
        "equal_info", "codebook", "dictionary", "saved",
    ] = "bytes"
    label: str = ""
    vocab_size: int = 65_536
    bits_per_token: int = 16
    window_bits: int = 16
    closing: Literal["point+delay", "point", "dyadic"] = "point+delay"
    reset: Literal["every", "every-other", "never"] = "every"
    beta: int = 0
    header: bool = True
    pre_tokenize: bool = True
    directory: str = ""

    def __post_init__(self):
        check_least(self, vocab_size=1, bits_per_token=1, window_bits=1, beta=0)


@dataclass(frozen=True)
class M2Config:
    """The language model that is trained on the ids, and how.

    Attributes:
      size: a name of `research.models.sizes.SIZES`; mini and small are for two cores.
      length, batch_size, steps: tokens of a sequence, sequences of a step, steps.
      embedding_dim: width of the tables' rows, with matrices to and from the trunk's width; 0: as
        wide as the trunk.
      tied: one table for ids and logits.
      padded_vocab_size: rows of M2's tables, one value for all rows of a table so that they share
        one compiled step; 0: what each codec needs.
      optimizer: and its schedule.
      parallelism: how a step is spread over devices.
      dtype: of activations.
      z_loss: weight of log(Z)^2.
      remat: recompute blocks in the backward pass.
      chunk_size: positions of each sequence in the readout at once; 0: all.
      evaluation_batch_size: sequences of an evaluation step.
      save_every: steps between checkpoints; 0: only at the end and at Ctrl-C.
    """

    size: str = "small"
    length: int = 128
    batch_size: int = 16
    steps: int = 150
    embedding_dim: int = 0
    tied: bool = False
    padded_vocab_size: int = 0
    optimizer: OptimizerConfig = OptimizerConfig(
        name="adamw", learning_rate=3e-3, schedule="cosine", warmup_steps=10
    )
    parallelism: ParallelismConfig = ParallelismConfig()
    dtype: Literal["float32", "bfloat16"] = "float32"
    z_loss: float = 1e-4
    remat: bool = False
    chunk_size: int = 0
    evaluation_batch_size: int = 16
    save_every: int = 0

    def __post_init__(self):
        counts = ("length", "batch_size", "steps", "evaluation_batch_size")
        check_least(self, **dict.fromkeys(counts, 1))
        check_least(self, padded_vocab_size=0, z_loss=0, chunk_size=0, save_every=0)
        check_least(self, embedding_dim=0)


@dataclass(frozen=True)
class ExampleConfig:
    """How text is cut into the examples that are compressed each by itself (section 3.1).

    Attributes:
      example_bytes: of each; M2 reads the ids that it begins with.
      stride_bytes: from the start of one training example to the next; as M2 reads less than an
        example, smaller strides give more of the text to read.
      valid_stride_bytes: the same for validation.
      ratio_examples: whole validation examples on which a codec's ratio is measured, at most.
    """

    example_bytes: int = 10_240
    stride_bytes: int = 10_240
    valid_stride_bytes: int = 10_240
    ratio_examples: int = 256

    def __post_init__(self):
        names = ("example_bytes", "stride_bytes", "valid_stride_bytes", "ratio_examples")
        check_least(self, **dict.fromkeys(names, 1))


@dataclass(frozen=True)
class TrainedTable:
    """A table with one M2 for each row, all evaluated on the same text.

    Attributes:
      corpus: a spec for `research.corpora.load`; $FREEVOCAB_DATA is filled in.
      m1: the byte model of the coded rows.
      codecs: one for each row.
      m2: the language model of every row.
      train_bytes: text that training examples are cut from; reused when a row runs through it.
      valid_bytes: text that every row is evaluated on.
      examples: how it is cut.
      seed: initial weights and the order of the data.
      weights: where trained models come from, see `experiments.shared.weights`.
      only: rows to run, by the names of their folders (bytes, equalinfo-w12-n12); empty: all.
    """

    corpus: str
    m1: M1Config
    codecs: tuple[CodecConfig, ...]
    m2: M2Config
    train_bytes: int
    valid_bytes: int
    examples: ExampleConfig = ExampleConfig()
    seed: int = 0
    weights: Literal["", "committed", "retrain"] = ""
    only: tuple[str, ...] = ()


QUICK_M1 = M1Config(order=2, beta=12, max_bytes=30_000)
QUICK_CORPUS = "synthetic:60000"
QUICK_EXAMPLES = ExampleConfig(example_bytes=400, stride_bytes=200, valid_stride_bytes=400)
QUICK_M2 = M2Config(
    size="tiny",
    length=16,
    batch_size=8,
    steps=2,
    padded_vocab_size=4224,
    optimizer=OptimizerConfig(name="adamw", learning_rate=3e-3, schedule="constant"),
    evaluation_batch_size=8,
)
# Two cores, up to four hours a model: 16.4 M ids, 1.85 times through the examples. The rows of the
# tables are narrow, so that 65,536 of them fit the readout of two cores and the repository.
HOURS_M2 = M2Config(
    size="small",
    length=512,
    batch_size=8,
    steps=4_000,
    embedding_dim=40,
    tied=True,
    optimizer=OptimizerConfig(
        name="muon", learning_rate=1e-2, schedule="cosine", warmup_steps=100, final_fraction=0.05
    ),
    evaluation_batch_size=8,
    save_every=250,
)
CPU_TRAIN_BYTES, CPU_VALID_BYTES = 10_000_000, 2_200_000
CPU_EXAMPLES = ExampleConfig(stride_bytes=4_096, valid_stride_bytes=4_096, ratio_examples=48)
HOURS_EXAMPLES = ExampleConfig(stride_bytes=1_280, valid_stride_bytes=4_096)
# M1's order is the one at which it costs nearest to 1.13 times what the Bytes model does, as in the
# paper (the AC row gives its cost; of order 5 it would be 1.10 times). Tables that only count have
# the better one.
HOURS_M1 = M1Config(order=4, beta=14)
HOURS_COUNTED_M1 = M1Config(order=5, beta=14)
HOURS_TRAIN_BYTES, HOURS_VALID_BYTES = 25_000_000, 2_200_000
GPU_M2 = M2Config(
    size="25m",
    length=512,
    batch_size=64,
    steps=500,
    optimizer=OptimizerConfig(
        name="adamw", learning_rate=2e-3, schedule="cosine", warmup_steps=50
    ),
    dtype="bfloat16",
    chunk_size=64,
    evaluation_batch_size=64,
)
PAPER_M1 = M1Config(kind="saved", directory="runs/m1-3m")
PAPER_M2 = M2Config(
    size="25m",
    length=512,
    batch_size=256,
    steps=200_000,
    optimizer=OptimizerConfig.paper_adafactor(),
    parallelism=ParallelismConfig(kind="mesh"),
    dtype="bfloat16",
    chunk_size=64,
    evaluation_batch_size=256,
    save_every=5_000,
)
