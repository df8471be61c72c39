"""A base model's hypernetwork on its fine-tuned variant (the paper's MT-Bench table).

    freevocab reproduce tokenizer_transfer/fine_tuned [--scale hours|gpu|paper]

cpu: the shared model fine-tuned on documentation for 100 steps, then moved to a Unigram of 8,192
  entries of novels. Bits/byte on documentation: 3.390 before fine-tuning, the variant 2.414, with
  the rows of the base 2.928; moved, FOCUS 3.233, the hypernetwork on the fine-tuned rows 3.313, FVT
  3.499, the base's hypernetwork 3.709, n-shot 3.649 (lambda 0) to 3.632 (.7). Fine-tuning that goes
  from novels to documentation changes the rows so much that those of the base no longer fit.
hours: the same with zero_shot's models of that scale, 400 steps. Not yet run.
gpu: the 25m model of zero_shot fine-tuned on novels, moved to GPT-2's tokenizer. Not yet run.
paper: Mistral-7B-Instruct-v0.1 by Mistral-7B's hypernetwork to GPT-2's tokenizer. MT-Bench in the
  paper (not fully certain): original 7.33, FOCUS 5.03, hypernetwork 6.56, n-shot 6.59 to 6.82. Not
  run here.

Sizes on 8 devices, of the base model, its hypernetwork and a training step of that (a test):
  gpu: model 58,071,552 parameters (25,165,824 kernels), network 8,944,128 parameters, 7.72 TFLOPs a
    step, 158 MB a device
  paper: model 1,100,572,672 parameters (968,884,224 kernels), network 142,739,456 parameters,
    159.23 TFLOPs a step, 1227 MB a device
"""

from dataclasses import dataclass

from configs.shared import DATA_NOVELS, DOCUMENTATION, TextConfig
from configs.tokenizer_transfer import presets
from configs.tokenizer_transfer.presets import TransferConfig


@dataclass(frozen=True)
class Config:
    """Fine-tuning, then the move."""

    setting: TransferConfig
    """Model, hypernetwork, targets."""
    text: TextConfig
    """What the base model is fine-tuned on, and measured."""
    target: int = 0
    """Index of the tokenizer moved to."""
    methods: tuple[str, ...] = ("random", "fvt", "focus", "hypernetwork")
    """Compared."""
    steps: int = 200
    learning_rate: float = 1e-4
    """`steps`, `learning_rate`: of fine-tuning (AdamW, cosine), a tenth of a training's rate."""
    n_shot_steps: int = 60
    n_shot_learning_rate: float = 1e-3
    """`n_shot_steps`, `n_shot_learning_rate`: of training base model and hypernetwork on with the
    target's tokens."""
    weights: tuple[float, ...] = (0.0, 0.3, 0.5, 0.7)
    """Lambdas of the task vector."""


def cpu() -> Config:
    """The shared model, fine-tuned on documentation."""
    return Config(presets.CPU, DOCUMENTATION, target=presets.UNIGRAM)


def hours() -> Config:
    """The models of hours."""
    return Config(
        presets.HOURS,
        DOCUMENTATION,
        target=presets.UNIGRAM,
        steps=400,
        n_shot_steps=150,
        n_shot_learning_rate=3e-4,
    )


def gpu() -> Config:
    """Novels."""
    return Config(
        presets.GPU,
        DATA_NOVELS,
        target=5,
        steps=300,
        learning_rate=1e-3,
        n_shot_steps=300,
    )


def paper() -> Config:
    """Instructions."""
    text = TextConfig("Flan v2", "text:flan/train/*.jsonl.zst;valid=flan/valid/*.jsonl.zst",
                      10**12, 30_000_000)  # fmt: skip
    return Config(
        presets.PAPER,
        text,
        steps=0,
        learning_rate=3e-6,
        n_shot_steps=50_000,
        n_shot_learning_rate=3e-6,
    )


def quick() -> Config:
    """Seconds, for tests."""
    return Config(
        presets.QUICK,
        presets.QUICK.text,
        methods=("fvt", "hypernetwork"),
        steps=2,
        n_shot_steps=2,
        weights=(0.0, 0.5),
    )
