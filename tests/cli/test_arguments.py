"""--set KEY=VALUE on frozen dataclasses; presets."""

import dataclasses
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.cli import arguments
from research.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    kind: Literal["a", "b", 3] = "a"

    def __post_init__(self):
        if self.rate == 0.9:
            raise ValueError("rate must not be .9")


@dataclasses.dataclass(frozen=True)
class Outer:
    steps: int = 10
    name: str = "x"
    fast: bool = False
    limit: int | None = None
    length: int = 8
    shards: int = -1
    seeds: tuple[int, ...] = (0,)
    shape: tuple[int, str] = (1, "n")
    folder: Path = Path(".")
    inner: Inner = Inner()
    parts: tuple[Inner, ...] = (Inner(), Inner(kind="b"))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    steps=st.integers(0),
    rate=st.floats(1, allow_nan=False, allow_infinity=False),
    name=st.text(),
    fast=st.booleans(),
    seeds=st.lists(st.integers(0, 2**32 - 1), max_size=4),
)
def test_what_is_set_is_read_back(steps, rate, name, fast, seeds):
    config = arguments.overridden(
        Outer(),
        [
            f"steps={steps}",
            f"inner.rate={rate!r}",
            f"name={name}",
            f"fast={fast}",
            f"seeds={','.join(map(str, seeds))}",
        ],
    )
    assert config == Outer(steps=steps, inner=Inner(rate), name=name, fast=fast, seeds=tuple(seeds))


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("steps=1_000", Outer(steps=1000)),
        ("steps=2e3", Outer(steps=2000)),
        ("limit=5", Outer(limit=5)),
        ("limit=none", Outer()),
        ("shards=-1", Outer()),
        ("fast=yes", Outer(fast=True)),
        ("name=a=b", Outer(name="a=b")),
        ("shape=3,z", Outer(shape=(3, "z"))),
        ("folder=a/b", Outer(folder=Path("a/b"))),
        ("inner.kind=3", Outer(inner=Inner(kind=3))),
        ("parts.1.rate=2", Outer(parts=(Inner(), Inner(2.0, "b")))),
    ],
)
def test_values_are_read_by_the_type_of_the_field(setting, expected):
    assert arguments.overridden(Outer(), [setting]) == expected


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("stpes=1", "did you mean steps"),
        ("inner.rat=1", "did you mean rate"),
        ("steps", "takes KEY=VALUE"),
        ("=1", "takes KEY=VALUE"),
        ("steps=many", "'many' is not a whole number"),
        ("steps=1.5", "'1.5' is not a whole number"),
        ("fast=perhaps", "true or false"),
        ("limit=x", "a whole number or none"),
        ("inner.kind=c", "one of a, b, 3"),
        ("inner=5", "inner.NAME"),
        ("steps.x=5", "steps has no parts"),
        ("inner.rate=0.9", "rate must not be .9"),
        ("seeds=1,b", "separated by commas"),
        ("seeds=0,-1", "seeds must be at least 0"),
        (f"seeds={2**32}", "seed must lie in"),
        ("steps=-1", "steps must be at least 0"),
        ("steps=inf", "is not a whole number"),
        ("inner.rate=nan", "a finite number"),
        ("length=0", "length must be at least 1"),
        ("shape=1,a,b", "separated by commas"),
        ("parts.7.rate=1", "from 0 to 1"),
        ("parts.0=1", "a part of a part"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(setting, words):
    with pytest.raises(UsageError) as caught:
        arguments.overridden(Outer(), [setting])
    assert words in str(caught.value) and "\n" not in str(caught.value)
