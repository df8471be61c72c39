"""Byte models (the paper's M1): integer frequencies of the next byte; see protocol.py.

A saved model is a folder: model.json {"format": "freevocab-byte-model", "version": 1, "kind": KIND,
...} and beside it what that names; or a language model over bytes ("freevocab-model", what
`freevocab train m1` writes). Nothing heavy is imported before a model is opened.
"""

import importlib
import os
from pathlib import Path

from research.artifact import Spec
from research.codecs.byte_models.protocol import ByteModel
from research.errors import FreevocabError

__all__ = ["KINDS", "SPEC", "ByteModel", "load"]

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
    "unigram": "research.codecs.byte_models.unigram:UnigramModel",
    "ngram": "research.codecs.byte_models.ngram:NGramModel",
    "transformer": "research.codecs.byte_models.transformer:TransformerModel",
}


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
    except (KeyError, TypeError, ValueError, OSError) as error:
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
        raise FreevocabError(f"the byte model in {directory} is damaged ({problem})") from error


def _class_of(kind: str) -> type:
    module, _, name = KINDS[kind].partition(":")
    return getattr(importlib.import_module(module), name)
