"""What the tables' configs are made of: a text, a model on it, and their scales.

At cpu scale the three main tables share their models: documentation in characters, with a learned,
a gaussian and a canonical vocabulary (CPU_MODELS; 1.2 M characters each, about 80 s on two cores;
other kinds of text would not fit the ten minutes of the three tables). A model is trained by the
first table that needs it, kept below the work directory, and opened by the others.
"""

from dataclasses import dataclass, fields, replace
from typing import Literal

from research.training.config import OptimizerConfig, ParallelismConfig


@dataclass(frozen=True)
class TextConfig:
    """A kind of text.

    Attributes:
      name: what rows call it.
      corpus: a spec for `research.corpora.load`; $FREEVOCAB_DATA is filled in.
      train_bytes, valid_bytes: of the two splits that are used.
    """

    name: str
    corpus: str
    train_bytes: int
    valid_bytes: int


Options = tuple[tuple[str, int | float | str | bool | tuple[int, ...]], ...]


@dataclass(frozen=True)
class StageConfig:
    """A lesson before the training proper: shorter sequences, simpler tables, texts said twice.

    Its optimizer and its draws begin anew; the weights are those that the lesson before has left.

    Attributes:
      length, batch_size, steps: ids of a sequence, sequences of a step, steps.
      vocabulary, options: as in `ModelConfig`; one whose parameters are those of the model's.
      twice: share of the sequences whose second half repeats the first, under the same table.
      optimizer: and its schedule.
    """

    length: int
    batch_size: int
    steps: int
    optimizer: OptimizerConfig
    vocabulary: str = "orthogonal"
    options: Options = ()
    twice: float = 0.0


@dataclass(frozen=True)
class ModelConfig:
    """A language model, and how it is trained.

    Attributes:
      vocabulary: a kind of `research.vocabularies`.
      options: of the vocabulary, as pairs: (("p", 0.2),).
      name: what rows call it; empty: by its vocabulary.
      trunk: fields of the size that are replaced, as pairs: (("output_map", True),).
      rows: padded number of ids; None: the next multiple of 128.
      stages: lessons before the training that the other fields describe.
      ids: 'characters', 'bytes', 'unigram' (trained on the text), or a codec's name or folder.
      vocab_size: entries of the unigram vocabulary.
      size: a name of `research.models.sizes.SIZES`.
      length, batch_size, steps: ids of a sequence, sequences of a step, steps.
      optimizer: and its schedule.
      parallelism: how a step is spread over devices.
      dtype: of activations.
      z_loss: weight of log(Z)^2.
      remat: recompute blocks in the backward pass.
      twice: share of the sequences whose second half repeats the first, under the same table.
      save_every: steps between checkpoints; 0: none.
    """

    vocabulary: str = "gaussian"
    options: Options = ()
    name: str = ""
    trunk: Options = ()
    rows: int | None = None
    stages: tuple[StageConfig, ...] = ()
    ids: str = "characters"
    vocab_size: int = 32_000
    size: str = "mini"
    length: int = 256
    batch_size: int = 8
    steps: int = 600
    optimizer: OptimizerConfig = OptimizerConfig(
        name="adamw", learning_rate=3e-3, schedule="cosine", warmup_steps=40
    )
    parallelism: ParallelismConfig = ParallelismConfig()
    dtype: Literal["float32", "bfloat16"] = "float32"
    z_loss: float = 0.0
    remat: bool = False
    twice: float = 0.0
    save_every: int = 0

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


DOCUMENTATION = TextConfig("documentation", "builtin:docstrings", 10_000_000, 48_000)
CODE = TextConfig("code", "builtin:code", 4_000_000, 48_000)

NOVELS = TextConfig(
    "novels",
    "text:$FREEVOCAB_DATA/novels/train*;valid=$FREEVOCAB_DATA/novels/valid*",
    50_000_000,
    1_000_000,
)
ENCYCLOPAEDIA = TextConfig(
    "encyclopaedia",
    "text:$FREEVOCAB_DATA/enwiki/train*;valid=$FREEVOCAB_DATA/enwiki/valid*",
    200_000_000,
    1_000_000,
)
GPU_CODE = TextConfig("code", "builtin:code", 50_000_000, 380_000)

PILE = TextConfig(
    "the Pile", "text:pile/train/*.jsonl.zst;valid=pile/val.jsonl.zst", 10**12, 30_000_000
)
WIKI40B = TextConfig("Wiki-40B", "tfds:wiki40b/en", 10**12, 30_000_000)
GITHUB = TextConfig(
    "GitHub", "text:github/train/*.jsonl.zst;valid=github/val.jsonl.zst", 10**12, 30_000_000
)

QUICK_TEXT = TextConfig("made up", "synthetic:60000", 30_000, 4_000)
QUICK_MODEL = ModelConfig(
    size="tiny",
    length=32,
    batch_size=8,
    steps=2,
    optimizer=OptimizerConfig(name="adamw", learning_rate=3e-3, schedule="constant"),
)

# Models start uniform: without the map a tied readout of drawn rows begins with "the same symbol
# again", at probability .99.
CPU_MODEL = ModelConfig(trunk=(("output_map", True),))
CPU_MODELS = tuple(
    replace(CPU_MODEL, vocabulary=kind) for kind in ("learned", "gaussian", "canonical")
)
GPU_MODEL = ModelConfig(
    size="25m",
    trunk=(("output_map", True),),
    length=512,
    batch_size=64,
    steps=800,  # 26 M ids; the fifteen models of a table that has them all in under 5 minutes
    optimizer=OptimizerConfig(
        name="adamw", learning_rate=2e-3, schedule="cosine", warmup_steps=100
    ),
    dtype="bfloat16",
)
# Section 3.1 and appendix H: 250,000 steps of 64 x 512.
PAPER_MODEL = ModelConfig(
    size="151m",
    length=512,
    batch_size=64,
    steps=250_000,
    optimizer=OptimizerConfig.lexinvariant_paper(),
    parallelism=ParallelismConfig(kind="mesh"),
    dtype="bfloat16",
    save_every=5_000,
)
