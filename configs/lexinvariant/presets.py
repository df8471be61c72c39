"""What the tables' configs are made of: a text, a model on it, and their scales.

At cpu scale the three main tables share their models: documentation in characters, with a learned,
a gaussian and a canonical vocabulary (CPU_MODELS; 1.2 M characters each, about 80 s on two cores;
other kinds of text would not fit the ten minutes of the three tables). A model is trained by the
first table that needs it, kept below the work directory, and opened by the others.
"""

from dataclasses import replace

from configs.shared import ModelConfig, TextConfig
from research.training.config import OptimizerConfig, ParallelismConfig

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
    steps=800,  # 26 M ids; the fifteen models of a table are meant for 5 minutes
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
