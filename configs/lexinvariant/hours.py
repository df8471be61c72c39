"""The models of scale hours: 27 letters of novels, trained for hours on two cores.

Four layers of width 192 (2.1 M kernels), Muon, and 4,096 ids a step throughout, whatever the length
of the sequences. perplexity_by_position trains them; deciphering and reasoning share them.
"""

from dataclasses import replace
from typing import Literal

from configs.shared import ModelConfig, StageConfig, TextConfig
from research.training.config import OptimizerConfig

HOURS_TEXT = TextConfig("novels", "builtin:novels", 40_000_000, 600_000)


def _muon(
    learning_rate: float = 0.015, schedule: Literal["constant", "cosine"] = "cosine"
) -> OptimizerConfig:
    return OptimizerConfig(
        name="muon", learning_rate=learning_rate, schedule=schedule, warmup_steps=50
    )


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
