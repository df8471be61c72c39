"""How far each compressor's bits are from coin tosses (Figures 11, 16 and 17).

    freevocab reproduce compressed_text/bit_statistics [--scale gpu|paper]

KL divergence from uniform, in bits, of overlapping n-grams and of n-bit tokens, n = 1 to 16, as
observed (plug-in) and with Miller and Madow's correction; the last stream is random bits.

In the paper GZip is further from uniform than EqualInfo; here EqualInfo is, twenty times (hours).
A good part of it comes from where windows begin: the first byte has no context, and M1 gives it the
frequencies of bytes anywhere, but windows begin where the one before was full. A window's first
eight bits are .27 bits from uniform, its last eight .012. In trials that no record holds, with M1
counted where windows begin, less than half was left, still above GZip; other text, text in one
piece, GZip without its header, the lossless closing rule and M1 of other orders changed little.

cpu: novels, M1 = byte 5-gram, W = 12 (beta 12), 450 kB of validation text. N-grams,
  n = 8, corrected: EqualInfo .0155, GZip 2.9e-4, AC 1.9e-5, StaticAC -2.0e-5 bits.
hours: novels, M1 = byte 5-gram, W = 16 (beta 14), all 2.1 MB of validation text; counts alone,
  2 minutes. n-grams, n = 8, corrected: AC, StaticAC and random bits within 6e-6 bits of 0, GZip
  2.6e-4, EqualInfo .0053.
gpu: text in $FREEVOCAB_DATA, W = 16 (beta 14), 20 MB. No accelerator is used. Not yet run.
paper: C4, 3m Transformer, about 2e9 bits a stream. The paper (figures only): AC is like random
  bits; StaticAC, then EqualInfo, then GZip are further from them. Not run here.
"""

from dataclasses import dataclass

from configs.compressed_text import presets
from configs.shared import CodecConfig, M1Config


@dataclass(frozen=True)
class Config:
    """Bits of text_bytes bytes of validation text, cut into examples of example_bytes."""

    corpus: str
    m1: M1Config
    codecs: tuple[CodecConfig, ...]
    text_bytes: int
    example_bytes: int = 10_240
    longest: int = 16
    seed: int = 0


def rows(window: int, narrow: int) -> tuple[CodecConfig, ...]:
    """The paper's four streams. Bits do not depend on the token's width."""
    return (
        CodecConfig("ac", bits_per_token=narrow),
        CodecConfig("static_ac", bits_per_token=narrow),
        CodecConfig("equal_info", window_bits=window, bits_per_token=narrow, closing="point"),
        CodecConfig("gzip", bits_per_token=8),
    )


def cpu() -> Config:
    """45 examples of validation text."""
    return Config(presets.BUILTIN, presets.CPU_M1, rows(12, 12), 460_000)


def hours() -> Config:
    """The paper's precision, all validation text."""
    return Config(presets.NOVELS, presets.COUNTED_M1, rows(16, 8), 2_100_000)


def gpu() -> Config:
    """The paper's precision."""
    return Config(presets.LOCAL_TEXT, presets.COUNTED_M1, rows(16, 8), 20_000_000)


def paper() -> Config:
    """The paper's M1 and about its number of bits."""
    return Config(presets.C4, presets.PAPER_M1, rows(16, 8), 1_400_000_000)


def quick() -> Config:
    """Seconds, for tests."""
    return Config(
        presets.QUICK_CORPUS, presets.QUICK_M1, rows(12, 12), 2_000, example_bytes=1_000, longest=8
    )
