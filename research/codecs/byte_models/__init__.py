"""Byte models (the paper's M1): integer frequencies of the next byte; see protocol.py.

A saved model is a folder: model.json {"format": "freevocab-byte-model", "version": 1, "kind": KIND,
...} and beside it what that names; or a language model over bytes ("freevocab-model", what
`freevocab train m1` writes). Nothing heavy is imported before a model is opened.
"""

import importlib
import json
import os
from pathlib import Path

from research.codecs.byte_models.protocol import ByteModel
from research.errors import FreevocabError

__all__ = ["FORMAT", "KINDS", "VERSION", "ByteModel", "load"]

FORMAT = "freevocab-byte-model"
VERSION = 1
DESCRIPTION = "model.json"
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
    path = directory / DESCRIPTION
    try:
        meta = json.loads(path.read_bytes())
    except OSError as error:
        raise FreevocabError(f"no byte model at {directory}: {path} cannot be read") from error
    except ValueError as error:
        raise FreevocabError(f"{path} is damaged (not JSON): train the model again") from error
    if isinstance(meta, dict) and meta.get("format") == "freevocab-model":
        return _class_of("transformer").from_directory(directory, meta)
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise FreevocabError(f'{path} is no byte model ("format" is not "{FORMAT}")')
    version = meta.get("version")
    if not isinstance(version, int) or not 1 <= version <= VERSION:
        raise FreevocabError(
            f"{path} has format version {version!r}, this freevocab reads up to {VERSION}"
        )
    kind = meta.get("kind")
    if kind not in KINDS:
        raise FreevocabError(f"{path}: unknown kind {kind!r}; known are {', '.join(KINDS)}")
    try:
        return _class_of(kind).from_directory(directory, meta)
    except (KeyError, TypeError, ValueError, OSError) as error:
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
        raise FreevocabError(f"the byte model in {directory} is damaged ({problem})") from error


def _class_of(kind: str) -> type:
    module, _, name = KINDS[kind].partition(":")
    return getattr(importlib.import_module(module), name)
