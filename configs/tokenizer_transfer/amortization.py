"""FLOPs of predicting rows, and of the model that uses them (the paper's amortization).

    freevocab reproduce tokenizer_transfer/amortization [--scale hours|gpu|paper]

Shapes alone are traced, so every scale runs anywhere; the scales differ in the text whose tokens
are decomposed.

cpu: 32,768 strings of english-b16 in pieces of the shared model's BPE of 4,096 entries, 2.46 each:
  7 s on 2 cores. A row costs 102, 66 and 39 % of a token of llama-25m, tinyllama-1.1b and
  mistral-7b if padded to 7 slots, 42, 27 and 16 % packed; a training step 3.1, 2.0 and 1.2 times
  the model's, packed 1.2, .82 and .48. The paper's .9 % counts something else.
hours: all 65,536 strings in pieces of a BPE of 32,000 entries, as many as Mistral-7B has, 2.25
  each: 12 s. A row costs 39, 25 and 15 % of a token packed; a training step, of twice as many rows,
  2.3, 1.5 and .89 times the model's.
gpu: as cpu, with GPT-2's tokens in those of a BPE of English Wikipedia. Not yet run.
paper: Mistral-7B, 132.1 MFLOPs a row and 15.4 GFLOPs a token: 0.9 %. Not run here.
"""

from dataclasses import dataclass

from configs.shared import TextConfig
from configs.tokenizer_transfer import presets
from configs.tokenizer_transfer.presets import TokenizerConfig


@dataclass(frozen=True)
class Config:
    """Models by size."""

    text: TextConfig
    tokenizer: TokenizerConfig
    """`text`, `tokenizer`: the source tokenizer and what it is made from."""
    target: TokenizerConfig
    """Whose entries are decomposed into its pieces."""
    entries: int = 32_768
    """Of them, at most."""
    models: tuple[str, ...] = ("llama-25m", "tinyllama-1.1b", "mistral-7b")
    """Names of `research.models.sizes`."""
    vocab_size: int = 32_896
    """Rows of the models' tables."""
    slots: int = 7
    """Pieces of a token that have a place of their own."""
    batch_size: int = 128
    length: int = 128
    """`batch_size`, `length`: of the training step."""
    seed: int = 0
    """Decides nothing, as shapes draw nothing; here because every record names its seeds."""


def cpu() -> Config:
    """english-b16's strings in pieces of the shared model's tokenizer."""
    return Config(presets.CPU.text, presets.CPU.tokenizer, presets.ENGLISH_B16)


def hours() -> Config:
    """All of its strings, in pieces of a tokenizer as large as Mistral-7B's."""
    tokenizer = TokenizerConfig("bpe", 32_000, "BPE 32k")
    return Config(presets.HOURS.text, tokenizer, presets.ENGLISH_B16, entries=65_536)


def gpu() -> Config:
    """GPT-2's tokens."""
    return Config(presets.GPU.text, presets.GPU.tokenizer, presets.GPU_TARGETS[5])


def paper() -> Config:
    """As the paper's."""
    return Config(presets.PAPER.text, presets.PAPER.tokenizer, presets.PAPER.targets[0])


def quick() -> Config:
    """Seconds, for tests."""
    return Config(
        presets.QUICK.text,
        presets.QUICK.tokenizer,
        presets.QUICK.targets[0],
        models=("llama-tiny",),
        vocab_size=300,
        batch_size=2,
        length=8,
    )
