"""One model, a tokenizer for each language: length and quality (the paper's XNLI and XCOPA tables).

    freevocab reproduce tokenizer_transfer/cross_lingual [--scale gpu|paper]

cpu: novels, and documentation in place of another language, each with a BPE of 6,144 entries of its
  own. Bits/byte, original, FVT, FOCUS, hypernetwork: novels 1.975, 2.070, 2.019, 2.004 (text 4 %
  shorter), documentation 3.390, 2.941, 2.788, 2.782 (30 % shorter).
gpu: a 25m model of English, German, French and Chinese with one BPE of 32k, moved to a Unigram of
  32k for each; deu/, fra/ and zh/ next to enwiki/ in $FREEVOCAB_DATA. Not yet run.
paper: XLM-R-base, 50k Unigram tokenizers of 15 languages: XNLI 72.6 -> 71.2, 14 % shorter. Not run
  here.

Sizes on 8 devices, of the base model, its hypernetwork and a training step of that (a test):
  gpu: model 58,071,552 parameters (25,165,824 kernels), network 8,944,128 parameters, 7.72 TFLOPs a
    step, 158 MB a device
  paper: model 1,100,572,672 parameters (968,884,224 kernels), network 142,739,456 parameters,
    159.23 TFLOPs a step, 1227 MB a device
"""

from dataclasses import dataclass, replace

from configs.shared import DOCUMENTATION, TextConfig, data_text
from configs.tokenizer_transfer import presets
from configs.tokenizer_transfer.presets import TokenizerConfig, TransferConfig


@dataclass(frozen=True)
class Config:
    """Languages."""

    setting: TransferConfig
    """Model and hypernetwork; its targets are only what `seen` is counted for."""
    languages: tuple[TextConfig, ...]
    """Texts; each gets a tokenizer of its own."""
    target: TokenizerConfig
    """How it is made, from the train split of the language's text."""
    methods: tuple[str, ...] = ("random", "fvt", "focus", "hypernetwork")
    """Compared."""


LANGUAGES = (
    data_text("English", "enwiki", 50_000_000, 500_000),
    data_text("German", "deu", 40_000_000, 500_000),
    data_text("French", "fra", 40_000_000, 500_000),
    data_text("Chinese", "zh", 30_000_000, 500_000),
)
ALL = data_text("four languages", "[edfz]*", 300_000_000)


def cpu() -> Config:
    """Novels, and documentation in place of another language: the model has seen none."""
    target = TokenizerConfig("bpe", 6144, "BPE 6k")
    return Config(presets.CPU, (presets.CPU.text, DOCUMENTATION), target)


def gpu() -> Config:
    """Four languages."""
    setting = replace(presets.GPU, text=ALL, targets=())
    return Config(setting, LANGUAGES, TokenizerConfig("unigram", 32_000, "Unigram 32k"))


def paper() -> Config:
    """XLM-R, as text: perplexity under the mask is not bits/byte, so a causal model stands in."""
    languages = tuple(
        TextConfig(
            code,
            f"text:madlad/{code}/train/*.jsonl.zst;valid=madlad/{code}/valid/*.jsonl.zst",
            10**12,
            3_000_000,
        )
        for code in "ar bg de el en es fr hi ru sw tr ur vi zh".split()
    )
    return Config(presets.PAPER, languages, TokenizerConfig("unigram", 50_000, "Unigram 50k"))


def quick() -> Config:
    """Seconds, for tests."""
    return Config(
        presets.QUICK, (presets.QUICK.text,), presets.QUICK.targets[0], ("fvt", "hypernetwork")
    )
