"""Command lines read by tyro into dataclasses; a wrong one becomes one line."""

import argparse
import contextlib
import difflib
import io
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from research.errors import UsageError

Arguments = TypeVar("Arguments")


def parse(kind: type[Arguments], program: str, argv: Sequence[str]) -> Arguments:
    """Reads `argv` into an instance of the dataclass `kind`.

    Raises:
      UsageError: with one line, if `argv` does not fit.
      SystemExit: after printing help.
    """
    import tyro

    printed = io.StringIO()
    preset = _preset(kind, argv)
    try:
        with contextlib.redirect_stderr(printed):
            return tyro.cli(
                kind,
                prog=program,
                args=list(argv),
                default=tyro.MISSING_NONPROP if preset is None else preset,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as end:
        if end.code != 2:
            raise
        raise UsageError(f"{_condense(printed.getvalue())}; see `{program} --help`") from None


def _preset(kind: Any, argv: Sequence[str]) -> Any:
    """The defaults that `--preset` asks for: an entry of the class's PRESETS; None: its own."""
    presets = getattr(kind, "PRESETS", {})
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--preset")
    try:
        name = parser.parse_known_args(list(argv))[0].preset
    except argparse.ArgumentError:  # no value: tyro says so
        return None
    return kind(preset=name, **presets[name]) if name in presets else None


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """One line for a name that is not among `known`, with the nearest ones."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    if near:
        return f"unknown {what} '{name}': did you mean {' or '.join(near)}?"
    return f"unknown {what} '{name}': it is one of {', '.join(known)}"


def _condense(box: str) -> str:
    """The words of tyro's boxed message: what is wrong, and the first suggestion."""
    blocks: list[list[str]] = [[]]
    # The first line is a title that says less than the text does.
    for line in [line for line in box.splitlines() if line.strip()][1:]:
        text = line.strip("│╭╮╰╯").rstrip(" │")
        if not text.strip(" ─-╰╯"):
            blocks.append([])
        else:
            blocks[-1].append(text)
    wrong, *more = [block for block in blocks if block]
    margin = _indent(wrong[0])
    # Deeper lines are the help of the arguments named.
    line = " ".join(text.strip() for text in wrong if _indent(text) < margin + 8).rstrip(".")
    for block in more:
        if block[0].strip().startswith("Perhaps you meant") and len(block) > 1:
            return f"{line} (perhaps you meant {block[1].split()[0]})"
    return line


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())
