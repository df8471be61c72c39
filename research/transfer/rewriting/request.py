"""What `freevocab transfer` is asked for, and what can be said about it without opening a file."""

import dataclasses
import os
from pathlib import Path

from research.errors import UsageError
from research.transfer.rewriting.card import RECORD

METHODS = ("random", "mean", "fvt", "byte-fvt", "overlap", "wechsel", "focus", "ofa", "omp",
           "hypernetwork")  # fmt: skip
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
      vectors: fastText file, for wechsel, focus, ofa and omp.
      aux_text: text to make such vectors from, in their place.
      dictionary: of wechsel: pairs of words.
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
    vectors: str | None = None
    aux_text: str | None = None
    dictionary: str | None = None
    donor: str | None = None
    map_special: tuple[str, ...] = ()
    eval_text: str | None = None
    dtype: str | None = None
    seed: int = 0

    def options(self) -> dict[str, object]:
        """What was given beside model, tokenizer, method and out, for the card; no folders."""
        names = ("copy_overlap", "map_special", "dtype", "seed")
        given = {name: getattr(self, name) for name in names if getattr(self, name)}
        for name in ("hypernetwork", "vectors", "aux_text", "dictionary", "donor"):
            if getattr(self, name):
                given[name] = os.path.basename(getattr(self, name).rstrip("/"))
        return {name: list(v) if isinstance(v, tuple) else v for name, v in given.items()}


# Flags that some methods alone understand: each method's, and whether one of them is needed.
_TAKES = {
    "wechsel": ("vectors", "aux_text", "dictionary"),
    "focus": ("vectors", "aux_text"),
    "ofa": ("vectors", "aux_text"),
    "omp": ("donor", "vectors", "aux_text"),
    "hypernetwork": ("hypernetwork", "copy_overlap"),
}
_READ = ("model", "tokenizer", "hypernetwork", "donor", "vectors", "dictionary", "eval_text")
_SPECIFIC = ("hypernetwork", "copy_overlap", "vectors", "aux_text", "dictionary", "donor")


def check(request: Request) -> None:
    """Raises UsageError, naming the flag: unknown method, an auxiliary missing or out of place, a
    folder that must not be written to, a file that is not there."""
    if request.method not in METHODS:
        raise UsageError(f"--method is one of {', '.join(METHODS)}, not {request.method!r}")
    if request.dtype is not None and request.dtype not in DTYPES:
        raise UsageError(f"--dtype is one of {', '.join(DTYPES)}, not {request.dtype!r}")
    if request.seed < 0:
        raise UsageError(f"--seed must be at least 0, not {request.seed}")
    takes = _TAKES.get(request.method, ())
    for name in _SPECIFIC:
        if getattr(request, name) and name not in takes:
            methods = [method for method, taken in _TAKES.items() if name in taken]
            raise UsageError(
                f"--{_flag(name)} is for --method {' or '.join(methods)}, not {request.method}"
            )
    needed = [name for name in takes if name not in ("copy_overlap", "dictionary")]
    given = [name for name in needed if getattr(request, name)]
    if takes and not given:
        flags = " or ".join(f"--{_flag(name)}" for name in needed)
        raise UsageError(f"--method {request.method} needs {flags}")
    if len(given) > 1:
        raise UsageError(f"give one of {', '.join(f'--{_flag(name)}' for name in given)}")
    for name in ("model", "hypernetwork", "donor"):
        if getattr(request, name) and not Path(getattr(request, name)).is_dir():
            raise UsageError(f"--{name}: there is no folder {getattr(request, name)}")
    for name in ("vectors", "dictionary", "eval_text"):
        if getattr(request, name) and not Path(getattr(request, name)).is_file():
            raise UsageError(f"--{_flag(name)}: there is no file {getattr(request, name)}")
    _check_out(request)


def _check_out(request: Request) -> None:
    out = Path(request.out)
    for name in _READ:
        other = Path(getattr(request, name) or os.devnull)
        # Not only the same folder: what stands at --out is replaced whole.
        if other.exists() and other.resolve().is_relative_to(out.resolve()):
            flag = f"--{_flag(name)} {other}"
            raise UsageError(f"--out {out} would replace {flag}: choose another folder")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file: choose another name")
    ours = (out / RECORD).is_file() or not out.exists() or not any(out.iterdir())
    if not ours:
        raise UsageError(
            f"--out {out} exists and freevocab transfer did not write it: choose another folder"
        )


def _flag(name: str) -> str:
    return name.replace("_", "-")
