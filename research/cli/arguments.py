"""Command lines read by tyro into dataclasses; a wrong one becomes one line.

And `--set KEY=VALUE` (`overridden`): values in a frozen dataclass replaced by name, typed.
"""

import argparse
import contextlib
import dataclasses
import difflib
import io
import math
import sys
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from research.cli import help_text
from research.errors import UsageError
from research.training.config import check_seed

Arguments = TypeVar("Arguments")
_AT_LEAST_ONE = ("length", "batch_size", "width", "d_model", "num_layers", "num_heads")
BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse(kind: type[Arguments], program: str, argv: Sequence[str]) -> Arguments:
    """Reads `argv` into an instance of the dataclass `kind`.

    Raises:
      UsageError: with one line, if `argv` does not fit.
      SystemExit: after printing help.
    """
    import tyro

    wrong, page = io.StringIO(), help_text.Printed()
    preset = _preset(kind, argv)
    try:
        with contextlib.redirect_stderr(wrong), contextlib.redirect_stdout(page):
            return tyro.cli(
                kind,
                prog=program,
                args=["--help" if word == "--help-all" else word for word in argv],
                default=tyro.MISSING_NONPROP if preset is None else preset,
                config=(tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone),
            )
    except SystemExit as end:
        if end.code != 2:
            fold = "--help-all" not in argv
            sys.stdout.write(help_text.finished(page.getvalue(), program, fold=fold))
            raise
        raise UsageError(f"{_condense(wrong.getvalue())}; see `{program} --help`") from None


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


def overridden(config: Arguments, settings: Iterable[str]) -> Arguments:
    """Returns `config` with each "key=value" or "outer.inner=value" of `settings` replaced.

    A value is read by the field's type: 1_000 or 1e3 for int, true or false for bool, none for an
    optional field, items separated by commas for a tuple.

    Raises:
      UsageError: naming the unknown key, or the value that does not fit.
    """
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator or not key:
            raise UsageError(f"--set takes KEY=VALUE, not '{setting}'")
        config = _replace(config, key.split("."), value, key)
    return config


def _replace(config: Any, path: list[str], value: str, key: str) -> Any:
    if isinstance(config, tuple):
        return _replace_item(config, path, value, key)
    names = [field.name for field in dataclasses.fields(config) if field.init]
    if path[0] not in names:
        raise UsageError(unknown(f"key of {type(config).__name__}", path[0], names))
    old = getattr(config, path[0])
    if len(path) > 1:
        if not dataclasses.is_dataclass(old) and not isinstance(old, tuple):
            raise UsageError(f"--set {key}: {path[0]} has no parts")
        return dataclasses.replace(config, **{path[0]: _replace(old, path[1:], value, key)})
    if dataclasses.is_dataclass(old):
        parts = ", ".join(field.name for field in dataclasses.fields(old))
        raise UsageError(f"--set {key}: name one part of it, {key}.NAME with NAME one of {parts}")
    kind = typing.get_type_hints(type(config))[path[0]]
    try:
        new = _read(value, kind)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--set {key}: '{value}' is not {_describe(kind)}") from error
    _check_numbers(new, old, key)
    try:
        return dataclasses.replace(config, **{path[0]: new})
    except (ValueError, TypeError) as error:  # the dataclass's own checks
        raise UsageError(f"--set {key}={value}: {error}") from error


def _check_numbers(new: Any, old: Any, key: str) -> None:
    """Raises UsageError for numbers that no table has a use for, whatever their field."""
    name = key.split(".")[-1]
    for value in new if isinstance(new, tuple) else [new]:
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if not math.isfinite(value):
            raise UsageError(f"--set {key}={value}: give a finite number")
        least = 1 if name in _AT_LEAST_ONE else 0
        below_zero = isinstance(old, int | float) and old < 0
        if value < least and not below_zero:
            raise UsageError(f"--set {key}={value}: {name} must be at least {least}")
        if name in ("seed", "seeds"):
            check_seed(int(value))


def _replace_item(items: tuple, path: list[str], value: str, key: str) -> tuple:
    """`codecs.0.kind=...`: one item of a tuple of dataclasses."""
    if not path[0].isdigit() or int(path[0]) >= len(items):
        raise UsageError(f"--set {key}: '{path[0]}' is not a number from 0 to {len(items) - 1}")
    index = int(path[0])
    if len(path) == 1 or not dataclasses.is_dataclass(items[index]):
        raise UsageError(f"--set {key}: give the whole list, or a part of a part of it")
    return (*items[:index], _replace(items[index], path[1:], value, key), *items[index + 1 :])


def _read(text: str, kind: Any) -> Any:
    """`text` as a value of the type `kind`; ValueError if it is none."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if type(None) in inner and text.lower() == "none":
            return None
        for option in inner:
            if option is not type(None):
                with contextlib.suppress(ValueError, TypeError):
                    return _read(text, option)
        raise ValueError(text)
    if origin is typing.Literal:
        for choice in inner:
            if str(choice) == text:
                return choice
        raise ValueError(text)
    if origin in (tuple, list):
        items = [item.strip() for item in text.split(",")] if text else []
        if len(inner) == 2 and inner[1] is Ellipsis or origin is list:
            return origin(_read(item, inner[0]) for item in items)
        if len(items) != len(inner):
            raise ValueError(text)
        return tuple(_read(item, each) for item, each in zip(items, inner, strict=True))
    if kind is bool:
        if text.lower() not in BOOLEANS:
            raise ValueError(text)
        return BOOLEANS[text.lower()]
    if kind is int:
        try:
            return int(text)
        except ValueError:
            number = float(text)
            if not number.is_integer():
                raise
            return int(number)
    if isinstance(kind, type):
        return kind(text)
    raise ValueError(text)


def _describe(kind: Any) -> str:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return "one of " + ", ".join(map(str, inner))
    if origin in (typing.Union, types.UnionType):
        return " or ".join("none" if part is type(None) else _describe(part) for part in inner)
    if origin in (tuple, list):
        return "values separated by commas"
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "a value")
