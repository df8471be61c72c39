"""The hypernetwork with one part changed at a time.

    freevocab reproduce tokenizer_transfer/ablations [--scale hours|gpu|paper]

cpu: the residual form and seven variants, 25 steps each, on a Unigram and a WordPiece. Mean
  bits/byte: FVT without training 2.545, residual 2.454, on the first piece 2.535, with the
  auxiliary loss 2.454, distillation 2.524, 2 slots 2.456, entries cut inside characters 2.450, four
  kinds of samplers 2.443, zett's form 2.720.
hours: zero_shot's base model of that scale; the residual form with the auxiliary loss, without, and
  by distillation, 1,500 steps each, and zett's form with and without that loss, after 1,000 steps
  of the identity; three seeds, about three hours. They are trained whenever the table is run: none
  is kept. Not yet run.
gpu: the 25m model of zero_shot, 100 steps a variant, three seeds. Not yet run.
paper: TinyLlama. The ALM paper's averages over three targets: zett's form 42.2, residual with the
  auxiliary loss 42.3, without 41.8, original 44.9. Not run here.

Sizes on 8 devices, of the base model, its hypernetwork and a training step of that (a test):
  gpu: model 58,071,552 parameters (25,165,824 kernels), network 8,944,128 parameters, 7.72 TFLOPs a
    step, 158 MB a device
  paper: model 1,100,572,672 parameters (968,884,224 kernels), network 142,739,456 parameters,
    159.23 TFLOPs a step, 1227 MB a device
"""

from dataclasses import dataclass, replace

from configs.tokenizer_transfer import presets
from configs.tokenizer_transfer.presets import TransferConfig

Changes = tuple[tuple[str, str | int | float | bool | tuple], ...]
VARIANTS: tuple[tuple[str, Changes], ...] = (
    ("residual", ()),
    ("residual on the first piece", (("residual_on", "first"),)),
    ("residual, auxiliary loss", (("auxiliary", 0.5),)),
    ("residual, distillation", (("loss", "alm"),)),
    ("residual, 2 slots", (("slots", 2),)),
    ("entries cut inside characters", (("aligned", False),)),
    ("samplers: Unigram by EM", (("kinds", (("unigram", 1.0),)),)),
    ("samplers: BPE", (("kinds", (("bpe", 1.0),)),)),
    (
        "samplers: four kinds",
        (("kinds", (("substrings", 1.0), ("unigram", 1.0), ("bpe", 1.0), ("wordpiece", 1.0))),),
    ),
)


def zett(steps: int) -> tuple[str, Changes]:
    """The paper's own form, with `steps` of learning the identity first."""
    return (
        "zett's form, identity first",
        (("form", "zett"), ("auxiliary", 0.5), ("warmup_steps", steps)),
    )


@dataclass(frozen=True)
class Config:
    """Variants of the setting's hypernetwork."""

    setting: TransferConfig
    """Model, hypernetwork, targets."""
    variants: tuple[tuple[str, Changes], ...]
    """Name and changed fields; the first is what the others are compared with."""


def _shorter(setting: TransferConfig, steps: int) -> TransferConfig:
    optimizer = replace(setting.hypernetwork.optimizer, warmup_steps=max(1, steps // 10))
    return replace(
        setting, hypernetwork=replace(setting.hypernetwork, steps=steps, optimizer=optimizer)
    )


def cpu() -> Config:
    """All variants but two kinds of samplers, 25 steps each, on two targets."""
    setting = replace(_shorter(presets.CPU, 25), targets=presets.TARGETS[2:4])
    left_out = ("samplers: Unigram by EM", "samplers: BPE")
    chosen = tuple(variant for variant in VARIANTS if variant[0] not in left_out)
    return Config(setting, (*chosen, zett(100)))


def hours() -> Config:
    """The forms that the ALM paper compares, each to a plateau, three seeds."""
    setting = replace(_shorter(presets.HOURS, 1_500), seeds=(0, 1, 2), targets=presets.TARGETS[:4])
    forms = (
        ("residual, auxiliary loss", (("auxiliary", 0.5),)),
        ("residual", (("auxiliary", 0.0),)),
        ("residual, distillation", (("auxiliary", 0.0), ("loss", "alm"))),
        zett(1_000),
        (
            "zett's form without auxiliary loss",
            (("form", "zett"), ("auxiliary", 0.0), ("warmup_steps", 1_000)),
        ),
    )
    return Config(setting, forms)


def gpu() -> Config:
    """All variants."""
    setting = replace(_shorter(presets.GPU, 100), seeds=(0, 1, 2), targets=presets.GPU_TARGETS[1:6])
    return Config(setting, (*VARIANTS, zett(200)))


def paper() -> Config:
    """The paper's own form, and the residual one."""
    return Config(presets.PAPER, (("residual", (("form", "residual"), ("warmup_steps", 0))),
                                zett(10_000)))  # fmt: skip


def quick() -> Config:
    """Seconds, for tests."""
    return Config(presets.QUICK, (("residual", ()), zett(2)))
