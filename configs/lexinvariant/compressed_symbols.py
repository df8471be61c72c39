"""Do compressed ids carry stable meaning? Learned against lexinvariant, by kind of ids (ours).

    freevocab reproduce lexinvariant/compressed_symbols [--scale gpu|paper]

The same text as characters, bytes, equal-info windows (arXiv 2404.03626) and, for comparison, a
Unigram vocabulary of the windows' size. On each, a model with a learned vocabulary and models that
start every sequence without knowing any id; `gap` is what that costs in bits/byte. If ids meant
nothing beyond the sequence that they stand in, it would be zero. Not all of a gap is lost meaning
that a model could find again: an exactly lexinvariant model (canonical) has to pay log2(V - k) for
every new id, whatever the text, which is the column `new_ids_alone`; with thousands of ids and
sequences of a few hundred, that is most of what it pays. Hence also the training-free pair: the
static unigram, which knows how frequent each id is, and the in-context n-gram, which starts from
nothing.

cpu: windows of 12 bits, "mini", 120 steps of 8 x 128, canonical as the lexinvariant model. 2 cores:
  2.0 minutes. Learned, canonical (bits/byte): characters 3.81, 5.37; bytes
  3.81, 5.62; windows 3.05, 3.79; Unigram tokens 2.28, 2.87. Compressed ids do carry stable meaning
  (the learned model is even below what new ids alone must cost), and so do all others; after so
  few steps the gaps say how much, not how much in the end.
gpu: novels, characters, bytes, the shipped 16-bit windows `english-b16` and a 32k Unigram
  vocabulary, also with drawn or permuted tables; 25m, 300 steps of 64 x 512. Not yet run.
paper: the Pile, the 151m model, 250,000 steps. No paper has this table. Not run here.

Shapes of the first row on 8 devices, parameters and optimizer (a test):
  gpu: 25,567,232 parameters (25,427,968 kernels), 50.86 MFLOPs/byte, 38.9 MB a device
  paper: 151,288,832 parameters (150,994,944 kernels), 301.99 MFLOPs/byte, 77.4 MB a device
"""

from dataclasses import dataclass, replace

from configs.lexinvariant import presets
from configs.shared import (
    DATA_NOVELS,
    DOCUMENTATION,
    QUICK_TEXT,
    CodecConfig,
    M1Config,
    ModelConfig,
    TextConfig,
)
from research.training.config import OptimizerConfig


@dataclass(frozen=True)
class Config:
    """Models on one text."""

    text: TextConfig
    """Of every row."""
    models: tuple[ModelConfig, ...]
    """Each a row; `ids` "windows" stands for `windows`, other names as in ModelConfig. The learned
    one of a kind of ids is what the others of that kind are compared with."""
    windows: CodecConfig = CodecConfig("codebook", window_bits=12, bits_per_token=12)
    """A codec that is built from the text, and"""
    m1: M1Config = M1Config(order=5, beta=12, max_bytes=2_000_000)
    """The byte model that it is compiled from."""
    order: int = 2
    """Ids of context of the in-context n-gram."""
    seed: int = 0
    """Initial weights, draws and the order of the data."""


def rows(model: ModelConfig, **vocabularies: tuple[str, ...]) -> tuple[ModelConfig, ...]:
    """The model with each kind of ids and each vocabulary given for it."""
    return tuple(
        replace(model, ids=ids.replace("_", "-"), vocabulary=vocabulary)
        for ids, kinds in vocabularies.items()
        for vocabulary in kinds
    )


def cpu() -> Config:
    """Windows of 12 bits; eight short trainings, canonical as the lexinvariant model."""
    model = ModelConfig(
        vocab_size=4_096,
        size="mini",
        length=128,
        batch_size=8,
        steps=120,
        optimizer=OptimizerConfig(
            name="adamw", learning_rate=3e-3, schedule="cosine", warmup_steps=10
        ),
    )
    return Config(
        text=DOCUMENTATION,
        models=rows(
            model,
            characters=("learned", "canonical"),
            bytes=("learned", "canonical"),
            windows=("learned", "canonical"),
            unigram=("learned", "canonical"),
        ),
    )


def gpu() -> Config:
    """The shipped windows of 16 bits, 25m."""
    return Config(
        text=DATA_NOVELS,
        models=rows(
            replace(presets.GPU_MODEL, steps=300),
            characters=("learned", "gaussian", "canonical"),
            bytes=("learned", "canonical"),
            english_b16=("learned", "permuted", "canonical"),
            unigram=("learned", "canonical"),
        ),
    )


def paper() -> Config:
    """The lexinvariant paper's model and length of training."""
    return Config(
        text=presets.PILE,
        models=rows(
            presets.PAPER_MODEL,
            characters=("learned", "gaussian", "canonical"),
            bytes=("learned", "gaussian", "canonical"),
            english_b16=("learned", "permuted", "canonical"),
            unigram=("learned", "permuted", "canonical"),
        ),
    )


def quick() -> Config:
    """Two steps, for tests."""
    return Config(
        text=QUICK_TEXT,
        models=rows(
            presets.QUICK_MODEL,
            characters=("learned", "canonical"),
            windows=("learned", "permuted"),
        ),
        m1=M1Config(order=2, beta=12, max_bytes=30_000),
    )
