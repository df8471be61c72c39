"""A base model's hypernetwork on its fine-tuned variant (the paper's MT-Bench table).

    freevocab reproduce tokenizer_transfer/fine_tuned [--scale hours|gpu|paper]

cpu: the shared model fine-tuned on documentation for 100 steps, then moved to a Unigram of 8,192
  entries of novels. Not yet run with this target.
hours: the same with zero_shot's models of that scale, 150 steps. Not yet run.
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

from configs.lexinvariant.parts import NOVELS, TextConfig
from configs.tokenizer_transfer import parts
from configs.tokenizer_transfer.setting import Setting


@dataclass(frozen=True)
class Config:
    """Fine-tuning, then the move.

    Attributes:
      setting: model, hypernetwork, targets.
      text: what the base model is fine-tuned on, and measured.
      target: index of the tokenizer moved to.
      methods: compared.
      steps, learning_rate: of fine-tuning (AdamW, cosine).
      n_shot_steps: of training base model and hypernetwork on with the target's tokens.
      weights: lambdas of the task vector.
    """

    setting: Setting
    text: TextConfig
    target: int = 0
    methods: tuple[str, ...] = ("random", "fvt", "focus", "hypernetwork")
    steps: int = 100
    learning_rate: float = 1e-3
    n_shot_steps: int = 60
    weights: tuple[float, ...] = (0.0, 0.3, 0.5, 0.7)


def cpu() -> Config:
    """The shared model, fine-tuned on documentation."""
    return Config(parts.CPU, parts.DOCUMENTATION, target=parts.UNIGRAM)


def hours() -> Config:
    """The models of hours."""
    return Config(
        parts.HOURS,
        parts.DOCUMENTATION,
        target=parts.UNIGRAM,
        steps=150,
        learning_rate=3e-4,
        n_shot_steps=150,
    )


def gpu() -> Config:
    """Novels."""
    return Config(parts.GPU, NOVELS, target=5, steps=300, n_shot_steps=300)


def paper() -> Config:
    """Instructions."""
    text = TextConfig("Flan v2", "text:flan/train/*.jsonl.zst;valid=flan/valid/*.jsonl.zst",
                      10**12, 30_000_000)  # fmt: skip
    return Config(parts.PAPER, text, steps=0, learning_rate=3e-6, n_shot_steps=50_000)


def quick() -> Config:
    """Seconds, for tests."""
    return Config(
        parts.QUICK,
        parts.QUICK.text,
        methods=("fvt", "hypernetwork"),
        steps=2,
        n_shot_steps=2,
        weights=(0.0, 0.5),
    )
