"""Damage at random: of bytes, of text and of JSON."""

import copy
import json
import random
import re
from typing import Any

NUMBERS = (
    "0", "-1", "1", "0.5", "255", "65536", "16777216", "2147483647", "2147483648", "4294967296",
    "9223372036854775808", "1000000000000", "100000000000000000000", "1e999", "-1e999", "NaN",
)  # fmt: skip
_DEEP = "\x00deep\x00"
_VALUES = (
    None, True, False, 0, -1, 1, 2, 0.5, 2**31, 2**32, 2**63, 10**12, 10**30, 1e999, -1e999,
    "", "x", "x" * 1000, "\ud800", "\x00", "../../x", "0", [], {}, [0], [[]], {"x": 1}, [None],
    _DEEP,
)  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One to three changes, each of one kind of `_CHANGES`."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(_CHANGES)(data, rng)
    return data


def mutated_json(content: bytes, rng: random.Random) -> bytes:
    """JSON with one to three values replaced, dropped, exchanged or doubled; bytes that are no
    JSON are changed as such."""
    try:
        value = json.loads(content)
    except ValueError:
        return mutated(content, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        value = _surgery(value, rng)
    text = json.dumps(value)
    deep = "[" * 20_000 + "]" * 20_000
    return text.replace(json.dumps(_DEEP), deep).encode()


def _surgery(value: Any, rng: random.Random) -> Any:
    places = list(_places(value))
    if not places:
        return copy.deepcopy(rng.choice(_VALUES))
    # Few of the places are in the short parts that decide; so the depth is chosen first.
    depth = rng.choice(sorted({len(place) for place in places}))
    place = rng.choice([place for place in places if len(place) == depth])
    value = copy.deepcopy(value)
    holder = value
    for key in place[:-1]:
        holder = holder[key]
    key, kind = place[-1], rng.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif kind == 1:
        holder[f"{key}x"] = holder.pop(key)
    elif kind == 2:
        other = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        holder[key], holder[other] = holder[other], holder[key]
    else:
        holder[key] = copy.deepcopy(rng.choice(_VALUES))
    return value


def _places(value: Any, place: tuple = ()):
    """Paths to values; of long lists and mappings a few from each end."""
    if isinstance(value, dict | list) and len(place) < 8:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        for key in keys if len(keys) < 40 else [*keys[:20], *keys[-20:]]:
            yield (*place, key)
            yield from _places(value[key], (*place, key))


def _span(data: bytes, rng: random.Random) -> tuple[int, int]:
    begin = rng.randrange(len(data) + 1)
    return begin, min(len(data), begin + rng.choice((1, 2, 4, 8, 64, 1024)))


def _flip(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    if out:
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def _flip_early(data: bytes, rng: random.Random) -> bytes:
    """Heads of formats are short, and most of a file is not its head."""
    return _flip(data[:200], rng) + data[200:]


def _set(data: bytes, rng: random.Random) -> bytes:
    begin, end = _span(data, rng)
    return data[:begin] + bytes([rng.choice((0, 255, rng.randrange(256)))]) * (end - begin) + data[
        end:]  # fmt: skip


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _drop(data: bytes, rng: random.Random) -> bytes:
    begin, end = _span(data, rng)
    return data[:begin] + data[end:]


def _double(data: bytes, rng: random.Random) -> bytes:
    begin, end = _span(data, rng)
    return data[:end] + data[begin:]


def _insert(data: bytes, rng: random.Random) -> bytes:
    begin = rng.randrange(len(data) + 1)
    return data[:begin] + rng.randbytes(rng.choice((1, 4, 100))) + data[begin:]


def _move(data: bytes, rng: random.Random) -> bytes:
    begin, end = _span(data, rng)
    rest = data[:begin] + data[end:]
    to = rng.randrange(len(rest) + 1)
    return rest[:to] + data[begin:end] + rest[to:]


def _number(data: bytes, rng: random.Random) -> bytes:
    """A number that is written out becomes another."""
    found = list(_NUMBER.finditer(data[:4000]))
    if not found:
        return _set(data, rng)
    where = rng.choice(found)
    return data[: where.start()] + rng.choice(NUMBERS).encode() + data[where.end() :]


_CHANGES = (_flip, _flip, _flip_early, _set, _cut, _drop, _double, _insert, _move, _number)
