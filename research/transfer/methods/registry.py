"""What each method is called, where it is, and what it needs."""

import dataclasses
import importlib
from collections.abc import Callable

from research.errors import UsageError, flag
from research.transfer.methods.auxiliary import Auxiliary


@dataclasses.dataclass(frozen=True)
class Method:
    """One row of `METHODS`.

    Attributes:
      module, function: below research.transfer.methods.
      needs: names of `Auxiliary`, one of which has to be there; () for none.
      may_have: names that are used if they are there.
      takes: what its function takes, made of them (`Auxiliary.prepared`).
      options: settings of its own.
      instead: where to go with what it does not take.
      copies: rows of equal entries are the source's to the bit.
    """

    module: str
    function: str
    copies: bool
    needs: tuple[str, ...] = ()
    may_have: tuple[str, ...] = ()
    takes: str = ""
    options: tuple[str, ...] = ()
    instead: str = ""

    def load(self) -> Callable:
        """The function itself."""
        module = importlib.import_module(f"research.transfer.methods.{self.module}")
        return getattr(module, self.function)

    def check(self, name: str, auxiliary: Auxiliary, options) -> None:
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

METHODS: dict[str, Method] = {
    "random": Method("plain", "random", copies=False),
    "mean": Method("plain", "mean", copies=False),
    "overlap": Method("plain", "overlap", copies=True),
    "fvt": Method("subwords", "fvt", copies=True),
    "byte-fvt": Method("subwords", "byte_fvt", copies=False),
    "wechsel": Method("wechsel", "wechsel", False, _TEXT, _SOURCE, "both"),
    "focus": Method("focus", "focus", True, _TEXT, (), "target"),
    "ofa": Method("wechsel", "ofa", True, ("vectors",), _SOURCE, "both", ("factors",),
                  " (with --aux-text it is ofa-aux)"),
    "ofa-aux": Method("wechsel", "ofa", True, ("aux_text",), _SOURCE, "both", ("factors",)),
    "omp": Method("omp", "omp", True, ("donor",), (), "donor", ("k",),
                  " (with --vectors or --aux-text it is omp-aux)"),
    "omp-aux": Method("omp", "omp_aux", True, _TEXT, (), "target", ("k",)),
}


def method(name: str) -> Method:
    """The method of a name.

    Raises:
      UsageError: if there is none.
    """
    if name not in METHODS:
        raise UsageError(f"unknown method {name!r}: it is one of {', '.join(METHODS)}")
    return METHODS[name]
