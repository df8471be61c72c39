"""Compression ratios, text seen in training, uniform and unigram bits/byte (Tables 1-3 and 12).

    freevocab reproduce compressed_text/compression_ratios [--scale gpu|paper]

cpu: novels, M1 = byte 5-gram. Windows are three quarters of the paper's: W = 12 (beta 12) for 16,
  24 for 32, 48 for 64, 96 for 128, and tokens of 6 and 12 bits stand for v=256 and v=65,536. A
  12-bit grid costs up to .093 bits/byte. Bytes a token of 12 bits: StaticAC 2.66, GZip
  3.28, SentencePiece 3.43, BPE 3.46, EqualInfo 3.59, 4.71, 5.17, 5.37 (W = 12 to 96), AC 5.59.
hours: novels, a byte 5-gram at the paper's precision (beta 14) and widths (W = 16 to 128, tokens
  of 8 and 16 bits), examples of 10,240 bytes each encoded alone. Counts alone.
  Bytes a token, narrow / wide: AC 3.95 / 7.91, EqualInfo W = 16 to 128 2.94 / 5.88, 3.31 / 6.62,
  3.48 / 6.95, 3.72 / 7.45, 3.83 / 7.67, StaticAC 1.79 / 3.59, GZip 2.19 / 4.38; 18 minutes on two
  cores that had other work.
gpu: the text in $FREEVOCAB_DATA, the same 5-gram at the paper's precision (beta 14, W = 16 to
  128, N = 8 and 16). No accelerator is used. Not yet run.
paper: C4, M1 = the 3m Transformer of `freevocab train m1`, 524 GB of text. Not run here; the
  paper's figures: AC 5.49, EqualInfo 2.66 to 4.61, SentencePiece 4.28, GZip 2.23 bytes a token.
"""

from dataclasses import dataclass

from configs.compressed_text import presets
from configs.shared import CodecConfig, M1Config


@dataclass(frozen=True)
class Config:
    """Fields: see `experiments.compressed_text.m2_pipeline`; training_tokens is what a run sees,
    example_bytes what is encoded at a time."""

    corpus: str
    m1: M1Config
    codecs: tuple[CodecConfig, ...]
    train_bytes: int
    valid_bytes: int
    training_tokens: int
    example_bytes: int = 10_240
    seed: int = 0


def rows(
    windows: tuple[int, ...], bits: tuple[int, int], vocab_size: int
) -> tuple[CodecConfig, ...]:
    """Every codec of the tables; `bits` are the narrow and the wide token's."""
    coded = [
        CodecConfig(kind, bits_per_token=n) for kind in ("ac", "static_ac", "gzip") for n in bits
    ]
    equal_info = [
        CodecConfig("equal_info", window_bits=w, bits_per_token=n, closing="point")
        for w in windows
        for n in bits
    ]
    delayed = CodecConfig("codebook", window_bits=windows[0], bits_per_token=windows[0])
    return (
        CodecConfig("bytes"),
        CodecConfig("sentencepiece", vocab_size=vocab_size),
        CodecConfig("bpe", vocab_size=vocab_size),
        *coded,
        *equal_info,
        delayed,
    )


WIDE_ROWS = rows((16, 24, 32, 64, 128), (8, 16), 32_000)


def cpu() -> Config:
    """Windows and tokens three quarters of the paper's width."""
    return Config(
        corpus=presets.BUILTIN,
        m1=presets.CPU_M1,
        codecs=rows((12, 24, 48, 96), (6, 12), 4096),
        train_bytes=600_000,
        valid_bytes=200_000,
        training_tokens=150 * 16 * 128,
    )


def hours() -> Config:
    """The paper's widths on novels; counts alone, minutes."""
    return Config(
        corpus=presets.NOVELS,
        m1=presets.COUNTED_M1,
        codecs=WIDE_ROWS,
        train_bytes=2_000_000,
        valid_bytes=2_200_000,
        training_tokens=4_000 * 8 * 512,
    )


def gpu() -> Config:
    """The paper's widths, a count-based M1."""
    return Config(
        **presets.GPU,
        codecs=WIDE_ROWS,
        train_bytes=5_000_000,
        training_tokens=500 * 64 * 512,
    )


def paper() -> Config:
    """200,000 steps of 256 x 512 tokens."""
    return Config(
        **presets.PAPER,
        codecs=WIDE_ROWS,
        train_bytes=100_000_000,
        training_tokens=200_000 * 256 * 512,
    )


def quick() -> Config:
    """Seconds, for tests."""
    return Config(
        corpus=presets.QUICK_CORPUS,
        m1=presets.QUICK_M1,
        codecs=rows((12, 24), (6, 12), 300)[2:],
        train_bytes=4_000,
        valid_bytes=2_000,
        training_tokens=1_000,
        example_bytes=1_000,
    )
