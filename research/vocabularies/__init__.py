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
from typing import Any

from research.errors import UsageError

__all__ = ["KINDS", "from_dict", "make", "sequence_keys"]

KINDS = {
    "learned": "learned:Learned",
    "gaussian": "drawn:Drawn",
    "sphere": "drawn:Drawn",
    "hypercube": "drawn:Drawn",
    "orthogonal": "orthogonal:Orthogonal",
    "dual": "dual:Dual",
    "permuted": "permuted:Permuted",
    "canonical": "canonical:Canonical",
    "partial": "partial:Partial",
}


def make(kind: str, **options: Any):
    """The vocabulary of a kind with fields set, e.g. `make("canonical", slots=256)`.

    Raises:
      UsageError: if the kind or an option is unknown.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown vocabulary {kind!r}: it is one of {', '.join(KINDS)}")
    module, _, name = KINDS[kind].partition(":")
    cls = getattr(importlib.import_module(f"research.vocabularies.{module}"), name)
    settable = {field.name: field for field in dataclasses.fields(cls) if field.init}
    if "kind" in settable:
        options = {"kind": kind, **options}
    if unknown := sorted(set(options) - set(settable)):
        names = ", ".join(name for name in settable if name != "kind") or "none"
        raise UsageError(f"vocabulary {kind} has no option {', '.join(unknown)}; it has {names}")
    return cls(**options)


def from_dict(fields: dict[str, Any]):
    """The vocabulary that `dataclasses.asdict` described.

    Raises:
      UsageError: if the kind or an option is unknown.
    """
    options = {name: value for name, value in fields.items() if name not in ("kind", "draws")}
    return make(str(fields.get("kind")), **options)


def sequence_keys(seed: int, count: int, *, step: int = 0):
    """See `research.vocabularies.protocol.sequence_keys`."""
    from research.vocabularies import protocol

    return protocol.sequence_keys(seed, count, step=step)
