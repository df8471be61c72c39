"""Learned embeddings trained on partly permuted sequences (section 3.6, App. G, Figure 8).

    freevocab reproduce lexinvariant/regularization [--scale gpu|paper]

In training an id is replaced by its image under one permutation for each sequence, with
probability p: for each occurrence (the paper's formula) or for each type (its text). All is
measured without that: bits/byte of validation text, LookUp and Permutation with uniform symbols,
and BIG-Bench Hard by the likelihood of the options after 0 to 3 shots, against p = 0, with a sign
test over its 23 tasks. A second p = 0 of another seed says how many tasks move by chance.

BIG-Bench Hard is not shipped: its JSON files are looked for in $FREEVOCAB_DATA/bbh, or where
`--set bbh=DIR` says. Without them these rows are left out and a remark says so.

A model of 0.5 M kernels after 0.2 MB of text spells, and knows frequent words. It answers questions
at the level of the commonest answer, so its signs on BIG-Bench Hard say which answer it leans to,
not whether regularization helps to reason; and it copies from the context too little for LookUp to
move. What the cpu scale can show is the price in bits/byte, and that the procedure is in order.

cpu: bytes of documentation, 7 models of 0.5 M kernels, 6 examples of each task, prompts of at
  most 512 bytes (of three shots .6 fit). 2 cores: 3 minutes. Bits/byte 3.46 and 3.41 (p = 0, two
  seeds), 3.80, 4.07, 4.88 and 7.29 (p = .1, .2, .5, 1), 3.97 (.2 per type); LookUp 0 %. BIG-Bench
  Hard at 3 shots, tasks up and down: 2 and 3 (.2), 3 and 3 (.2 per type), 3 and 3 (the second seed
  of p = 0): nothing is shown.
gpu: the encyclopaedia, 32k Unigram, 7 models of 25m for 300 steps, 100 examples of each
  task, prompts of 1,024 ids. Not yet run.
paper: the Pile, 151m, 250,000 steps; the paper (BIG-bench, not only its hard part): p = 0.2 at 3
  shots improves 22 categories of 36 and harms 11 (sign test: .08); at 0 shots 11 and 23. Not run
  here.

Shapes of the first model on 8 devices, parameters and optimizer (a test):
  gpu: 41,885,696 parameters (25,427,968 kernels), 50.86 MFLOPs/byte, 120.5 MB a device
  paper: 183,925,760 parameters (150,994,944 kernels), 301.99 MFLOPs/byte, 208.1 MB a device
"""

from dataclasses import dataclass, replace

from configs.lexinvariant import presets
from configs.shared import DOCUMENTATION, QUICK_TEXT, ModelConfig, TextConfig
from research.training.config import OptimizerConfig


@dataclass(frozen=True)
class Variant:
    """What is randomised in training."""

    p: float
    """The probability."""
    per: str = "occurrence"
    """'occurrence' or 'type'."""
    seed: int = 0
    """Added to the config's."""


VARIANTS = (
    Variant(0.0),
    Variant(0.0, seed=1),
    Variant(0.1),
    Variant(0.2),
    Variant(0.2, per="type"),
    Variant(0.5),
    Variant(1.0),
)


@dataclass(frozen=True)
class Config:
    """A model on a text, trained once for each variant."""

    text: TextConfig
    """Trained and evaluated on."""
    model: ModelConfig
    """Its vocabulary is set by the variants."""
    variants: tuple[Variant, ...] = VARIANTS
    """The first is what the others are compared with, p = 0."""
    examples: int = 1_000
    """Prompts of LookUp and Permutation."""
    batch_size: int = 50
    """Prompts and sequences that are evaluated together."""
    bbh: str = ""
    """Folder of BIG-Bench Hard's JSON files; empty: $FREEVOCAB_DATA/bbh, if it is there."""
    bbh_examples: int = 0
    """Of each task, at random; 0: all."""
    shots: tuple[int, ...] = (0, 1, 2, 3)
    """Numbers of shots."""
    context: int = 1_024
    """Ids of a prompt and its option at most; shots that do not fit are dropped."""
    bbh_batch_size: int = 16
    """Prompts of BIG-Bench Hard that run together."""
    seed: int = 0
    """Training, prompts, examples and shots."""


def cpu() -> Config:
    """Half a minute for each model."""
    return Config(
        text=DOCUMENTATION,
        model=replace(
            presets.CPU_MODEL,
            vocabulary="partial",
            ids="bytes",
            size="mini",
            length=128,
            batch_size=8,
            steps=200,
            # AdamW has hardly left the bigrams after 360 steps: 2.6 nats in training, Muon 1.9.
            optimizer=OptimizerConfig(
                name="muon", learning_rate=0.01, schedule="cosine", warmup_steps=20
            ),
        ),
        examples=500,
        bbh_examples=6,
        context=512,
    )


def gpu() -> Config:
    """25m on the encyclopaedia."""
    return Config(
        text=presets.ENCYCLOPAEDIA,
        model=replace(presets.GPU_MODEL, vocabulary="partial", ids="unigram", steps=300),
        bbh_examples=100,
        bbh_batch_size=64,
    )


def paper() -> Config:
    """151m on the Pile."""
    return Config(
        text=presets.PILE, model=replace(presets.PAPER_MODEL, vocabulary="partial", ids="unigram")
    )


def quick() -> Config:
    """Seconds, for tests."""
    return Config(
        text=QUICK_TEXT,
        model=replace(presets.QUICK_MODEL, vocabulary="partial", ids="bytes"),
        variants=(Variant(0.0), Variant(0.2)),
        examples=8,
        batch_size=8,
        bbh_examples=2,
        shots=(0, 1),
        context=96,
        bbh_batch_size=4,
    )
