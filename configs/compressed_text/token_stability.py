"""How much a sentence's tokens change when the word before it changes (Figure 8).

    freevocab reproduce compressed_text/token_stability [--scale gpu|paper]

Many words, each put before the same sentence; Levenshtein distance between the id sequences of
every two. The sentence is the paper's (its Table 7), the words are 500 of the 3,000 commonest of
the training text, as in its section 6.1.

cpu: novels, M1 = byte 5-gram, W = 12 (beta 12), tokens of 12 bits, SentencePiece and BPE with 4,096
  entries. Share of tokens that another first word changes: SentencePiece .058, BPE .065, EqualInfo
  .073, with delay .109, AC 1.008.
hours: novels, M1 = byte 5-gram, W = 16, 32,000 entries; counts alone. Share of tokens
  changed: SentencePiece .043, BPE .049, EqualInfo .102 (point+delay .183), AC 1.006.
gpu: text in $FREEVOCAB_DATA, W = 16, 32,000 entries. No accelerator is used. Not yet run.
paper: C4, 3m Transformer, T5's vocabulary size. The paper (a figure without numbers,
  distances from 0 to 25): SentencePiece always low, AC high, EqualInfo between. Not run here.
"""

from dataclasses import dataclass

from configs.compressed_text import presets
from configs.shared import CodecConfig, M1Config

SENTENCE = (
    "The three currently living species are: African savanna elephants, African forest elephants,"
    " and the Asian elephants."
)


@dataclass(frozen=True)
class Config:
    """What is put before the sentence, and which codecs read it."""

    corpus: str
    m1: M1Config
    codecs: tuple[CodecConfig, ...]
    num_words: int = 500
    """Drawn (by the seed) from the `among` most frequent words of the training text."""
    among: int = 3_000
    sentence: str = SENTENCE
    seed: int = 0


def rows(window: int, vocab_size: int) -> tuple[CodecConfig, ...]:
    """The figure's three, and ours."""
    return (
        CodecConfig("sentencepiece", vocab_size=vocab_size),
        CodecConfig("bpe", vocab_size=vocab_size),
        CodecConfig("equal_info", window_bits=window, bits_per_token=window, closing="point"),
        CodecConfig("codebook", window_bits=window, bits_per_token=window),
        CodecConfig("ac", bits_per_token=window),
    )


def cpu() -> Config:
    """12-bit windows."""
    return Config(presets.BUILTIN, presets.CPU_M1, rows(12, 4096))


def hours() -> Config:
    """The paper's window."""
    return Config(presets.NOVELS, presets.COUNTED_M1, rows(16, 32_000))


def gpu() -> Config:
    """The paper's window."""
    return Config(presets.LOCAL_TEXT, presets.COUNTED_M1, rows(16, 32_000))


def paper() -> Config:
    """The paper's M1."""
    return Config(presets.C4, presets.PAPER_M1, rows(16, 32_000))


def quick() -> Config:
    """Seconds, for tests."""
    return Config(presets.QUICK_CORPUS, presets.QUICK_M1, rows(12, 300)[2:], num_words=8, among=20)
