"""Tables for a new tokenizer, by rule or network: name, function, needs and cost of each method.

`make(name, ...)` is the way in. A method gives numpy tables with a float32 row for every target id:
no row is zero or NaN, special rows are copied, and the seed decides everything. docs/transfer.md
lists all. A new one is a function (rows.Inputs, ...) -> EmbeddingTable and an entry of `METHODS`,
which command line, cost estimate and tables read. Importing this imports neither JAX nor a method.
"""

import dataclasses
import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from research.errors import UsageError, flag

if TYPE_CHECKING:
    from research.tokenizers import Tokenizer
    from research.transfer.matching import Match
    from research.transfer.methods.auxiliary import Auxiliary
    from research.vocabularies.protocol import EmbeddingTable


@dataclasses.dataclass(frozen=True)
class Method:
    """One entry of `METHODS`."""

    function: str
    """module:function, the module below research.transfer.methods."""
    help: str
    """Where rows of entries come from that the source does not have."""
    rows_per_second: float
    """Rows that it finds, roughly, on two cores at width 768."""
    copies: bool = False
    """Rows of equal entries are the source's to the bit."""
    draws: bool = False
    """Another seed may give another table."""
    table_copies: int = 2
    """Copies of both tables that are held at once."""
    needs: tuple[str, ...] = ()
    """Names of `Auxiliary`, one of which has to be there; () for none."""
    may_have: tuple[str, ...] = ()
    """Names that are used if they are there."""
    takes: Literal["", "target", "both", "donor", "network"] = ""
    """What its function takes, made of them (`Auxiliary.prepared`)."""
    options: tuple[str, ...] = ()
    """Settings of its own."""
    instead: str = ""
    """Ends the message that says what is missing."""

    def load(self) -> "Callable[..., EmbeddingTable]":
        """The function itself."""
        module, _, name = self.function.partition(":")
        return getattr(importlib.import_module(f"research.transfer.methods.{module}"), name)

    def check(self, name: str, auxiliary: "Auxiliary", options: Sequence[str]) -> None:
        """Raises a UsageError that names the flag which is missing or useless."""
        given = auxiliary.given()
        if self.needs and not given & set(self.needs):
            needs = " or ".join(map(flag, self.needs))
            raise UsageError(f"method {name} needs {needs}{self.instead}")
        if useless := sorted(given - {*self.needs, *self.may_have}):
            raise UsageError(f"method {name} has no use for {', '.join(map(flag, useless))}")
        if len(given & set(self.needs)) > 1:
            raise UsageError(f"method {name} takes {' or '.join(map(flag, self.needs))}, not both")
        if unknown := sorted(set(options) - set(self.options)):
            names = ", ".join(self.options) or "none"
            raise UsageError(f"method {name} has no option {', '.join(unknown)}; it has {names}")
        if self.takes == "both":
            auxiliary.check_languages(name)


_TEXT = ("vectors", "aux_text")
_SOURCE = ("source_vectors", "source_aux_text", "dictionary")
_OFA = Method(
    "similarity:ofa", "softmax over the 10 nearest", 2e3, copies=True, draws=True, table_copies=4,
    needs=("vectors",), may_have=_SOURCE, takes="both", options=("factors",),
    instead=" (with --aux-text it is ofa-aux)",
)  # fmt: skip
HYPERNETWORK = "hypernetwork"

METHODS: Mapping[str, Method] = {
    "random": Method("plain:random", "N(mean, variance) of the source's rows", 1e6, draws=True),
    "mean": Method("plain:mean", "the mean row", 1e6),
    "overlap": Method("plain:overlap", "as random", 1e6, copies=True, draws=True),
    "fvt": Method("plain:fvt", "mean of the source's pieces", 3e5, copies=True),
    "byte-fvt": Method("plain:byte_fvt", "mean of the bytes' rows", 3e5),
    "wechsel": Method(
        "similarity:wechsel", "softmax over the 10 nearest", 2e3, draws=True, table_copies=4,
        needs=_TEXT, may_have=_SOURCE, takes="both",
    ),
    "focus": Method(
        "similarity:focus", "sparsemax over equal entries", 3e3, copies=True, draws=True,
        table_copies=4, needs=_TEXT, takes="target",
    ),
    "ofa": _OFA,
    "ofa-aux": dataclasses.replace(_OFA, needs=("aux_text",), instead=""),
    "omp": Method(
        "omp:omp", "64-sparse in equal entries", 3e2, copies=True, table_copies=4,
        needs=("donor",), takes="donor", options=("k",),
        instead=" (with --vectors or --aux-text it is omp-aux)",
    ),
    "omp-aux": Method(
        "omp:omp_aux", "64-sparse in equal entries", 3e2, copies=True, table_copies=4,
        needs=_TEXT, takes="target", options=("k",),
    ),
    HYPERNETWORK: Method(
        "hypernetwork:hypernetwork", "predicted from the source's pieces", 5e2,
        needs=(HYPERNETWORK,), takes="network",
        instead=", which `freevocab train hypernetwork` makes",
    ),
}  # fmt: skip

if TYPE_CHECKING:
    MethodName = str
else:
    MethodName = Literal[tuple(METHODS)]


def make(
    name: str, auxiliary: "Auxiliary | None" = None, **options: Any
) -> "Callable[..., EmbeddingTable]":
    """The method as (source_table, source, target, *, match=None, seed=0) -> EmbeddingTable.

    Args:
      auxiliary: what the method needs besides; `METHODS[name]` says what.
      options: a method's own settings, such as k of omp or factors of ofa.

    Raises:
      UsageError: an unknown name, an auxiliary that is missing or of no use, an unknown option.
    """
    from research.transfer.methods.auxiliary import Auxiliary

    if name not in METHODS:
        raise UsageError(f"unknown method {name!r}: it is one of {', '.join(METHODS)}")
    auxiliary = auxiliary or Auxiliary()
    METHODS[name].check(name, auxiliary, tuple(options))
    return functools.partial(_run, METHODS[name], auxiliary, options)


def _run(
    method: Method,
    auxiliary: "Auxiliary",
    options: Mapping[str, Any],
    source_table: "EmbeddingTable",
    source: "Tokenizer",
    target: "Tokenizer",
    *,
    match: "Match | None" = None,
    seed: int = 0,
) -> "EmbeddingTable":
    """The method's table; without a `match`, entries and specials are paired as by default."""
    from research.transfer import matching
    from research.transfer.methods.rows import Inputs

    match = matching.match(source, target) if match is None else match
    prepared = auxiliary.prepared(method.takes, source, target)
    inputs = Inputs(source_table, source, target, match, seed)
    return method.load()(inputs, **prepared, **options)
