"""Corpora by name: built in, files, TensorFlow Datasets directories, synthetic text.

    load("builtin")                                     the novels of the clone, else as the next
    load("builtin:python")  load("builtin:docstrings")  the running Python's own text
    load("text:wiki/train-*.txt;valid=wiki/valid.txt")  files, plain or .xz .gz .zst
    load("text:novels/*.txt")                           split by SPLIT.tsv beside them, or by hash
    load("tfds:lm1b")  load("tfds:c4/en?data_dir=DIR")  directories prepared as array_record
    load("synthetic:200000")                            made-up text, about so many bytes
    load("builtin:code+text:more/*.py")                 several, one after the other
"""

import importlib
import re

from research.corpora.corpus import Combined, Corpus, Source
from research.errors import UsageError

_KINDS = {
    "builtin": "research.corpora.builtin",
    "text": "research.corpora.text",
    "tfds": "research.corpora.tfds",
    "synthetic": "research.corpora.synthetic",
}
# A plus sign joins corpora only where the name of a kind follows; others belong to file names.
_JOINT = re.compile(rf"\+(?=(?:{'|'.join(_KINDS)})(?::|\+|$))")


def load(spec: str) -> Corpus:
    """The corpus of that name (see the top of this module for the forms).

    Raises:
      UsageError: if the kind is unknown, no file matches, or an option makes no sense.
    """
    sources = tuple(_source(part) for part in _JOINT.split(spec))
    return Corpus(sources[0] if len(sources) == 1 else Combined(sources))


def load_files_or(spec: str) -> Corpus:
    """As `load`, but what does not name a corpus is a glob of text files.

    Raises:
      UsageError: as `load`.
    """
    kind = _JOINT.split(spec)[0].partition(":")[0]
    return load(spec if kind in _KINDS else f"text:{spec}")


def _source(spec: str) -> Source:
    kind, _, argument = spec.partition(":")
    if kind not in _KINDS:
        raise UsageError(
            f"no corpus {spec!r}: use builtin[:novels|:python], text:GLOB, tfds:NAME[/CONFIG]"
            " or synthetic[:BYTES]"
        )
    return importlib.import_module(_KINDS[kind]).source(argument)


__all__ = ["Corpus", "Source", "load", "load_files_or"]
