"""Which M1 fills windows best, and where should it learn: everywhere, or where windows begin?

    freevocab reproduce compressed_text/m1_regimes [--scale gpu|paper]

The paper trains M1 on contexts of 1,024 bytes and then shows it the few bytes of a window. Here a
byte n-gram and a Transformer are trained both ways, and each is compiled into the codebook of its
windows.

cpu: novels, W = 12, a Transformer of 524 k kernels for 600 steps of 2,048 bytes, against counts
  over half of the train split. Bytes a window, learned everywhere and where windows begin: n-gram
  3.06 and 3.10, Transformer 2.84 and 3.07; bits/byte of running text 2.14 and, of the Transformer,
  3.01 and 3.82.
gpu: the text in $FREEVOCAB_DATA, W = 16, the 3m Transformer for 3,000 steps of 131,072 bytes. One
  H100/H200-class device, at most 5 minutes. Not yet run.
paper: the 3m Transformer as in the paper (C4, 2,500,000 steps): 1.457 bits/byte, 5.31 bytes a
  window by the paper's closing rule. Not run here.
"""

from dataclasses import dataclass, replace

from configs.compressed_text.presets import BUILTIN, C4, LOCAL_TEXT, QUICK_CORPUS
from research.training.config import OptimizerConfig, ParallelismConfig


@dataclass(frozen=True)
class Config:
    """The byte models that are compared."""

    corpus: str
    """A spec for `research.corpora.load`; $FREEVOCAB_DATA is filled in."""
    window_bits: int
    beta: int
    """`window_bits`, `beta`: of the codebooks."""
    order: int
    """Bytes of context of the n-gram."""
    rounds: int
    """How often the n-gram is counted again where its codebook's windows begin."""
    size: str
    steps: int
    batch_size: int
    length: int
    window_bytes: int
    """`size`, `steps`, `batch_size`, `length`, `window_bytes`: of the Transformer's training;
    examples of `window_bytes` fill as many bytes of a step in the window regime."""
    optimizer: OptimizerConfig
    parallelism: ParallelismConfig
    dtype: str
    train_bytes: int
    """Text that any of them may learn from."""
    valid_bytes: int
    """Text that they are compared on."""
    seed: int = 0
    """Of the Transformers."""


def cpu() -> Config:
    """Minutes on two cores."""
    return Config(
        corpus=BUILTIN,
        window_bits=12,
        beta=12,
        order=7,
        rounds=2,
        size="mini",
        steps=600,
        batch_size=8,
        length=256,
        window_bytes=12,
        optimizer=OptimizerConfig(name="adamw", learning_rate=3e-3, warmup_steps=20),
        parallelism=ParallelismConfig(),
        dtype="float32",
        train_bytes=20_000_000,
        valid_bytes=200_000,
    )


def gpu() -> Config:
    """The paper's model and window, minutes on one device."""
    return Config(
        corpus=LOCAL_TEXT,
        window_bits=16,
        beta=14,
        order=7,
        rounds=2,
        size="3m",
        steps=3_000,
        batch_size=128,
        length=1024,
        window_bytes=16,
        optimizer=OptimizerConfig(name="adamw", learning_rate=2e-3, warmup_steps=100),
        parallelism=ParallelismConfig(),
        dtype="bfloat16",
        train_bytes=200_000_000,
        valid_bytes=1_000_000,
    )


def paper() -> Config:
    """The paper's M1."""
    return replace(
        gpu(),
        corpus=C4,
        steps=2_500_000,
        optimizer=OptimizerConfig.paper_adafactor(),
        parallelism=ParallelismConfig(kind="mesh"),
        train_bytes=10_000_000_000,
        valid_bytes=10_000_000,
    )


def quick() -> Config:
    """Two steps, for tests."""
    return Config(
        corpus=QUICK_CORPUS,
        window_bits=12,
        beta=12,
        order=2,
        rounds=1,
        size="tiny",
        steps=2,
        batch_size=4,
        length=32,
        window_bytes=8,
        optimizer=OptimizerConfig(name="adamw", learning_rate=3e-3, schedule="constant"),
        parallelism=ParallelismConfig(),
        dtype="float32",
        train_bytes=20_000,
        valid_bytes=2_000,
    )
