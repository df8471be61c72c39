"""One model under tokenizers that it never saw, by every method (the paper's main tables).

    freevocab reproduce tokenizer_transfer/zero_shot [--scale hours|gpu|paper]

cpu: a Llama of a million kernels trained on novels (500 steps of 16 x 128, BPE 4k), a hypernetwork
  of 1.3 M parameters (300 steps, each with a tokenizer of 8,192 entries), five targets that make
  text no longer than the source's tokenizer does, donors of a smaller size for two of them, one
  seed. Bits/byte (its own tokenizer 1.975) of BPE 5.6k, BPE 8k, Unigram, WordPiece and equal-info:
  hypernetwork 2.053, 2.028, 2.249, 2.523, 3.545, FOCUS 2.068, 2.056, 2.355, 2.597, 3.835, FVT
  2.142, 2.163, 2.414, 2.676, 3.760. Of 79.2 % right it keeps 78.0, 79.5, 75.2, 67.8, 31.8.
hours: the same model after 7,000 steps of 16 x 256 (28.7 M ids, 103 MB), the hypernetwork after
  15,000 steps, donors after 3,000; opened from the repository. Trained again by --retrain, which
  goes on where it stopped. Not yet run.
gpu: a 25m model of English Wikipedia (BPE 32k), a hypernetwork on tokenizers of 32,768 entries,
  three seeds; to BPE, WordPiece and Unigram of novels, PG-19's and GPT-2's tokenizers, english-b16.
  Not yet run.
paper: TinyLlama to the tokenizers of GPT-2 and StarCoder, zett's form, 200,000 steps. The paper's
  figures, of Mistral-7B: GPT-2 original 76.9, FOCUS 55.6, hypernetwork 73.0; StarCoder 28.1, 13.3,
  23.2 (averages of accuracies). Not run here.

Sizes on 8 devices, of the base model, its hypernetwork and a training step of that (a test):
  gpu: model 58,071,552 parameters (25,165,824 kernels), network 8,944,128 parameters, 7.72 TFLOPs a
    step, 158 MB a device
  paper: model 1,100,572,672 parameters (968,884,224 kernels), network 142,739,456 parameters,
    159.23 TFLOPs a step, 1227 MB a device
"""

from dataclasses import replace

from configs.tokenizer_transfer import presets
from configs.tokenizer_transfer.presets import TransferConfig as Config

__all__ = ["Config", "cpu", "gpu", "hours", "paper", "quick"]


def cpu() -> Config:
    """The shared model and hypernetwork, five targets, one seed."""
    return presets.CPU


def hours() -> Config:
    """As cpu, model and hypernetwork trained for hours; opened from the repository."""
    return presets.HOURS


def gpu() -> Config:
    """Seven targets, three seeds."""
    return replace(presets.GPU, seeds=(0, 1, 2))


def paper() -> Config:
    """A real checkpoint."""
    return presets.PAPER


def quick() -> Config:
    """Seconds, for tests."""
    return presets.QUICK
