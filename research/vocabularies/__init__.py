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

import numpy as np

from research.errors import UsageError

if TYPE_CHECKING:
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


def sequence_keys(seed: int, count: int, *, step: int = 0) -> np.ndarray:
    """Key data for the draws of `count` sequences, uint32 [count, 2]; a function of (seed, step).

    Raw words of Philox, whose values are the same on every machine and version. The keys of a
    longer list begin with those of a shorter one.
    """
    words = np.random.Philox(key=seed, counter=[0, 0, 1, step]).random_raw(max(1, count))
    return words[:count].astype("<u8").view("<u4").astype(np.uint32).reshape(count, 2)
