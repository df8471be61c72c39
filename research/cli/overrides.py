"""`--set KEY=VALUE`: values in a frozen dataclass replaced by name, typed, unknown keys refused."""

import dataclasses
import types
import typing
from collections.abc import Iterable
from typing import Any, TypeVar

from research.cli.arguments import unknown
from research.errors import UsageError

Config = TypeVar("Config")
WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def apply(config: Config, settings: Iterable[str]) -> Config:
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
    except ValueError as error:
        raise UsageError(f"--set {key}: '{value}' is not {_describe(kind)}") from error
    try:
        return dataclasses.replace(config, **{path[0]: new})
    except (ValueError, TypeError) as error:  # the dataclass's own checks
        raise UsageError(f"--set {key}={value}: {error}") from error


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
        return _first_fit(text, [option for option in inner if option is not type(None)])
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
        if text.lower() not in WORDS:
            raise ValueError(text)
        return WORDS[text.lower()]
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


def _first_fit(text: str, kinds: Iterable[Any]) -> Any:
    for kind in kinds:
        try:
            return _read(text, kind)
        except (ValueError, TypeError):
            continue
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
