"""Context or memory? Forgetting schedules on a grammar of two classes (arXiv 2406.00053).

    freevocab reproduce lexinvariant/dual_process [--scale gpu|paper]

`cop adj noun` or `noun cop adj`, a query and three masks: the answer can be read off the place of
`cop`, for any ids, or be known of ids seen in training (`lexinvariance.tasks.part_of_speech`).
Methods: vanilla; active forgetting (all rows but those of `cop` and the mask are drawn again every
`every` steps); temporary forgetting (the same in the first `until` steps only); and a gaussian
vocabulary, drawn for every sequence. All have one learning rate; the three learned ones share one
compiled step. Columns "at x": % of the examples with the whole answer right after x % of the
training, always right before the next reset. An answer that copies rightly but guesses which id
is the adjective is right half the time.

cpu: a tenth of the paper's types (1,000), steps (800) and resets (in 200 of them), ten times its
  learning rate; two of its six layers, for time; a reset every 10 steps as there. 256 examples of
  each split: a standard error of 3 points. 2 cores: 3.3 minutes. At the end, on unseen ids:
  vanilla 59, 46, 46 and 40 % (uniform to skew 1.5), active 65, 62, 65 and 60 %, temporary 68, 59,
  56 and 46 %, gaussian 73, 68, 69 and 77 %; on switched ids vanilla 31, 13, 4 and 0 %, active 62,
  42, 37 and 42 %. Not shown: that vanilla training loses what it had; the way by context is still
  being learned when the runs end. One seed.
hours: the paper's 10,000 types and 1M examples (7,800 steps), two layers, three seeds. Ten times
  the paper's learning rate, as at cpu scale. Not yet run.
gpu: the paper's numbers as far as we have them: 10,000 types and 1,000 unseen, 6 layers of width
  64 with one head, batches of 128, 1M examples (7,800 steps), learning rate 5e-5, a reset every 10
  steps, in the first 2,000 of them (temporary; the paper has 500 to 2,000). Not yet run.
paper: as gpu, and temporary forgetting for each of the paper's 500, 1,000, 1,500 and 2,000 steps.
  Not yet run.
Ours where the paper leaves it open: AdamW with beta2 = .98 and a constant rate, rows that start at
  N(0, 1/64), T5 positions, a GELU MLP of 256, tied tables.
We have no figures of the paper's, only its account: the way by context appears early in vanilla
  training and vanishes later; active forgetting keeps it; after temporary forgetting the model has
  both, context for unseen and rare ids and memory for frequent ones.

Shapes of the learned vocabulary's step on 8 devices, parameters and optimizer (a test):
  gpu: 1,000,448 parameters (294,912 kernels), 4.02 MB a device
  paper: 1,000,448 parameters (294,912 kernels), 4.02 MB a device
"""

from dataclasses import dataclass, replace

from research.training.config import OptimizerConfig

METHODS = ("vanilla", "active", "temporary", "gaussian")
SKEWS = (0.0, 1.0001, 1.2, 1.5)


@dataclass(frozen=True)
class Config:
    """The task, the model and the schedules."""

    types: int
    unseen: int
    """`types`, `unseen`: ids seen in training, and further ids that are not."""
    skews: tuple[float, ...]
    """Of Zipf's law within a class; 0: uniform."""
    methods: tuple[str, ...]
    """Of METHODS."""
    width: int
    layers: int
    """`width`, `layers`: of the trunk, with one head."""
    batch_size: int
    steps: int
    optimizer: OptimizerConfig
    """`batch_size`, `steps`, `optimizer`: of every run."""
    every: int
    """Steps between resets."""
    until: tuple[int, ...]
    """For temporary forgetting, the steps that have resets; several make several rows."""
    examples: int
    """Of each split, evaluated ten times in the training."""
    seeds: tuple[int, ...] = (0,)
    """Of initial weights, data and draws; rows are means over them."""


def _optimizer(learning_rate: float) -> OptimizerConfig:
    return OptimizerConfig(name="adamw", learning_rate=learning_rate, schedule="constant")


def cpu() -> Config:
    """A tenth of the types, steps and resets, ten times the learning rate, and two layers."""
    return replace(
        gpu(),
        types=1_000,
        unseen=100,
        layers=2,
        steps=800,
        optimizer=_optimizer(5e-4),
        until=(200,),
        examples=256,
    )


def hours() -> Config:
    """The paper's types, examples and resets, three seeds; two layers and ten times its rate."""
    return replace(gpu(), layers=2, optimizer=_optimizer(5e-4), examples=512, seeds=(0, 1, 2))


def gpu() -> Config:
    """The paper's toy model."""
    return Config(
        types=10_000,
        unseen=1_000,
        skews=SKEWS,
        methods=METHODS,
        width=64,
        layers=6,
        batch_size=128,
        steps=7_800,
        optimizer=_optimizer(5e-5),
        every=10,
        until=(2_000,),
        examples=1_024,
    )


def paper() -> Config:
    """With every length of the temporary schedule."""
    return replace(gpu(), until=(500, 1_000, 1_500, 2_000))


def quick() -> Config:
    """Seconds, for tests."""
    return Config(
        types=20,
        unseen=4,
        skews=(1.5,),
        methods=METHODS,
        width=16,
        layers=1,
        batch_size=8,
        steps=10,
        optimizer=_optimizer(1e-3),
        every=2,
        until=(4,),
        examples=16,
    )
