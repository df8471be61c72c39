"""What the tables' configs are made of: a text, a base model, a hypernetwork, target tokenizers.

At cpu scale every table shares one base model (documentation, a BPE of 4,096 entries, a million
kernels) and one hypernetwork for it; both are trained by the first table that needs them, kept
below the work directory and opened by the others. Target tokenizers are made from text that neither
saw: the language reference at cpu scale, novels at gpu scale.
"""

from dataclasses import dataclass, replace
from typing import Literal

from configs.lexinvariant.parts import ModelConfig, TextConfig
from research.training.config import OptimizerConfig, ParallelismConfig


@dataclass(frozen=True)
class TokenizerConfig:
    """A tokenizer that a model is trained with, or moved to.

    Attributes:
      kind: bpe | unigram | wordpiece (BERT's rules, spaces dropped) | codebook (equal-info windows,
        shipped or compiled at `window_bits`) | dictionary | bytes | file (any tokenizer's file).
      vocab_size: entries.
      label: what rows call it.
      corpus, split: the text that it is made from; an empty corpus is the base model's own.
      max_bytes: of that text.
      path: of a file, or the name of a shipped codebook.
      window_bits: of a codebook compiled here from a byte n-gram.
    """

    kind: Literal["bpe", "unigram", "wordpiece", "codebook", "dictionary", "bytes", "file"]
    vocab_size: int = 0
    label: str = ""
    corpus: str = ""
    split: str = "train"
    max_bytes: int = 20_000_000
    path: str = ""
    window_bits: int = 12


@dataclass(frozen=True)
class HypernetworkTraining:
    """A hypernetwork, and how it is trained on one base model.

    Attributes:
      form: residual (one stage, starts as FVT) or zett (learns the identity first).
      residual_on: mean or first piece, of the residual form.
      layers, slots: of its encoder.
      loss: lm (through the frozen trunk), alm (distillation) or both.
      auxiliary: weight of the pull of one-piece tokens to the source's rows.
      steps, warmup_steps: of training; of zett's identity stage.
      batch_size, length: sequences of a step, ids of a sequence.
      vocab_size: entries of a sampled tokenizer.
      sampled_rows: of these, how many a step predicts and weighs in its softmax, those of its text
        among them; 0: all.
      queue: batches of text that a tokenizer is sampled from.
      window_bytes: text of a sequence, of which the first `length` ids are trained on.
      kinds: samplers and their shares: substrings, unigram, bpe, wordpiece, codebook.
      aligned: sampled entries begin and end between characters.
      optimizer, parallelism, dtype: as elsewhere.
      warmup_learning_rate: of the identity stage.
      save_every: steps between checkpoints; 0: only when it is interrupted, and at the end.
    """

    form: Literal["residual", "zett"] = "residual"
    residual_on: Literal["mean", "first"] = "mean"
    layers: int = 3
    slots: int = 7
    loss: Literal["lm", "alm", "both"] = "lm"
    auxiliary: float = 0.0
    steps: int = 300
    warmup_steps: int = 0
    batch_size: int = 16
    length: int = 128
    vocab_size: int = 2048
    sampled_rows: int = 0
    queue: int = 16
    window_bytes: int = 2048
    kinds: tuple[tuple[str, float], ...] = (("substrings", 1.0),)
    aligned: bool = True
    optimizer: OptimizerConfig = OptimizerConfig(
        name="adamw", learning_rate=1e-3, schedule="cosine", warmup_steps=20, clip_norm=0.1
    )
    parallelism: ParallelismConfig = ParallelismConfig()
    dtype: Literal["float32", "bfloat16"] = "float32"
    warmup_learning_rate: float = 3e-4
    save_every: int = 500


@dataclass(frozen=True)
class Donors:
    """Models that were trained with a target's tokenizer, for OMP to read.

    Attributes:
      targets: indices of the targets that have one (bpe, unigram, codebook or dictionary).
      size, steps: otherwise trained as the base model, on its text.
    """

    targets: tuple[int, ...]
    size: str
    steps: int


@dataclass(frozen=True)
class Questions:
    """Which of four continuations is the text's own: accuracy for any tokenizer.

    Attributes:
      count: of questions; 400 leave 4 points to chance on each side.
      context: bytes before an option, at most.
      option: bytes of each option.
    """

    count: int = 400
    context: int = 200
    option: int = 32


@dataclass(frozen=True)
class Setting:
    """What every table here has.

    Attributes:
      text: the base model's.
      tokenizer: the base model's.
      model: the base model; `options` say whether its tables are tied.
      hypernetwork: trained on it.
      targets: tokenizers that the model is moved to.
      aux_bytes: of the text, for auxiliary vectors.
      aux_dim: their width.
      donors: None: no OMP with a donor.
      questions: asked of held-out text, for accuracies.
      methods: compared on each target; none: all that there is everything for.
      seeds: each repeats everything; tables show means and the widest difference.
      checkpoint: a Hugging Face folder in place of a base model trained here; it brings its own
        tokenizer.
      weights: where trained models come from, see `experiments.weights`.
    """

    text: TextConfig
    tokenizer: TokenizerConfig
    model: ModelConfig
    hypernetwork: HypernetworkTraining
    targets: tuple[TokenizerConfig, ...]
    aux_bytes: int = 4_000_000
    aux_dim: int = 128
    donors: Donors | None = None
    questions: Questions = Questions()
    methods: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    checkpoint: str = ""
    weights: Literal["", "committed", "retrain"] = ""


