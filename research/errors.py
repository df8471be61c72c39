"""The errors that a user sees as one line; the command line turns them into exit codes."""


class FreevocabError(Exception):
    """Something failed (damaged file, full disk, NaN loss): one line, exit code 1."""

    exit_code = 1


class UsageError(FreevocabError):
    """The request itself is wrong (unknown name, missing flag): one line, exit code 2."""

    exit_code = 2


class DamagedText(FreevocabError):
    """A document, or the rest of a file, is no text; the machine that reads it is not to blame."""


class EncodeOnlyError(FreevocabError):
    """Raised by `decode` of a codec that cannot be decoded (`closing='point'` or `'dyadic'`)."""


# What code that reads a file of another's making raises where a value is of the wrong kind.
MALFORMED = (
    ArithmeticError, AttributeError, LookupError, RecursionError, StopIteration, TypeError,
    ValueError,
)  # fmt: skip


def flag(name: str) -> str:
    """What a message calls an argument by: "aux_text" is --aux-text on the command line."""
    return "--" + name.replace("_", "-")
