"""What the tables' configs share: a text, a base model, a hypernetwork, target tokenizers.

At cpu scale every table shares one base model (novels, a BPE of 4,096 entries, a million kernels)
and one hypernetwork for it; both are trained by the first table that needs them, kept below the
work directory and opened by the others. At scale hours they are trained longer and kept in the
repository. Target tokenizers are made from text that neither saw: other authors' novels.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from configs.shared import QUICK_TEXT, ModelConfig, TextConfig, Weights, data_text
from research.training.config import OptimizerConfig, ParallelismConfig


@dataclass(frozen=True)
class TokenizerConfig:
    """A tokenizer that a model is trained with, or moved to."""

    kind: Literal["bpe", "unigram", "wordpiece", "codebook", "dictionary", "bytes", "file"]
    """bpe | unigram | wordpiece (BERT's rules, spaces dropped) | codebook (equal-info windows,
    shipped or compiled at `window_bits`) | dictionary | bytes | file (any tokenizer's file)."""
    vocab_size: int = 0
    """Entries."""
    label: str = ""
    """What rows call it."""
    corpus: str = ""
    split: str = "train"
    """`corpus`, `split`: the text that it is made from; an empty corpus is the base model's own."""
    max_bytes: int = 20_000_000
    """Of that text."""
    path: str = ""
    """Of a file, or the name of a shipped codebook."""
    window_bits: int = 12
    """Of a codebook compiled here from a byte n-gram."""


@dataclass(frozen=True)
class HypernetworkTraining:
    """A hypernetwork, and how it is trained on one base model."""

    form: Literal["residual", "zett"] = "residual"
    """Residual (one stage, starts as FVT) or zett (learns the identity first)."""
    residual_on: Literal["mean", "first"] = "mean"
    """Mean or first piece, of the residual form."""
    layers: int = 3
    slots: int = 7
    """`layers`, `slots`: of its encoder."""
    loss: Literal["lm", "alm", "both"] = "lm"
    """lm (through the frozen trunk), alm (distillation) or both."""
    auxiliary: float = 0.0
    """Weight of the pull of one-piece tokens to the source's rows."""
    steps: int = 300
    warmup_steps: int = 0
    """`steps`, `warmup_steps`: of training; of zett's identity stage."""
    batch_size: int = 16
    length: int = 128
    """`batch_size`, `length`: sequences of a step, ids of a sequence."""
    vocab_size: int = 2048
    """Entries of a sampled tokenizer."""
    sampled_rows: int = 0
    """Of these, how many a step predicts and weighs in its softmax, those of its text among them;
    0: all."""
    queue: int = 16
    """Batches of text that a tokenizer is sampled from."""
    window_bytes: int = 2048
    """Text of a sequence, of which the first `length` ids are trained on."""
    kinds: tuple[tuple[str, float], ...] = (("substrings", 1.0),)
    """Samplers and their shares: substrings, unigram, bpe, wordpiece, codebook."""
    aligned: bool = True
    """Sampled entries begin and end between characters."""
    optimizer: OptimizerConfig = OptimizerConfig(
        name="adamw", learning_rate=1e-3, schedule="cosine", warmup_steps=20, clip_norm=0.1
    )
    parallelism: ParallelismConfig = ParallelismConfig()
    dtype: Literal["float32", "bfloat16"] = "float32"
    """`optimizer`, `parallelism`, `dtype`: as elsewhere."""
    warmup_learning_rate: float = 3e-4
    """Of the identity stage."""
    save_every: int = 500
    """Steps between checkpoints; 0: only when it is interrupted, and at the end."""


@dataclass(frozen=True)
class Donors:
    """Models that were trained with a target's tokenizer, for OMP to read."""

    targets: tuple[int, ...]
    """Indices of the targets that have one (bpe, unigram, codebook or dictionary)."""
    size: str
    steps: int
    """`size`, `steps`: otherwise trained as the base model, on its text."""


@dataclass(frozen=True)
class Questions:
    """Which of four continuations is the text's own: accuracy for any tokenizer."""

    count: int = 400
    """Of questions; 400 leave 4 points to chance on each side."""
    context: int = 200
    """Bytes before an option, at most."""
    option: int = 32
    """Bytes of each option."""


@dataclass(frozen=True)
class TransferConfig:
    """What every table here has."""

    text: TextConfig
    """The base model's."""
    tokenizer: TokenizerConfig
    """The base model's."""
    model: ModelConfig
    """The base model; `options` say whether its tables are tied."""
    hypernetwork: HypernetworkTraining
    """Trained on it."""
    targets: tuple[TokenizerConfig, ...]
    """Tokenizers that the model is moved to."""
    aux_bytes: int = 4_000_000
    """Of the text, for auxiliary vectors."""
    aux_dim: int = 128
    """Their width."""
    donors: Donors | None = None
    """None: no OMP with a donor."""
    questions: Questions = Questions()
    """Asked of held-out text, for accuracies."""
    methods: tuple[str, ...] = ()
    """Compared on each target; none: all that there is everything for."""
    seeds: tuple[int, ...] = (0,)
    """Each repeats everything; tables show means and the widest difference."""
    checkpoint: str = ""
    """A Hugging Face folder in place of a base model trained here; it brings its own tokenizer."""
    weights: Weights = ""
    """Where trained models come from, see `experiments.shared.weights`."""


NOVELS = TextConfig("novels", "builtin:novels", 45_000_000, 100_000)
# From authors whose text neither the models nor the sampled tokenizers see. They are so large that
# they should make text no longer than the source's BPE of 4,096 entries does (zero_shot's column
# `shorter` says). The first is near: of the source's kind, and about as long.
_OTHER_AUTHORS: dict[str, Any] = {"corpus": "builtin:novels", "split": "test"}
TARGETS = (
    TokenizerConfig("bpe", 5632, "BPE 5.6k", **_OTHER_AUTHORS),
    TokenizerConfig("bpe", 8192, "BPE 8k", **_OTHER_AUTHORS),
    TokenizerConfig("unigram", 8192, "Unigram 8k", **_OTHER_AUTHORS),
    TokenizerConfig("wordpiece", 8192, "WordPiece 8k", **_OTHER_AUTHORS),
    TokenizerConfig("codebook", label="equal-info W=14", window_bits=14, **_OTHER_AUTHORS),
)
UNIGRAM = 2  # the paper's kind of target
# Tokenizers like those that a model is moved to. The paper's sampler is made for 32,768 entries;
# of few, its noise leaves very short tokens. Chosen in one short trial with one seed on validation
# text of a small base model, which no record holds: ahead of FOCUS and of the paper's sampler of
# 2,048 entries on four targets; which of their differences (kinds, size, sampled rows, auxiliary
# loss) counts was not tried. A step predicts those rows that its text needs and others, 2,048 in
# all.
SAMPLED = HypernetworkTraining(
    auxiliary=0.5,
    vocab_size=8192,
    sampled_rows=2048,
    kinds=(("bpe", 2.0), ("unigram", 2.0), ("wordpiece", 2.0), ("codebook", 1.0),
           ("substrings", 1.0)),
)  # fmt: skip
_MODEL = ModelConfig(
    vocabulary="learned",
    options=(("tied", False),),
    ids="bpe",
    size="llama-small",
    length=128,
    batch_size=16,
    steps=500,
    optimizer=OptimizerConfig(name="muon", learning_rate=1e-2, schedule="cosine", warmup_steps=40),
)
CPU = TransferConfig(
    text=replace(NOVELS, train_bytes=10_000_000),
    tokenizer=TokenizerConfig("bpe", 4096, "BPE 4k", max_bytes=10_000_000),
    model=_MODEL,
    hypernetwork=SAMPLED,
    targets=TARGETS,
    donors=Donors((1, 2), "llama-mini", 200),
)

# Two cores, up to four hours a model.
HOURS = replace(
    CPU,
    text=NOVELS,
    tokenizer=TokenizerConfig("bpe", 4096, "BPE 4k"),
    model=replace(
        _MODEL,
        length=256,
        steps=7_000,  # 28.7 M ids, 103 MB
        optimizer=replace(_MODEL.optimizer, warmup_steps=100),
        save_every=250,
    ),
    hypernetwork=replace(
        SAMPLED, steps=15_000, optimizer=replace(SAMPLED.optimizer, warmup_steps=200)
    ),
    donors=Donors((1, 2), "llama-mini", 3_000),
    methods=(
        "random", "fvt", "focus", "omp-aux", "omp", "hypernetwork", "hypernetwork + overlap",
    ),
    weights="committed",
)

# Novels: text that neither the base model nor its sampled tokenizers come from.
_NOVELS: dict[str, Any] = {"corpus": "text:$FREEVOCAB_DATA/novels/train*", "split": "train"}
_FILES = "$FREEVOCAB_DATA/tokenizers"
ENGLISH_B16 = TokenizerConfig("codebook", label="english-b16", path="english-b16")
GPU_TARGETS = (
    TokenizerConfig("bpe", 16_000, "BPE 16k", **_NOVELS),
    TokenizerConfig("bpe", 50_000, "BPE 50k", **_NOVELS),
    TokenizerConfig("wordpiece", 30_000, "WordPiece 30k", **_NOVELS),
    TokenizerConfig("unigram", 32_000, "Unigram 32k", **_NOVELS),
    TokenizerConfig("file", label="PG-19 32k", path=f"{_FILES}/pg19-bpe/pg19train_bpe_32000.model"),
    TokenizerConfig("file", label="GPT-2", path=f"{_FILES}/llm/gpt-2/tokenizer.json"),
    ENGLISH_B16,
)
GPU = TransferConfig(
    text=data_text("English Wikipedia", "enwiki", 200_000_000),
    tokenizer=TokenizerConfig("bpe", 32_000, "BPE 32k"),
    model=replace(
        _MODEL,
        size="llama-25m",
        length=512,
        batch_size=64,
        steps=1_000,  # 33 M ids
        optimizer=replace(_MODEL.optimizer, learning_rate=2e-3, warmup_steps=100),
        dtype="bfloat16",
    ),
    hypernetwork=HypernetworkTraining(
        steps=600, batch_size=128, length=128, vocab_size=32_768, dtype="bfloat16"
    ),
    targets=GPU_TARGETS,
    donors=Donors((3,), "llama-3m", 500),
    aux_bytes=50_000_000,
    aux_dim=300,
)

# TinyLlama, as its hypernetwork is trained in the paper: English and code, 7:3, 200,000 steps of
# 128 x 128 after 10,000 of identity. `checkpoint` is a folder of the Hugging Face hub.
PAPER = TransferConfig(
    text=TextConfig(
        "MADLAD-400 and StarCoder",
        "text:madlad/train/*.jsonl.zst;valid=madlad/valid/*.jsonl.zst",
        10**12,
        30_000_000,
    ),
    checkpoint="TinyLlama-1.1B-intermediate-step-1431k-3T",
    tokenizer=TokenizerConfig("file", label="Llama 2", path="llama2/tokenizer.json"),
    model=replace(
        GPU.model, size="tinyllama-1.1b", vocab_size=32_000, parallelism=ParallelismConfig("mesh")
    ),
    hypernetwork=HypernetworkTraining(
        form="zett",
        auxiliary=0.5,
        steps=200_000,
        warmup_steps=10_000,
        batch_size=128,
        length=128,
        vocab_size=32_768,
        dtype="bfloat16",
        optimizer=OptimizerConfig(
            name="adamw",
            learning_rate=6e-5,
            schedule="cosine",
            warmup_steps=10_000,
            beta2=0.95,
            weight_decay=0.01,
            clip_norm=0.1,
        ),
        parallelism=ParallelismConfig(kind="mesh"),
    ),
    targets=(
        TokenizerConfig("file", label="GPT-2", path="gpt2/tokenizer.json"),
        TokenizerConfig("file", label="StarCoder", path="starcoder/tokenizer.json"),
    ),
    aux_bytes=10**9,
    aux_dim=300,
)

QUICK = TransferConfig(
    text=QUICK_TEXT,
    tokenizer=TokenizerConfig("bpe", 300, "BPE 300"),
    model=replace(
        _MODEL,
        size="llama-tiny",
        length=32,
        batch_size=8,
        steps=2,
        optimizer=OptimizerConfig(name="adamw", learning_rate=3e-3, schedule="constant"),
    ),
    hypernetwork=HypernetworkTraining(
        layers=1,
        steps=2,
        batch_size=8,
        length=16,
        vocab_size=300,
        queue=2,
        window_bytes=64,
        optimizer=OptimizerConfig(name="adamw", learning_rate=1e-3, schedule="constant"),
    ),
    targets=(TokenizerConfig("bpe", 280, "BPE 280", corpus="synthetic:60000", split="test"),),
    donors=Donors((0,), "llama-tiny", 1),
    aux_bytes=20_000,
    aux_dim=8,
    questions=Questions(count=6, context=40, option=12),
)
