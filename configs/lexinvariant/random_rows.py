"""A learned table with rows made random in training: drawn, or other ids' (section 3.6).

    freevocab reproduce lexinvariant/random_rows [--scale gpu|paper]

In training a share p of the ids of each sequence is random: it has rows drawn for the sequence (the
paper's first try, whose norms diverged) or is permuted with the others that are (what it used
then). Measured are the norm of the learned rows as the training goes on, in norms of a drawn row,
and held-out text as it is and with all ids of a sequence permuted.

cpu: letters of novels, four models of half a million kernels for 400 steps of 16 x 128, two seeds.
  Beside drawn rows (p = .2) the learned ones grow to 1.38 times their norm and go on; permuted
  instead they stay at .99. With all ids permuted a letter costs 2.98 nats, with all rows drawn
  3.16, by counts in the sequence 3.08: so short a training does not read drawn rows.
gpu: 25m models of the novels' characters for 400 steps of 64 x 512. Not yet run.
paper: the Pile, 151m, 250,000 steps; the paper gives no figures. Not run here.

Shapes of the first model on 8 devices, parameters and optimizer (a test):
  gpu: 25,438,208 parameters (25,427,968 kernels), 50.86 MFLOPs/byte, 38.3 MB a device
  paper: 151,030,784 parameters (150,994,944 kernels), 301.99 MFLOPs/byte, 76.4 MB a device
"""

from dataclasses import dataclass, replace
from typing import Literal

from configs.lexinvariant import presets
from configs.shared import DATA_NOVELS, QUICK_TEXT, ModelConfig, TextConfig


@dataclass(frozen=True)
class Variant:
    """Which ids are random in training, and what they have."""

    kind: Literal["drawn", "permuted", "gaussian"]
    """Rows drawn for the sequence; other ids' rows; nothing learned at all."""
    p: float
    """Share of the ids."""


@dataclass(frozen=True)
class Config:
    """A model on a text, trained once for each variant and seed."""

    text: TextConfig
    """Trained and evaluated on."""
    model: ModelConfig
    """Its vocabulary is set by the variants."""
    variants: tuple[Variant, ...] = (
        Variant("drawn", 0.2),
        Variant("permuted", 0.2),
        Variant("permuted", 1.0),
        Variant("gaussian", 1.0),
    )
    """Rows of the table."""
    seeds: tuple[int, ...] = (0,)
    """Initial weights, draws and order of the text."""


def cpu() -> Config:
    """Half a minute a training."""
    return Config(
        text=TextConfig("novels", "builtin:novels", 8_000_000, 120_000),
        model=replace(
            presets.CPU_MODEL, ids="letters", rows=32, length=128, batch_size=16, steps=400
        ),
        seeds=(0, 1),
    )


def gpu() -> Config:
    """25m on novels."""
    return Config(text=DATA_NOVELS, model=replace(presets.GPU_MODEL, steps=400), seeds=(0, 1, 2))


def paper() -> Config:
    """The paper's model and text."""
    return Config(text=presets.PILE, model=presets.PAPER_MODEL)


def quick() -> Config:
    """Seconds, for tests."""
    return Config(
        text=QUICK_TEXT,
        model=replace(presets.QUICK_MODEL, ids="letters", steps=4),
        variants=(Variant("drawn", 0.2), Variant("permuted", 1.0), Variant("gaussian", 1.0)),
        seeds=(0, 1),
    )
