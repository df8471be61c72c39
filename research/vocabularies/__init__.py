"""ids <-> vectors. `vocabularies.make(kind, ...)` is the way in; the protocol is in protocol.py.

| kind | table of a sequence | lexinvariant |
| --- | --- | --- |
| learned | one learned table for all | no |
| gaussian, sphere, hypercube | rows drawn for the sequence | in distribution |
| orthogonal | orthogonal rows drawn for the sequence, V <= D | in distribution |
| dual | a learned part for all ids and a drawn part for each | in distribution |
| permuted | one learned or frozen table, ids permuted | in distribution |
| canonical | ids numbered by first occurrence | exactly |
| partial | learned, some ids made random | for p = 1 in distribution |
"""

import dataclasses
import importlib
from typing import TYPE_CHECKING, Any

from research.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from research.vocabularies.protocol import Vocabulary

__all__ = ["KINDS", "from_dict", "make", "sequence_keys"]

# A new vocabulary is a class and an entry here (and a rule in training.sharding_rules, if its
# parameters have other names than these classes').
KINDS = {
    "learned": "learned:LearnedEmbedding",
    "gaussian": "drawn:DrawnEmbedding",
    "sphere": "drawn:DrawnEmbedding",
    "hypercube": "drawn:DrawnEmbedding",
    "orthogonal": "orthogonal:OrthogonalEmbedding",
    "dual": "drawn:DualEmbedding",
    "permuted": "permuted:PermutedEmbedding",
    "canonical": "canonical:CanonicalEmbedding",
    "partial": "permuted:PartialEmbedding",
}


def make(kind: str, **options: Any) -> "Vocabulary":
    """The vocabulary of a kind with fields set, e.g. `make("canonical", slots=256)`.

    Raises:
      UsageError: if the kind or an option is unknown.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown vocabulary {kind!r}: it is one of {', '.join(KINDS)}")
    module, _, name = KINDS[kind].partition(":")
    vocabulary = getattr(importlib.import_module(f"research.vocabularies.{module}"), name)
    settable = {field.name: field for field in dataclasses.fields(vocabulary) if field.init}
    if "kind" in settable:
        options = {"kind": kind, **options}
    if unknown := sorted(set(options) - set(settable)):
        names = ", ".join(name for name in settable if name != "kind") or "none"
        raise UsageError(f"vocabulary {kind} has no option {', '.join(unknown)}; it has {names}")
    return vocabulary(**options)


def from_dict(fields: dict[str, Any]) -> "Vocabulary":
    """The vocabulary that `dataclasses.asdict` described.

    Raises:
      UsageError: if the kind or an option is unknown.
    """
    options = {name: value for name, value in fields.items() if name not in ("kind", "draws")}
    return make(str(fields.get("kind")), **options)


def sequence_keys(seed: int, count: int, *, step: int = 0) -> "np.ndarray":
    """See `research.vocabularies.protocol.sequence_keys`."""
    from research.vocabularies import protocol

    return protocol.sequence_keys(seed, count, step=step)
