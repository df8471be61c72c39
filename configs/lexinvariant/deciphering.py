"""Reading a cipher's key with a probe, by position (Figures 4, 5 and 6, section 3.3).

    freevocab reproduce lexinvariant/deciphering [--scale gpu|paper]

A two-layer MLP on the frozen hidden states of a lexinvariant model predicts the plain symbol of
each position. Held-out text under held-out keys: every symbol but the space is replaced, one to
one, by an arbitrary one. From the posteriors of a window of 100 positions a key is read in four
ways; its precision is the share of the window's cipher symbols that stand for a letter a to z and
are read right.

cpu: documentation, the gaussian and the canonical model that the main tables share, 500 probe steps
  of 8 x 256 each, 200 texts: 54 s beyond the models on 2 cores. Precision at 0 and 150,
  posterior + assignment: canonical .09 and .12, gaussian .10 and .10: it learns nothing from the
  context, and its vote takes every symbol for a space.
hours: letters of novels, the lexinvariant models of perplexity_by_position, 1,500 probe steps of
  8 x 512, 400 texts. Not yet run.
gpu: 25,438,208 parameters (25,427,968 kernels), 50.86 MFLOPs/byte, 38.3 MB a device
  (eight devices, gaussian).
  Novels, the two 25m models of perplexity_by_position, 1,500 probe steps of 64 x 512, 1,000 texts.
  Not yet run.
paper: 151,030,784 parameters (150,994,944 kernels), 301.99 MFLOPs/byte, 76.4 MB a device
  (likewise). The Pile, 151m, 10,000 probe steps, 1,000 texts. Not run here.
The paper (Gaussian, majority vote): precision .630 in the window at 0, .933 at 100, .996 at 400.
Expected at cpu scale: canonical above gaussian, which hardly begins to learn in 600 steps.
"""

from dataclasses import dataclass, replace

from configs.lexinvariant import presets
from configs.shared import DATA_NOVELS, DOCUMENTATION, QUICK_TEXT, ModelConfig, TextConfig, Weights
from research.training.config import OptimizerConfig


@dataclass(frozen=True)
class ProbeConfig:
    """The probe, and how it is trained: on the model's own text, in sequences of its length."""

    mlp_dim: int = 256
    """F, width of the MLP (not in the paper)."""
    batch_size: int = 8
    steps: int = 500
    """`batch_size`, `steps`: sequences of a step, steps."""
    optimizer: OptimizerConfig = OptimizerConfig(
        name="adamw", learning_rate=3e-3, schedule="cosine", warmup_steps=20
    )
    """The optimizer and its schedule."""


@dataclass(frozen=True)
class Config:
    """Models, their probes, and where keys are read."""

    text: TextConfig
    """What models and probes are trained on, and its held-out part is enciphered."""
    models: tuple[ModelConfig, ...]
    """Lexinvariant ones; each gets a probe of its own."""
    probe: ProbeConfig
    """Of each."""
    num_sequences: int
    """Enciphered texts, each under a key of its own; where the held-out text has fewer,
    it is used again under other keys."""
    starts: tuple[int, ...]
    """First positions of the windows."""
    window: int = 100
    """Positions of a window."""
    picture_starts: tuple[int, ...] = (0, 50, 100, 200, 400)
    picture_window: int = 50
    """`picture_starts`, `picture_window`: of the matrices that are drawn."""
    seed: int = 0
    """Keys, initial weights of the probes and the order of their text."""
    weights: Weights = ""
    """Where trained models come from; see `experiments.shared.weights`."""


GPU_PROBE = ProbeConfig(mlp_dim=2048, batch_size=64, steps=1_500)
PAPER_PROBE = ProbeConfig(
    mlp_dim=4096,
    batch_size=64,
    steps=10_000,
    optimizer=OptimizerConfig(
        name="adamw", learning_rate=1e-3, schedule="cosine", warmup_steps=200
    ),
)
QUICK_PROBE = ProbeConfig(mlp_dim=16, steps=2, optimizer=presets.QUICK_MODEL.optimizer)
LEXINVARIANT = ("gaussian", "canonical")
STARTS = (0, 25, 50, 75, 100, 150, 200, 300, 400)


def cpu() -> Config:
    """Two layers, sequences of 256."""
    return Config(
        text=DOCUMENTATION,
        models=tuple(model for model in presets.CPU_MODELS if model.vocabulary in LEXINVARIANT),
        probe=ProbeConfig(),
        num_sequences=200,
        starts=(0, 25, 50, 75, 100, 150),
        picture_starts=(0, 50, 100, 150, 200),
    )


def hours() -> Config:
    """The models of perplexity_by_position: letters of novels, sequences of 512."""
    return Config(
        text=presets.HOURS_TEXT,
        models=tuple(model for model in presets.HOURS_MODELS if model.vocabulary != "learned"),
        probe=ProbeConfig(steps=1_500),
        num_sequences=400,
        starts=STARTS,
        weights="committed",
    )


def gpu() -> Config:
    """Six layers, sequences of 512."""
    return Config(
        text=DATA_NOVELS,
        models=presets.vocabularies(presets.GPU_MODEL, LEXINVARIANT),
        probe=GPU_PROBE,
        num_sequences=1_000,
        starts=STARTS,
    )


def paper() -> Config:
    """The paper's model and number of probe steps."""
    return Config(
        text=presets.PILE,
        models=(replace(presets.PAPER_MODEL, vocabulary="gaussian"),),
        probe=PAPER_PROBE,
        num_sequences=1_000,
        starts=STARTS,
    )


def quick() -> Config:
    """Seconds, for tests."""
    return Config(
        text=QUICK_TEXT,
        models=presets.vocabularies(presets.QUICK_MODEL, LEXINVARIANT),
        probe=QUICK_PROBE,
        num_sequences=4,
        starts=(0, 25),
        window=6,
        picture_starts=(0, 10),
        picture_window=10,
    )
