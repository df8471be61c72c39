"""Bits/byte against FLOPs/byte of an M2 on each way from text to ids (Table 15, Figures 3 and 4).

    freevocab reproduce compressed_text/main_results [--scale gpu|paper]

cpu: novels, M1 = byte 5-gram, M2 of 1.05 M kernels for 150 steps of 16 x 128 tokens. Windows and
  tokens are three quarters of the paper's width (W = 12, beta = 12, V = 4,096), SentencePiece and
  BPE have 4,096 entries, so that one compiled step serves every row. 7 minutes on 2 cores.
  Bits/byte: AC 2.077 (nothing learned), SentencePiece 2.126, BPE 2.148, EqualInfo 2.487, with
  delay 2.542, GZip 3.413, Bytes 3.478, StaticAC 4.519 (nothing learned). Which of the learnable
  rows wins after so few steps is not a statement about the methods.
hours: novels, 17.2 MB of training text for M1 (byte 4-gram) and 22.1 MB for M2. M2 "small" with
  rows of 40 numbers (tied, two matrices to and from the trunk's 192), 4,000 steps of 8 x 512 tokens
  (16.4 M), Muon. V = 65,536 and W = 16 for BPE, Unigram, point, point+delay and `dictionary`; W =
  12 and tokens of 12 bits (beta 12) for windows again, AC, StaticAC and GZip (8 bits too). The
  weights are in results/compressed_text/weights, `--retrain` trains them again, `--set only=bytes`
  one row. So far, on two cores that had other work: Bytes 1.842 bits/byte (3,963 s), EqualInfo of
  12 bits 1.990 (5,001 s), AC of 12 bits 2.117, 12.0005 bits a token (6,081 s); the record has
  these.
gpu: the text in $FREEVOCAB_DATA, codecs of 65,536 entries (and tokens of 8 bits for the paper's
  v=256, of 1 bit for its V = 2), 25m M2, 250 steps of 64 x 512 tokens, with the rows that the paper
  lacks: Unigram and BPE of the same size with and without pre-tokenization, point+delay and
  `dictionary`. 17 rows of 4.5 PFLOPs each: sized for 5 minutes of one H100/H200-class device. Not
  yet run.
paper: C4, 25m to 2b, 200,000 steps of 256 x 512 tokens; the paper's figures at 25m: Bytes 1.29,
  SentencePiece 1.12, AC 1.46, EqualInfo W=16 1.47 (v=256) and 1.25 (v=65k), GZip 2.34 and 2.92;
  standard deviation over seeds at most .0061. Not run here.

Shapes of the first row on 8 devices, parameters and optimizer, at the paper's ratio (a test):
  gpu: 92,413,952 parameters (25,165,824 kernels), 50.00 MFLOPs/byte, 374.0 MB a device
  paper: 25,567,232 parameters (25,165,824 kernels), 50.00 MFLOPs/byte, 14.4 MB a device
"""

from dataclasses import dataclass, replace

from configs.compressed_text import presets
from configs.compressed_text.presets import TrainedTable
from configs.shared import CodecConfig, M1Config, M2Config


@dataclass(frozen=True)
class Config(TrainedTable):
    """A trained table at several sizes of M2."""

    sizes: tuple[str, ...] = ()
    """Of M2; each stands in for m2.size in turn."""


def fair_rows(vocab_size: int, window_bits: int) -> tuple[CodecConfig, ...]:
    """The rows that the paper lacks: tokenizers as large as the window's code, lossless windows."""
    return (
        CodecConfig("sentencepiece", vocab_size=vocab_size, label="Unigram"),
        CodecConfig(
            "sentencepiece", vocab_size=vocab_size, pre_tokenize=False, label="Unigram across words"
        ),
        CodecConfig("bpe", vocab_size=vocab_size),
        CodecConfig("bpe", vocab_size=vocab_size, pre_tokenize=False),
        CodecConfig("codebook", window_bits=window_bits, bits_per_token=window_bits),
        CodecConfig("dictionary", vocab_size=vocab_size),
    )


def coded_rows(bits_per_token: int, window_bits: int) -> tuple[CodecConfig, ...]:
    """The paper's coded rows for tokens of one width."""
    return (
        CodecConfig("ac", bits_per_token=bits_per_token),
        CodecConfig("static_ac", bits_per_token=bits_per_token),
        CodecConfig(
            "equal_info", window_bits=window_bits, bits_per_token=bits_per_token, closing="point"
        ),
        CodecConfig("gzip", bits_per_token=bits_per_token),
    )


PAPERS_ROWS = (
    CodecConfig("bytes"),
    CodecConfig("sentencepiece", vocab_size=32_000),
    *coded_rows(8, 16),
    *coded_rows(16, 16),
    CodecConfig("ac", bits_per_token=1),  # section 5.1: is the tokenization in the way?
)


def cpu() -> Config:
    """Eight rows that share one compiled step."""
    return Config(
        **presets.CPU,
        codecs=(
            CodecConfig("bytes"),
            CodecConfig("sentencepiece", vocab_size=4096),
            CodecConfig("bpe", vocab_size=4096),
            *coded_rows(12, 12),
            CodecConfig("codebook", window_bits=12, bits_per_token=12),
        ),
        m2=M2Config(padded_vocab_size=4224),
        sizes=("small",),
    )


def hours() -> Config:
    """The paper's width where two cores can have it (W = 16, V = 65,536), and W = 12 for the rest.

    M1 is of the order at which its cost is nearest to 1.13 times the Bytes model's, the paper's
    1.457 and 1.29.
    """
    return Config(
        **presets.HOURS,
        codecs=(
            CodecConfig("bytes"),
            CodecConfig("equal_info", window_bits=12, bits_per_token=12, closing="point", beta=12),
            CodecConfig("ac", bits_per_token=12),
            CodecConfig("gzip", bits_per_token=8),
            CodecConfig("gzip", bits_per_token=12),
            CodecConfig("static_ac", bits_per_token=12),
            CodecConfig("bpe", vocab_size=65_536),
            CodecConfig("equal_info", window_bits=16, bits_per_token=16, closing="point"),
            CodecConfig("codebook", window_bits=16, bits_per_token=16),
            CodecConfig("sentencepiece", vocab_size=65_536, label="Unigram"),
            CodecConfig("dictionary", vocab_size=65_536),
        ),
        m2=presets.HOURS_M2,
        weights="committed",
        sizes=("small",),
    )


def gpu() -> Config:
    """The paper's widths at 25m, with the fair rows."""
    return Config(
        **dict(presets.GPU, m1=M1Config(order=6, beta=14)),
        codecs=(*PAPERS_ROWS, *fair_rows(65_536, 16)),
        m2=replace(presets.GPU_WIDE_M2, steps=250),
        train_bytes=100_000_000,
        sizes=("25m",),
    )


def paper() -> Config:
    """Every size, 200,000 steps."""
    return Config(
        **dict(presets.PAPER, valid_bytes=30_000_000),
        codecs=PAPERS_ROWS,
        m2=presets.PAPER_M2,
        train_bytes=300_000_000_000,
        sizes=("25m", "113m", "403m", "2b"),
    )


def quick() -> Config:
    """Two steps, for tests."""
    return Config(
        **presets.QUICK,
        codecs=(
            CodecConfig("bytes"),
            *coded_rows(12, 12),
            CodecConfig("codebook", window_bits=12, bits_per_token=12),
        ),
        train_bytes=4_000,
        valid_bytes=2_000,
        sizes=("tiny",),
    )
