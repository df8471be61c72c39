"""Arguments of `freevocab train hypernetwork`. Plain data: does not import JAX."""

import dataclasses
from typing import Literal

from research.errors import UsageError
from research.training.config import (
    DistributedConfig,
    OptimizerConfig,
    ParallelismConfig,
    check_least,
    check_seed,
)

# zett's second stage (arXiv 2405.07883, appendix), for as many steps as are asked for.
_OPTIMIZER = OptimizerConfig(
    learning_rate=3e-4, warmup_steps=100, beta2=0.95, weight_decay=0.01, clip_norm=0.1
)


@dataclasses.dataclass(frozen=True)
class TrainHypernetwork:
    """Train a network that predicts a model's table for any tokenizer; the model stays as it is.

    With --tokenizer it is trained on for one tokenizer (n-shot), with --train-trunk its trunk too.
    """

    model: str
    """A folder that `freevocab train` wrote, or a Hugging Face folder."""
    text: str = "builtin"
    """GLOB of text files, or a corpus: builtin, text:GLOB[;valid=GLOB], tfds:NAME, synthetic."""
    languages: tuple[str, ...] = ()
    """In place of --text, NAME=GLOB for each language (or NAME=CORPUS): the network gets a token of
    its own for each, and `freevocab transfer --language` names one."""
    out: str = "runs/hypernetwork"
    """Folder for the finished network."""
    workdir: str | None = None
    """Folder for checkpoints, metrics and ids; default: OUT.work. Run again to go on."""
    init_from: str | None = None
    """A finished hypernetwork to start from."""
    tokenizer: str | None = None
    """n-shot: the one tokenizer to train on, in place of sampled ones: a file, a codec's name, or a
    folder with either."""
    language: str | None = None
    """n-shot, from a network with languages: the one that --text and --tokenizer are of."""
    form: Literal["residual", "zett"] = "residual"
    """residual: what is added to the mean of a token's pieces (FVT), from nothing on. zett: the
    paper's, which first learns the identity."""
    residual: Literal["mean", "first"] = "mean"
    """Of the residual form: the mean of the pieces' rows, or the first piece's."""
    layers: int = 3
    """Of the network."""
    slots: int = 8
    """Pieces of a token that have a place of their own; the rest share the last."""
    loss: Literal["lm", "alm", "both"] = "lm"
    """lm: language modelling through the frozen model. alm: distillation from the model with its
    own tokenizer. both: their sum."""
    auxiliary: float = 0.0
    """Weight of the pull of entries with one piece to the source's row (the paper: 0.5; the
    residual form needs none)."""
    sampled_rows: int = 0
    """Softmax over so many entries, those of the batch among them; 0: all."""
    copy_overlap: bool = False
    """Entries with one piece keep the source's row."""
    train_trunk: bool = False
    """n-shot: train the model's trunk as well, and save it beside the network; `freevocab transfer`
    puts it into what it writes, MODEL stays as it is."""
    vocab_size: int = 32_768
    """Entries of a sampled tokenizer."""
    kinds: str = "substrings"
    """How tokenizers are sampled, e.g. substrings=3,bpe=1; also unigram, wordpiece, codebook."""
    queue: int = 16
    """Batches of text that a tokenizer is sampled from."""
    window_bytes: int = 2048
    """Text of a sequence, of which the first --length ids are trained on."""
    length: int = 128
    """Ids in a sequence."""
    batch_size: int = 128
    """Sequences in a step."""
    steps: int = 10_000
    """Updates; the paper has 200,000."""
    warmup_steps: int = 0
    """Updates of zett's first stage, the identity (the paper: 10,000)."""
    max_bytes: int | None = None
    """Train on at most so much text."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the network's activations: bfloat16 on accelerators."""
    remat: bool = False
    """Recompute the network's layers in the backward pass (memory for time)."""
    seed: int = 0
    """Initial weights, tokenizers and order of the text."""
    log_every: int = 50
    """Steps between progress lines."""
    save_every: int = 1000
    """Steps between checkpoints."""
    optimizer: OptimizerConfig = _OPTIMIZER
    """Optimizer and learning rate."""
    parallelism: ParallelismConfig = ParallelismConfig()
    """Devices."""
    distributed: DistributedConfig = DistributedConfig()
    """Several processes."""

    def __post_init__(self):
        counts = ("layers", "slots", "queue", "window_bytes", "length", "batch_size", "steps")
        check_least(self, **dict.fromkeys((*counts, "max_bytes", "log_every"), 1))
        check_least(self, auxiliary=0, sampled_rows=0, warmup_steps=0, save_every=0)
        check_least(self, vocab_size=256)
        check_seed(self.seed)
        names = [name for name, _ in self.texts if name]
        if self.languages and (len(names) < len(self.languages) or len(set(names)) < len(names)):
            raise UsageError("--languages takes NAME=GLOB of each language, each name once")
        if self.tokenizer and self.languages:
            raise UsageError("--tokenizer is of one language: name it by --language, its text by "
                             "--text")  # fmt: skip
        if self.language and not self.tokenizer:
            raise UsageError("--language goes with --tokenizer; --languages gives all of them")
        if self.train_trunk and not self.tokenizer:
            raise UsageError("--train-trunk goes with --tokenizer, the one to train on")
        if self.warmup_steps and self.form != "zett":
            raise UsageError("--warmup-steps is of --form zett; the residual form needs none")
        if self.warmup_steps and self.init_from:
            raise UsageError("--init-from starts after the first stage: leave --warmup-steps out")

    @property
    def texts(self) -> list[tuple[str, str]]:
        """(language, text) of each source; the language of --text is ""."""
        pairs = [one.partition("=") for one in self.languages]
        return [(name if text else "", text) for name, _, text in pairs] or [("", self.text)]
