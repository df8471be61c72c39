"""An ordinary BPE model moved to the ids of a neural compressor, and back, without training (ours).

    freevocab reproduce tokenizer_transfer/compressed_tokens [--scale gpu|paper]

There by each method; back, to the model's own tokenizer, always by FVT (means of pieces), so that
what comes back tells the methods' tables apart and not the ways back.

cpu: the shared model to equal-info windows of 14 bits, english-b16 and a Unigram, and back.
  Bits/byte (its own tokenizer 1.975), random, FVT, FOCUS, hypernetwork: equal-info 3.788, 3.760,
  3.835, 3.545; english-b16 3.562, 3.504, 3.557, 3.361; Unigram 3.956, 2.414, 2.355, 2.249.
gpu: the 25m model of zero_shot to english-b16, english-dictionary and GPT-2's tokenizer. Not yet
  run.
paper: TinyLlama; the paper has no such table. Not run here.

Sizes on 8 devices, of the base model, its hypernetwork and a training step of that (a test):
  gpu: model 58,071,552 parameters (25,165,824 kernels), network 8,944,128 parameters, 7.72 TFLOPs a
    step, 158 MB a device
  paper: model 1,100,572,672 parameters (968,884,224 kernels), network 142,739,456 parameters,
    159.23 TFLOPs a step, 1227 MB a device
"""

from dataclasses import dataclass

from configs.tokenizer_transfer import presets
from configs.tokenizer_transfer.presets import TokenizerConfig, TransferConfig

SHIPPED = (
    presets.ENGLISH_B16,
    TokenizerConfig("codebook", label="english-dictionary", path="english-dictionary"),
)


@dataclass(frozen=True)
class Config:
    """There and back."""

    setting: TransferConfig
    """Model and hypernetwork."""
    targets: tuple[TokenizerConfig, ...]
    """Codebooks, and an ordinary tokenizer to compare with."""
    methods: tuple[str, ...] = ("random", "mean", "fvt", "focus", "omp-aux", "hypernetwork")
    """Compared."""


def cpu() -> Config:
    """Windows of 14 bits compiled here, the shipped codebook, and a Unigram."""
    return Config(presets.CPU, (presets.TARGETS[4], SHIPPED[0], presets.TARGETS[presets.UNIGRAM]),
                  ("random", "fvt", "focus", "hypernetwork"))  # fmt: skip


def gpu() -> Config:
    """The shipped codebooks and GPT-2's tokenizer."""
    return Config(presets.GPU, (*SHIPPED, presets.GPU_TARGETS[5]))


def paper() -> Config:
    """A real checkpoint."""
    return Config(presets.PAPER, (*SHIPPED, presets.PAPER.targets[0]))


def quick() -> Config:
    """Seconds, for tests."""
    windows = TokenizerConfig("codebook", label="windows", corpus="synthetic:60000", window_bits=10)
    return Config(presets.QUICK, (windows,), ("fvt", "hypernetwork"))
