"""What the tables' configs are made of: texts, models on them, their scales.

At cpu scale the three main tables share their models: documentation in characters, with a learned,
a gaussian and a canonical vocabulary (CPU_MODELS; 1.2 M characters each, about 80 s on two cores;
other kinds of text would not fit the ten minutes of the three tables). A model is trained by the
first table that needs it, kept below the work directory, and opened by the others.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from configs.shared import DATA_NOVELS, ModelConfig, StageConfig, TextConfig, data_text
from research.training.config import OptimizerConfig, ParallelismConfig

KINDS = ("learned", "gaussian", "canonical")


def vocabularies(model: ModelConfig, kinds: Sequence[str] = KINDS) -> tuple[ModelConfig, ...]:
    """The model with each kind of vocabulary."""
    return tuple(replace(model, vocabulary=kind) for kind in kinds)


def _both_ids(model: ModelConfig) -> tuple[ModelConfig, ...]:
    """Characters with three vocabularies, a 32k Unigram one with the paper's two."""
    unigram = replace(model, ids="unigram")
    return (*vocabularies(model), *vocabularies(unigram, KINDS[:2]))


CODE = TextConfig("code", "builtin:code", 4_000_000, 48_000)
ENCYCLOPAEDIA = data_text("encyclopaedia", "enwiki", 200_000_000)
GPU_CODE = TextConfig("code", "builtin:code", 50_000_000, 380_000)

PILE = TextConfig(
    "the Pile", "text:pile/train/*.jsonl.zst;valid=pile/val.jsonl.zst", 10**12, 30_000_000
)
WIKI40B = TextConfig("Wiki-40B", "tfds:wiki40b/en", 10**12, 30_000_000)
GITHUB = TextConfig(
    "GitHub", "text:github/train/*.jsonl.zst;valid=github/val.jsonl.zst", 10**12, 30_000_000
)

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
CPU_MODELS = vocabularies(CPU_MODEL)
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

# What the tables on several texts have in common at a scale: GPU, PAPER, HOURS.
GPU: dict[str, Any] = {
    "texts": (DATA_NOVELS, ENCYCLOPAEDIA, GPU_CODE), "models": _both_ids(GPU_MODEL),
}  # fmt: skip
PAPER: dict[str, Any] = {
    "texts": (PILE, WIKI40B, GITHUB), "models": _both_ids(PAPER_MODEL),
}  # fmt: skip

# Scale hours: 27 letters of novels, trained for hours on two cores. Four layers of width 192 (2.1 M
# kernels), Muon, and 4,096 ids a step throughout, whatever the length of the sequences.
# perplexity_by_position trains the models; deciphering and reasoning share them.
HOURS_TEXT = TextConfig("novels", "builtin:novels", 40_000_000, 600_000)


def _muon(schedule: Literal["constant", "cosine"] = "cosine") -> OptimizerConfig:
    return OptimizerConfig(name="muon", learning_rate=0.015, schedule=schedule, warmup_steps=50)


def _stage(length: int, steps: int, span: int = 0, twice: float = 0.0) -> StageConfig:
    """A lesson of 4,096 ids a step on orthogonal rows; span: the dimensions that they lie in."""
    return StageConfig(
        length=length,
        batch_size=4_096 // length,
        steps=steps,
        optimizer=_muon(schedule="constant"),
        options=(("span", span),),
        twice=twice,
    )


HOURS_MODEL = ModelConfig(
    ids="letters",
    rows=32,
    size="small",
    trunk=(("num_layers", 4), ("output_map", True)),
    length=512,
    batch_size=8,
    steps=3_000,
    optimizer=_muon(),
    save_every=250,
)
HOURS_LEARNED = replace(
    HOURS_MODEL,
    vocabulary="learned",
    options=(("tied", True),),
    stages=(replace(_stage(128, 1_500), vocabulary="learned", options=(("tied", True),)),),
)
HOURS_CANONICAL = replace(
    HOURS_MODEL,
    vocabulary="canonical",
    options=(("slots", 512), ("tied", True)),
    stages=tuple(
        replace(stage, vocabulary="canonical", options=(("slots", 512), ("tied", True)))
        for stage in (_stage(64, 1_000, twice=0.1), _stage(128, 1_000), _stage(256, 1_000))
    ),
)
# To copy and to compare what it cannot know, a trunk has to multiply by the identity. In short
# trials, which no record holds, it learned to on the whole sphere very slowly, soon in as many
# dimensions as there are symbols, and what it did there still worked in part when the dimensions
# became more. At last the paper's gaussian rows.
HOURS_GAUSSIAN = replace(
    HOURS_MODEL,
    vocabulary="gaussian",
    stages=(
        _stage(64, 1_000, span=27, twice=0.2),
        *(_stage(64, 400, span, twice=0.2) for span in (36, 48, 64, 88, 120, 160)),
        _stage(64, 600, twice=0.2),
        _stage(128, 1_000, twice=0.1),
        _stage(256, 1_200),
    ),
)
# Ours, lexinvariant by construction: two layers whose heads know where the last 1, 2 and 3 ids
# stood before.
HOURS_NGRAM = tuple(
    replace(
        HOURS_MODEL,
        vocabulary=vocabulary,
        name=f"{vocabulary} + n-gram heads",
        trunk=(("output_map", True), ("ngram_heads", (1, 2, 3))),
        steps=1_500,
        stages=(_stage(128, 600),),
    )
    for vocabulary in ("gaussian", "orthogonal")
)
HOURS_MODELS = (HOURS_LEARNED, HOURS_GAUSSIAN, HOURS_CANONICAL, *HOURS_NGRAM)
HOURS: dict[str, Any] = {"texts": (HOURS_TEXT,), "models": HOURS_MODELS, "weights": "committed"}

# The chain of six symbols: `small` cut to a third of its width, 128 positions.
_CHAIN = ModelConfig(
    ids="chain",
    rows=8,
    size="small",
    trunk=(
        ("d_model", 64), ("num_heads", 4), ("head_dim", 16), ("mlp_dim", 256), ("output_map", True),
    ),
    length=128,
    batch_size=64,
    steps=3_000,
    optimizer=_muon(),
    save_every=500,
)


def _chain_stage(length: int, steps: int, span: int = 0) -> StageConfig:
    """A lesson of 8,192 symbols a step."""
    return replace(_stage(length, steps, span, twice=0.1), batch_size=8_192 // length)


HOURS_CHAIN = (
    replace(_CHAIN, vocabulary="learned", options=(("tied", True),), steps=1_500),
    replace(
        _CHAIN,
        vocabulary="gaussian",
        steps=4_500,
        stages=(
            _chain_stage(32, 300, span=6),
            *(_chain_stage(32, 150, span) for span in (9, 14, 20, 30, 44)),
            _chain_stage(32, 300),
            _chain_stage(64, 500),
        ),
    ),
    replace(_CHAIN, vocabulary="canonical"),
)
