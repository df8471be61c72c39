"""`freevocab transfer`: a finished model, moved to another tokenizer without training."""

import dataclasses
import functools
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from research.errors import UsageError, flag
from research.files import check_out, shown
from research.transfer.methods import HYPERNETWORK, METHODS, MethodName

if TYPE_CHECKING:
    from research.transfer.convert.new_rows import NewRows
    from research.transfer.convert.transfer import Source

AUXILIARIES = ("vectors", "aux_text", "source_vectors", "source_aux_text", "dictionary", "donor")
DTYPES = ("float32", "bfloat16", "float16")
_TEXTS = ("aux_text", "source_aux_text")
_FILES = ("vectors", "source_vectors", "dictionary", "eval_text")
_OF_HYPERNETWORK = (HYPERNETWORK, "copy_overlap", "language", "base", "task_vector")
_FOLDERS = ("model", "hypernetwork", "base", "donor")


@dataclass(frozen=True)
class Transfer:
    """Move a model to another tokenizer: new tables by any method, everything else as it was.

    Prints first what it will do and cost. OUT is written whole or not at all.
    """

    model: str
    """A Hugging Face folder (GPT-2, Llama, Mistral, Qwen2, Qwen3, Gemma 2, RoBERTa, XLM-R; config,
    safetensors, tokenizer), or a folder that freevocab saved."""
    tokenizer: str
    """The new tokenizer: tokenizer.json, sentencepiece .model, tiktoken file, a folder with one, or
    a codec's name or folder. Its ids become the model's."""
    out: str
    """Folder to write. One that this command wrote before is replaced."""
    method: MethodName = "fvt"
    """How rows of new entries are found. fvt: mean of the old pieces. hypernetwork: predicted.
    omp, focus, ofa, wechsel: by likeness to old entries. random, mean, overlap: to compare with."""
    hypernetwork: str | None = None
    """Of hypernetwork: a folder that `train hypernetwork` wrote for this model or its base."""
    copy_overlap: bool = False
    """Of hypernetwork: entries that both tokenizers have keep their rows."""
    language: str | None = None
    """Of a hypernetwork that was trained with --languages: the new tokenizer's."""
    base: str | None = None
    """Of hypernetwork, where MODEL is a fine-tuned variant: the model that the hypernetwork was
    trained for. Rows are predicted from the base's, as in the paper."""
    task_vector: float | None = None
    """Of a hypernetwork trained with --train-trunk: W, where MODEL's new trunk is its trunk + W x
    (trunk after that training - trunk before). 1 if MODEL is the model that was trained: the trunk
    after training. With --base it must be given (the paper's best: 0.5)."""
    vectors: str | None = None
    """Of wechsel, focus, ofa, omp-aux: word vectors of the new tokenizer's language, a fastText
    .vec, .vec.gz or .bin file (.bin: with the extra [vectors])."""
    aux_text: str | None = None
    """In place of --vectors: text files (a glob) to make vectors from; omp and ofa are then called
    omp-aux and ofa-aux."""
    source_vectors: str | None = None
    """Of wechsel and ofa: word vectors of the old tokenizer's language, if it is another; files as
    of --vectors."""
    source_aux_text: str | None = None
    """In place of --source-vectors: text files (a glob)."""
    dictionary: str | None = None
    """Of wechsel and ofa, for two languages: a file of a word, a tab and its translation a line."""
    donor: str | None = None
    """Of omp: a checkpoint folder that has the new tokenizer."""
    map_special: tuple[str, ...] = ()
    """SRC=DST for special tokens that role and name do not pair; a token, a role or an id each."""
    eval_text: str | None = None
    """A text file to measure bits/byte on, before and after."""
    dry_run: bool = False
    """Print what would be done, its sizes and cost; write nothing."""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Write all numbers in this type; by default each tensor keeps its own."""
    seed: int = 0
    """Decides what is drawn."""

    @property
    def exact_method(self) -> str:
        """With vectors in place of a donor omp is omp-aux, with our own vectors ofa is ofa-aux."""
        if self.method == "omp" and not self.donor and (self.vectors or self.aux_text):
            return "omp-aux"
        if self.method == "ofa" and self.aux_text and not self.vectors:
            return "ofa-aux"
        return self.method

    def for_card(self) -> dict[str, Any]:
        """What was given beside model, tokenizer, method and out; no folders."""
        names = ("copy_overlap", "language", "map_special", "dtype", "seed")
        given: dict[str, Any] = {
            name: getattr(self, name) for name in names if getattr(self, name)
        }
        if self.task_vector is not None:
            given["task_vector"] = self.task_vector
        for name in (HYPERNETWORK, "base", *AUXILIARIES):
            if path := getattr(self, name):
                given[name] = shown(os.path.basename(path.rstrip("/")))
        return {name: list(v) if isinstance(v, tuple) else v for name, v in given.items()}


def run(options: Transfer, say: Callable[[str], None] = print) -> None:
    """Transfers, or says what would be done.

    Raises:
      UsageError: for a wrong request; see `check`.
      FreevocabError: for damaged files.
    """
    check(options)
    from research.transfer.convert import transfer

    transfer.run(
        options.model,
        options.tokenizer,
        options.out,
        options.exact_method,
        functools.partial(open_method, options),
        base=options.base,
        map_special=options.map_special,
        dtype=options.dtype,
        eval_text=options.eval_text,
        options=options.for_card(),
        dry_run=options.dry_run,
        say=say,
    )


def open_method(options: Transfer, base: "Source | None" = None) -> "NewRows":
    """The method that is asked for, with the files that it needs.

    Args:
      base: what is at --base, opened.
    """
    from research.transfer.convert import new_rows

    if options.method != HYPERNETWORK:
        paths = {name: getattr(options, name) for name in AUXILIARIES}
        auxiliary = new_rows.auxiliary(paths)
        return new_rows.Computed(options.exact_method, auxiliary, options.seed)
    return new_rows.Predicted(
        options.hypernetwork or "",
        options.model,
        base,
        copy_overlap=options.copy_overlap,
        language=options.language,
        task_vector=options.task_vector,
    )


def check(options: Transfer) -> None:
    """Raises UsageError, naming the flag: unknown method, an auxiliary missing or out of place, a
    folder that must not be written to, a file that is not there."""
    from research.transfer.methods.auxiliary import Auxiliary

    if options.method not in METHODS:
        raise UsageError(f"--method is one of {', '.join(METHODS)}, not {options.method!r}")
    if options.dtype is not None and options.dtype not in DTYPES:
        raise UsageError(f"--dtype is one of {', '.join(DTYPES)}, not {options.dtype!r}")
    if options.seed < 0:
        raise UsageError(f"--seed must be at least 0, not {options.seed}")
    if options.task_vector is not None and not math.isfinite(options.task_vector):
        raise UsageError(f"--task-vector must be a number, not {options.task_vector}")
    name, given = options.exact_method, {one: getattr(options, one) for one in AUXILIARIES}
    if name == HYPERNETWORK:
        if not options.hypernetwork:
            raise UsageError("method hypernetwork needs --hypernetwork, which "
                             "`freevocab train hypernetwork` makes")  # fmt: skip
        useless = [flag(one) for one, value in given.items() if value]
    else:
        # What the files hold does not matter here.
        paths: dict[str, Any] = {one: value or None for one, value in given.items()}
        METHODS[name].check(name, Auxiliary(**paths), ())
        default = {one.name: one.default for one in dataclasses.fields(options)}
        useless = [flag(one) for one in _OF_HYPERNETWORK if getattr(options, one) != default[one]]
    if useless:
        raise UsageError(f"method {name} has no use for {', '.join(useless)}")
    for name in _FOLDERS:
        if getattr(options, name) and not Path(getattr(options, name)).is_dir():
            raise UsageError(f"{flag(name)}: there is no folder {getattr(options, name)}")
    for name in _FILES:
        if getattr(options, name) and not Path(getattr(options, name)).is_file():
            raise UsageError(f"{flag(name)}: there is no file {getattr(options, name)}")
    if options.eval_text and not Path(options.eval_text).stat().st_size:
        raise UsageError(f"--eval-text: {options.eval_text} is empty")
    _check_out(options)


def _check_out(options: Transfer) -> None:
    from research import corpora
    from research.transfer.convert.card import RECORD

    inputs = [(flag(name), getattr(options, name)) for name in (*_FOLDERS, *_FILES)]
    inputs += [("--tokenizer", options.tokenizer)] if Path(options.tokenizer).exists() else []
    for name in _TEXTS:
        if pattern := getattr(options, name):
            inputs += [(flag(name), path) for path in corpora.load(f"text:{pattern}").paths]
    check_out(options.out, inputs, mark=RECORD)
