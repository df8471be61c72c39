"""Can a model learn to compress or decompress? Sequence to sequence (Table 5).

    freevocab reproduce compressed_text/learn_the_coder [--scale hours|gpu|paper]

A text and its ids in one sequence, loss only on the second half: the text given the ids
(decompress), the ids given the text (compress), and the text given nothing (the baseline: a byte
language model of the same size and steps, which any reading of the ids has to beat).

cpu: novels, texts of 64 bytes, M1 = byte 5-gram, tokens of 6 bits, W = 12 (beta 12); M2 "mini", 150
  steps of 32 sequences. 31.4 % right for the byte model alone, 30.4 % given AC's ids, 29.8 %
  given EqualInfo's (not learned in so few steps); compressing, AC 1.9 % (4.161 of 4.159 nats),
  EqualInfo 7.2 % (3.932). One seed.
hours: texts of 64 bytes, a token for each window of 12 bits (beta 12); M2 "mini", 9,000 steps of 48
  sequences of 96 ids, 41 M in all, each text seen once or twice. Trained where it is run, no
  weights are kept. Not yet run.
gpu: text in $FREEVOCAB_DATA, texts of 256 bytes, W = 16, tokens of 8 bits, M2 25m, 1,000 steps of
  64. Not yet run.
paper: C4, 3m Transformer, texts of 1,024 bytes, 113m. The paper: decompressing AC 76.98 % against
  76.86 % for the byte model alone (p = .07: nothing is learned), EqualInfo[16] 95.30 % against
  76.83 %; compressing with AC 1.7 %. Training is less stable than a language model's. Not run
  here.

Shapes of the first row on 8 devices, parameters and optimizer, at the paper's ratio (a test):
  gpu: 25,829,376 parameters (25,165,824 kernels), 9.11 MFLOPs/byte, 41.1 MB a device
  paper: 114,253,056 parameters (113,246,208 kernels), 47.17 MFLOPs/byte, 61.4 MB a device
"""

from dataclasses import dataclass, replace

from configs.compressed_text import presets
from configs.shared import CodecConfig, M1Config, M2Config

EXPECTED_MINUTES = {"hours": 120}


@dataclass(frozen=True)
class Config:
    """Each codec is a row in each of `tasks`, and the baseline a row of its own.

    m2.length must hold text_bytes bytes, their ids and two more; texts whose ids are too many
    are cut at the end of the sequence. num_texts are drawn for training, valid_texts for
    validation, both at positions that the seed decides.
    """

    corpus: str
    m1: M1Config
    codecs: tuple[CodecConfig, ...]
    m2: M2Config
    text_bytes: int
    num_texts: int
    valid_texts: int
    train_bytes: int
    tasks: tuple[str, ...] = ("decompress", "compress")
    seed: int = 0


def rows(window: int, bits: int) -> tuple[CodecConfig, ...]:
    """Plain arithmetic coding, and the paper's windows."""
    return (
        CodecConfig("ac", bits_per_token=bits),
        CodecConfig("equal_info", window_bits=window, bits_per_token=bits, closing="point"),
    )


def cpu() -> Config:
    """Five rows, one compiled step: all have one vocabulary."""
    return Config(
        corpus=presets.BUILTIN,
        m1=presets.CPU_M1,
        codecs=rows(12, 6),
        m2=M2Config(size="mini", length=128, batch_size=32, steps=150),
        text_bytes=64,
        num_texts=4_800,
        valid_texts=512,
        train_bytes=10_000_000,
    )


def hours() -> Config:
    """Sixty times the steps, and tokens that hold a whole window."""
    return Config(
        corpus=presets.NOVELS,
        m1=presets.CPU_M1,
        codecs=rows(12, 12),
        m2=M2Config(
            size="mini",
            length=96,
            batch_size=48,
            steps=9_000,
            tied=True,
            optimizer=presets.HOURS_M2.optimizer,
            save_every=500,
        ),
        text_bytes=64,
        num_texts=288_000,
        valid_texts=2_048,
        train_bytes=25_000_000,
    )


def gpu() -> Config:
    """Short texts, the paper's widths."""
    return Config(
        corpus=presets.LOCAL_TEXT,
        m1=presets.COUNTED_M1,
        codecs=rows(16, 8),
        m2=replace(presets.GPU_M2, steps=1_000),
        text_bytes=256,
        num_texts=64_000,
        valid_texts=4_096,
        train_bytes=100_000_000,
    )


def paper() -> Config:
    """The paper's texts."""
    return Config(
        corpus=presets.C4,
        m1=presets.PAPER_M1,
        codecs=rows(16, 8),
        m2=replace(presets.PAPER_M2, size="113m", length=1_536),
        text_bytes=1_024,
        num_texts=51_200_000,
        valid_texts=20_480,
        train_bytes=100_000_000_000,
    )


def quick() -> Config:
    """Two steps, for tests."""
    return Config(
        corpus=presets.QUICK_CORPUS,
        m1=presets.QUICK_M1,
        codecs=rows(12, 6)[1:],
        m2=presets.QUICK_M2,
        text_bytes=6,
        num_texts=32,
        valid_texts=16,
        train_bytes=8_000,
    )
