"""What `freevocab transfer` is asked for, and what can be said about it without opening a file."""

import dataclasses
import math
import os
from pathlib import Path

from research import corpora
from research.errors import UsageError, flag
from research.files import check_out, shown
from research.transfer.convert.card import RECORD
from research.transfer.methods import HYPERNETWORK, METHODS
from research.transfer.methods.auxiliary import Auxiliary

DTYPES = ("float32", "bfloat16", "float16")


@dataclasses.dataclass(frozen=True)
class Request:
    """One transfer.

    Attributes:
      model: a Hugging Face folder, or one that freevocab saved.
      tokenizer: a tokenizer file or folder, or a codec's name or folder.
      method: one of METHODS.
      out: folder to write.
      hypernetwork: folder of `freevocab train hypernetwork`.
      copy_overlap: of hypernetwork: entries that both tokenizers have keep their rows.
      language: of a hypernetwork with languages: the new tokenizer's.
      base: of hypernetwork: the model that it was trained for, where `model` is a variant of it.
      task_vector: of a hypernetwork with a trunk: how much of what training did to it is added.
      vectors: word vectors of the new tokenizer's language, a fastText file.
      aux_text: glob of text files to make such vectors from, in their place.
      source_vectors, source_aux_text: the same of the old tokenizer's language, where it is
        another; `dictionary` is then needed to bring the two together.
      dictionary: file of a word and its translation a line.
      donor: of omp: a checkpoint that has the new tokenizer.
      map_special: "SRC=DST" for special tokens that roles and names do not pair.
      eval_text: file to measure bits/byte on, before and after.
      dtype: type of the numbers written; None: each tensor's own.
      seed: of what is drawn.
    """

    model: str
    tokenizer: str
    method: str
    out: str
    hypernetwork: str | None = None
    copy_overlap: bool = False
    language: str | None = None
    base: str | None = None
    task_vector: float | None = None
    vectors: str | None = None
    aux_text: str | None = None
    source_vectors: str | None = None
    source_aux_text: str | None = None
    dictionary: str | None = None
    donor: str | None = None
    map_special: tuple[str, ...] = ()
    eval_text: str | None = None
    dtype: str | None = None
    seed: int = 0

    @property
    def exact_method(self) -> str:
        """With vectors in place of a donor omp is omp-aux, with our own vectors ofa is ofa-aux."""
        if self.method == "omp" and not self.donor and (self.vectors or self.aux_text):
            return "omp-aux"
        if self.method == "ofa" and self.aux_text and not self.vectors:
            return "ofa-aux"
        return self.method

    def options(self) -> dict[str, object]:
        """What was given beside model, tokenizer, method and out, for the card; no folders."""
        names = ("copy_overlap", "language", "map_special", "dtype", "seed")
        given = {name: getattr(self, name) for name in names if getattr(self, name)}
        if self.task_vector is not None:
            given["task_vector"] = self.task_vector
        for name in (HYPERNETWORK, "base", *AUXILIARIES):
            if getattr(self, name):
                given[name] = shown(os.path.basename(getattr(self, name).rstrip("/")))
        return {name: list(v) if isinstance(v, tuple) else v for name, v in given.items()}


AUXILIARIES = ("vectors", "aux_text", "source_vectors", "source_aux_text", "dictionary", "donor")
_FILES = ("vectors", "source_vectors", "dictionary", "eval_text")
_OF_HYPERNETWORK = (HYPERNETWORK, "copy_overlap", "language", "base", "task_vector")
_FOLDERS = ("model", "hypernetwork", "base", "donor")


def check(request: Request) -> None:
    """Raises UsageError, naming the flag: unknown method, an auxiliary missing or out of place, a
    folder that must not be written to, a file that is not there."""
    if request.method not in METHODS:
        raise UsageError(f"--method is one of {', '.join(METHODS)}, not {request.method!r}")
    if request.dtype is not None and request.dtype not in DTYPES:
        raise UsageError(f"--dtype is one of {', '.join(DTYPES)}, not {request.dtype!r}")
    if request.seed < 0:
        raise UsageError(f"--seed must be at least 0, not {request.seed}")
    if request.task_vector is not None and not math.isfinite(request.task_vector):
        raise UsageError(f"--task-vector must be a number, not {request.task_vector}")
    name, given = request.exact_method, {one: getattr(request, one) for one in AUXILIARIES}
    if name == HYPERNETWORK:
        if not request.hypernetwork:
            raise UsageError("method hypernetwork needs --hypernetwork, which "
                             "`freevocab train hypernetwork` makes")  # fmt: skip
        useless = [flag(one) for one, value in given.items() if value]
    else:
        # What the files hold does not matter here.
        auxiliary = Auxiliary(**{one: value or None for one, value in given.items()})
        METHODS[name].check(name, auxiliary, ())
        default = {one.name: one.default for one in dataclasses.fields(request)}
        useless = [flag(one) for one in _OF_HYPERNETWORK if getattr(request, one) != default[one]]
    if useless:
        raise UsageError(f"method {name} has no use for {', '.join(useless)}")
    for name in _FOLDERS:
        if getattr(request, name) and not Path(getattr(request, name)).is_dir():
            raise UsageError(f"{flag(name)}: there is no folder {getattr(request, name)}")
    for name in _FILES:
        if getattr(request, name) and not Path(getattr(request, name)).is_file():
            raise UsageError(f"{flag(name)}: there is no file {getattr(request, name)}")
    if request.eval_text and not Path(request.eval_text).stat().st_size:
        raise UsageError(f"--eval-text: {request.eval_text} is empty")
    _check_out(request)


def digests(request: Request) -> dict[str, str]:
    """SHA-256 of the hypernetwork's files, if one is used."""
    if request.method != HYPERNETWORK:
        return {}
    from research.transfer.hypernet import hypernetwork_file

    found = hypernetwork_file.fingerprint(request.hypernetwork)
    return {f"--hypernetwork: {name}": digest for name, digest in found.items()}


def _check_out(request: Request) -> None:
    inputs = [(flag(name), getattr(request, name)) for name in (*_FOLDERS, *_FILES)]
    inputs += [("--tokenizer", request.tokenizer)] if Path(request.tokenizer).exists() else []
    for name in ("aux_text", "source_aux_text"):
        if pattern := getattr(request, name):
            inputs += [(flag(name), path) for path in corpora.load(f"text:{pattern}").paths]
    check_out(request.out, inputs, mark=RECORD)