NOVELS = TextConfig("novels", "builtin:novels", 45_000_000, 100_000)
DOCUMENTATION = TextConfig("documentation", "builtin:docstrings", 10_000_000, 48_000)
_SAME = {"corpus": "builtin:novels"}
# None makes the text longer than the source's BPE of 4,096 entries does (tokens a byte of held-out
# novels: .280): BPE 8k .259, Unigram 8k .261, WordPiece 8k .252, windows of 14 bits .251. The first
# is near: as large as the source's and of its kind, from other authors' text.
TARGETS = (
    TokenizerConfig("bpe", 4096, "BPE 4k, other authors", "builtin:novels", "test"),
    TokenizerConfig("bpe", 8192, "BPE 8k", **_SAME),
    TokenizerConfig("unigram", 8192, "Unigram 8k", **_SAME),
    TokenizerConfig("wordpiece", 8192, "WordPiece 8k", **_SAME),
    TokenizerConfig("codebook", label="equal-info W=14", window_bits=14, **_SAME),
)
UNIGRAM = 2  # the paper's kind of target
# Tokenizers like those that a model is moved to. The paper's sampler needs its 32,768 entries: of
# 2,048 its noise leaves tokens of 1.5 to 2 bytes, and a network that learned from these is behind
# FOCUS and FVT where most entries of the target are old ones. A step predicts those rows that its
# text needs and as many others, which costs a quarter of predicting all.
SAMPLED = HypernetworkTraining(
    auxiliary=0.5,
    vocab_size=8192,
    sampled_rows=2048,
    kinds=(("bpe", 2.0), ("unigram", 2.0), ("wordpiece", 2.0), ("codebook", 0.5),
           ("substrings", 1.0)),
)  # fmt: skip
CPU = Setting(
    text=replace(NOVELS, train_bytes=10_000_000),
    tokenizer=TokenizerConfig("bpe", 4096, "BPE 4k", max_bytes=10_000_000),
    model=ModelConfig(
        vocabulary="learned",
        options=(("tied", False),),
        ids="bpe",
        size="llama-small",
        length=128,
        batch_size=16,
        steps=500,
        optimizer=OptimizerConfig(
            name="muon", learning_rate=1e-2, schedule="cosine", warmup_steps=40
        ),
    ),
    hypernetwork=SAMPLED,
    targets=TARGETS,
    donors=Donors((1, 2), "llama-mini", 200),
)

# Two cores, up to four hours a model.
HOURS = Setting(
    text=NOVELS,
    tokenizer=TokenizerConfig("bpe", 4096, "BPE 4k"),
    model=ModelConfig(
        vocabulary="learned",
        options=(("tied", False),),
        ids="bpe",
        size="llama-small",
        length=256,
        batch_size=16,
        steps=7_000,  # 28.7 M ids, 103 MB
        optimizer=OptimizerConfig(
            name="muon", learning_rate=1e-2, schedule="cosine", warmup_steps=100
        ),
        save_every=250,
    ),
    hypernetwork=replace(
        SAMPLED,
        steps=15_000,
        optimizer=replace(SAMPLED.optimizer, warmup_steps=200),
    ),
    targets=TARGETS,
    donors=Donors((1, 2), "llama-mini", 3_000),
    methods=(
        "random", "fvt", "focus", "omp-aux", "omp", "hypernetwork", "hypernetwork + overlap",
    ),
    weights="committed",
)

ENGLISH = TextConfig(
    "English Wikipedia",
    "text:$FREEVOCAB_DATA/enwiki/train*;valid=$FREEVOCAB_DATA/enwiki/valid*",
    200_000_000,
    1_000_000,
)
# Novels: text that neither the base model nor its sampled tokenizers come from.
_NOVELS = {"corpus": "text:$FREEVOCAB_DATA/novels/train*", "split": "train"}
GPU_TARGETS = (
    TokenizerConfig("bpe", 16_000, "BPE 16k", **_NOVELS),
    TokenizerConfig("bpe", 50_000, "BPE 50k", **_NOVELS),
    TokenizerConfig("wordpiece", 30_000, "WordPiece 30k", **_NOVELS),
    TokenizerConfig("unigram", 32_000, "Unigram 32k", **_NOVELS),
    TokenizerConfig(
        "file",
        label="PG-19 32k",
        path="$FREEVOCAB_DATA/tokenizers/pg19-bpe/pg19train_bpe_32000.model",
    ),
    TokenizerConfig(
        "file", label="GPT-2", path="$FREEVOCAB_DATA/tokenizers/llm/gpt-2/tokenizer.json"
    ),
    TokenizerConfig("codebook", label="english-b16", path="english-b16"),
)
GPU = Setting(
    text=ENGLISH,
    tokenizer=TokenizerConfig("bpe", 32_000, "BPE 32k"),
    model=ModelConfig(
        vocabulary="learned",
        options=(("tied", False),),
        ids="bpe",
        size="llama-25m",
        length=512,
        batch_size=64,
        steps=1_000,  # 33 M ids
        optimizer=OptimizerConfig(
            name="muon", learning_rate=2e-3, schedule="cosine", warmup_steps=100
        ),
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
PAPER = Setting(
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

QUICK = Setting(
    text=TextConfig("made up", "synthetic:60000", 30_000, 4_000),
    tokenizer=TokenizerConfig("bpe", 300, "BPE 300"),
    model=ModelConfig(
        vocabulary="learned",
        options=(("tied", False),),
        ids="bpe",
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
