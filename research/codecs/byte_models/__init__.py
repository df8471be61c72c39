"""Byte models (the paper's M1): integer frequencies of the next byte.

A saved model is a folder: model.json {"format": "freevocab-byte-model", "version": 1, "kind": KIND,
...} and the files that it names; or a language model over bytes ("freevocab-model", what
`freevocab train m1` writes). Nothing heavy is imported before a model is opened.
"""

import importlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from research.artifact import Spec
from research.errors import MALFORMED, FreevocabError

SPEC = Spec(
    "byte model",
    "model.json",
    error=FreevocabError,
    missing="no byte model at {folder}: {path} cannot be read",
    damaged="{path} is damaged (not JSON): train the model again",
    foreign='{path} is no byte model ("format" is not "{format}")',
    newer="{path} has format version {version!r}, this freevocab reads up to {known}",
)
KINDS = {
    "unigram": "research.codecs.byte_models.ngram:UnigramModel",
    "ngram": "research.codecs.byte_models.ngram:NGramModel",
    "transformer": "research.codecs.byte_models.transformer:TransformerModel",
    "integer": "research.codecs.byte_models.integer:IntegerModel",
}


@runtime_checkable
class ByteModel(Protocol):
    """Anything that gives integer frequencies for the next byte."""

    @property
    def name(self) -> str:
        """Short, printable."""
        ...

    @property
    def beta(self) -> int:
        """Frequencies sum to 2**beta."""
        ...

    @property
    def order(self) -> int | None:
        """How many bytes of context can matter, or None if there is no limit."""
        ...

    def window_frequencies(self, contexts: Sequence[bytes], symbols: int = 256) -> np.ndarray:
        """Frequencies of the next symbol after each context, uint32 [N, symbols].

        A context is the bytes of the window (or of the example) so far; b"" is its start.
        Every entry is at least 1 and each row sums to 2**beta. With `symbols=257` the last
        symbol is the end of the text.
        """
        ...

    def fingerprint(self) -> str:
        """Hex digest of everything the frequencies depend on."""
        ...

    def save(self, directory: str | os.PathLike) -> None:
        """Writes a folder that `byte_models.load` opens."""


class Stepper(NamedTuple):
    """A byte model as pure functions for a compiled loop over B rows."""

    params: Any
    """Arrays, to be passed through `jit` as an argument."""
    start: Callable[[Any], tuple[Any, Any]]
    """params -> (frequencies uint32 [symbols], state), after START: what every context begins with,
    and the cache of rows that have seen nothing else."""
    step: Callable[[Any, Any, Any, Any], tuple[Any, Any]]
    """(params, state, last_B, length_B) -> (frequencies uint32 [B, symbols], state). last_B is each
    row's latest byte; length_B is how many symbols the row had seen before it, START included. A
    smaller length than before forgets what is past it. At 0 a row is idle: its frequencies mean
    nothing and its state stays."""


@runtime_checkable
class SteppedByteModel(ByteModel, Protocol):
    """A byte model that runs inside a compiled loop."""

    def stepper(self, batch: int, context: int, symbols: int = 256) -> Stepper:
        """Pure functions for `batch` rows that each look back `context` symbols."""
        ...


# A byte model may also have this; one written elsewhere need not know of it.


def exact(model: ByteModel) -> bool:
    """`model.exact`: whether it computes with integers alone, so that its frequencies are the same
    on every machine."""
    return getattr(model, "exact", False)


@runtime_checkable
class ExactByteModel(SteppedByteModel, Protocol):
    """A stepped byte model that is `exact`: compiled by JAX or not, it gives equal integers."""

    def on_host(self, context: int) -> ByteModel:
        """The same model by numpy, each position looking back `context` symbols. It has no stepper;
        of a `ByteModel` it need have no more than what gives frequencies."""
        ...


def load(directory: str | os.PathLike) -> ByteModel:
    """Opens a folder that a byte model's `save` wrote.

    Raises:
      FreevocabError: no such folder, damaged, of a newer version or of an unknown kind.
    """
    directory = Path(directory)
    meta = SPEC.parse(directory)
    if meta.get("format") == "freevocab-model":
        return _class_of("transformer").from_directory(directory, meta)
    SPEC.check(directory, meta)
    kind = meta.get("kind")
    if kind not in KINDS:
        path = directory / SPEC.file
        raise FreevocabError(f"{path}: unknown kind {kind!r}; known are {', '.join(KINDS)}")
    try:
        return _class_of(kind).from_directory(directory, meta)
    except (*MALFORMED, OSError) as error:
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
        raise FreevocabError(f"the byte model in {directory} is damaged ({problem})") from error


def _class_of(kind: str) -> type:
    module, _, name = KINDS[kind].partition(":")
    return getattr(importlib.import_module(module), name)
