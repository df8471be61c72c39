"""Bits/byte by tokens of continued training, from each way to start the new table (n-shot).

    freevocab reproduce tokenizer_transfer/n_shot [--scale hours|gpu|paper]

cpu: the shared model moved to a Unigram of 8,192 entries, 100 steps of 16 x 128 (205 thousand
  tokens) from each start. Bits/byte and % right of four continuations in the end: the original
  1.967 and 78.5, the rows that the hypernetwork predicts 2.044 and 79.0, FOCUS 2.058 and 76.5, FVT
  2.075 and 74.5, the hypernetwork itself trained on 2.115 and 78.5, random 2.547 and 41.5.
hours: zero_shot's models of that scale, 150 steps of 16 x 256 (614 thousand tokens) from each
  start. Not yet run.
gpu: the 25m model of zero_shot moved to GPT-2's tokenizer, 300 steps of 64 x 512. Not yet run.
paper: 50,000 steps of 32 x 512 (800 M tokens) at 3e-6. The paper's averages afterwards, Mistral-7B
  with GPT-2's tokenizer: original 76.8, FOCUS 68.7, hypernetwork 74.9. Not run here.

Sizes on 8 devices, of the base model, its hypernetwork and a training step of that (a test):
  gpu: model 58,071,552 parameters (25,165,824 kernels), network 8,944,128 parameters, 7.72 TFLOPs a
    step, 158 MB a device
  paper: model 1,100,572,672 parameters (968,884,224 kernels), network 142,739,456 parameters,
    159.23 TFLOPs a step, 1227 MB a device
"""

from dataclasses import dataclass

from configs.tokenizer_transfer import presets
from configs.tokenizer_transfer.presets import TransferConfig


@dataclass(frozen=True)
class Config:
    """Continued training."""

    setting: TransferConfig
    """Model, hypernetwork, targets."""
    target: int = 0
    """Index of the one moved to."""
    starts: tuple[str, ...] = (
        "original", "random", "fvt", "focus", "hypernetwork",
        "hypernetwork, itself trained on",
    )  # fmt: skip
    """Methods, whose table is trained on with the trunk; "original" is the model's own tokenizer,
    "hypernetwork, itself trained on" the paper's n-shot, which trains the hypernetwork rather than
    its rows. All for as many steps."""
    steps: int = 100
    learning_rate: float = 1e-3
    """`steps`, `learning_rate`: of continued training (AdamW, cosine)."""
    points: int = 4
    """Evaluations on the way."""


def cpu() -> Config:
    """The shared model, 200 thousand tokens."""
    return Config(presets.CPU, target=presets.UNIGRAM)


def hours() -> Config:
    """The models of hours, 600 thousand tokens."""
    return Config(presets.HOURS, target=presets.UNIGRAM, steps=150, learning_rate=3e-4, points=5)


def gpu() -> Config:
    """Ten million tokens."""
    return Config(presets.GPU, target=5, steps=300, points=6)


def paper() -> Config:
    """800 million tokens."""
    return Config(presets.PAPER, steps=50_000, learning_rate=3e-6, points=10)


_QUICK = ("original", "random", "hypernetwork", "hypernetwork, itself trained on")


def quick() -> Config:
    """Seconds, for tests."""
    return Config(presets.QUICK, starts=_QUICK, steps=2, points=2)
