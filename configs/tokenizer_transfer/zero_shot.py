"""One model under tokenizers that it never saw, by every method (the paper's main tables).

    freevocab reproduce tokenizer_transfer/zero_shot [--scale gpu|paper]

cpu: a Llama of a million kernels trained on documentation (500 steps of 16 x 128, BPE 4k), a
  hypernetwork of 1.3 M parameters (300 steps, each with a tokenizer of 2,048 entries), four targets
  made from the language reference, donors of a smaller size for two of them, one seed: 7.8 minutes
  on 2 idle cores. bits/byte, own tokenizer 1.89; random, FVT, FOCUS and hypernetwork: BPE 2k 4.51,
  3.05, 3.01, 2.72; Unigram 4k 4.44, 3.11, 3.03, 2.77; WordPiece 4k (loses 4.5 % of the bytes) 3.66,
  2.81, 2.81, 2.65; equal-info windows of 12 bits 4.83, 4.70, 4.63, 4.14. OMP with a donor 3.00 and
  3.13 on the first two. Copying overlapping rows is worse than predicting them: 2.98, 3.01, 2.74,
  4.49.
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

from configs.tokenizer_transfer import parts
from configs.tokenizer_transfer.parts import Setting as Config

__all__ = ["Config", "cpu", "gpu", "paper", "quick"]


def cpu() -> Config:
    """The shared model and hypernetwork, four targets, one seed."""
    return parts.CPU


def gpu() -> Config:
    """Seven targets, three seeds."""
    return replace(parts.GPU, seeds=(0, 1, 2))


def paper() -> Config:
    """A real checkpoint."""
    return parts.PAPER


def quick() -> Config:
    """Seconds, for tests."""
    return parts.QUICK
