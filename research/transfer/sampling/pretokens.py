"""Cutting text into pretokens: one rule for counting and for encoding.

The rule is `pattern(config)`, a regular expression as `tokenizers` reads it: GPT-2's, with
combining marks among the letters, and digits grouped as asked. Here it is a loop over character
classes, on bytes: a byte that is not UTF-8 is one character, neither letter nor space.

Classes are those of the running Python's Unicode version; the whitespace is Unicode's White_Space.
"""

import functools
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from research.errors import UsageError
from research.numba_jit import compiled
from research.transfer.sampling.config import Pretokens

_NUMBERS = {
    "together": r" ?\p{N}+",
    "single": r"\p{N}",
    "left": r"\p{N}{1,3}",
    "right": r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))",
}
DIGITS = tuple(_NUMBERS)
_OTHER, _LETTER, _NUMBER, _SPACE = range(4)
_WHITE_SPACE = [*range(9, 14), 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029,
                0x202F, 0x205F, 0x3000]  # fmt: skip


class Words(NamedTuple):
    """The pretokens of several texts."""

    data: np.ndarray
    """Uint8, the texts one after another."""
    start_W: np.ndarray
    """Int64 [words + 1]; word w is data[start_W[w] : start_W[w + 1]]."""
    first_T: np.ndarray
    """Int64 [texts + 1]; text t has the words first_T[t] to first_T[t + 1] - 1."""

    @property
    def longest(self) -> int:
        """Bytes of the longest word; 0 without any."""
        return int(np.diff(self.start_W).max(initial=0))

    def room(self, limit: int) -> int:
        """Ids that `limit` of each text can be at most, one word beyond the limit included."""
        return min(len(self.data), (len(self.first_T) - 1) * limit + self.longest)


def pattern(config: Pretokens) -> str:
    """The regular expression whose matches are the pretokens.

    Raises:
      UsageError: another `digits` than there are.
    """
    if config.digits not in _NUMBERS:
        raise UsageError(f"digits go {', '.join(DIGITS)}, not {config.digits!r}")
    if config.whole:
        return r"[\s\S]+"
    letters = r"\p{L}\p{M}" if config.marks else r"\p{L}"
    return (
        rf"'s|'t|'re|'ve|'m|'ll|'d| ?[{letters}]+|{_NUMBERS[config.digits]}"
        rf"| ?[^\s{letters}\p{{N}}]+|\s+(?!\S)|\s+"
    )


def split(config: Pretokens, texts: Sequence[bytes]) -> Words:
    """Cuts each text by itself; joined, its words are the text."""
    data = np.frombuffer(b"".join(texts), np.uint8)
    length_T = np.fromiter(map(len, texts), np.int64, len(texts))
    if config.whole:
        start_W = np.concatenate([[0], np.cumsum(length_T[length_T > 0])]).astype(np.int64)
        return Words(data, start_W, np.concatenate([[0], np.cumsum(length_T > 0)]))
    pattern(config)  # refuses what it does not know
    characters = [text.decode("utf-8", "surrogateescape") for text in texts]
    joined = "".join(characters).encode("utf-32-le", "surrogatepass")
    points_C = np.frombuffer(joined, "<u4")
    ends_T = np.cumsum(np.fromiter(map(len, characters), np.int64, len(texts)))
    first_T = np.zeros(len(texts) + 1, np.int64)
    begins_C = np.zeros(len(points_C), np.bool_)
    compiled(_begin)(
        points_C, _classes(config.marks)[points_C], ends_T, DIGITS.index(config.digits),
        begins_C, first_T,
    )
    at_C = np.cumsum(_widths(points_C), dtype=np.int64) - _widths(points_C)
    return Words(data, np.append(at_C[begins_C], len(data)), first_T)


def _widths(points_C: np.ndarray) -> np.ndarray:
    """Bytes of each character; an escaped byte is one."""
    width_C = 1 + (points_C >= 0x80) + (points_C >= 0x800) + (points_C >= 0x10000)
    width_C[(points_C >= 0xDC80) & (points_C <= 0xDCFF)] = 1
    return width_C


@functools.cache
def _classes(marks: bool) -> np.ndarray:
    """The class of every code point, uint8."""
    categories = "".join(unicodedata.category(chr(point))[0] for point in range(0x110000))
    majors = np.frombuffer(categories.encode(), np.uint8)
    classes = np.full(0x110000, _OTHER, np.uint8)
    classes[majors == ord("L")] = _LETTER
    classes[majors == ord("N")] = _NUMBER
    if marks:
        classes[majors == ord("M")] = _LETTER
    classes[_WHITE_SPACE] = _SPACE
    return classes


def _begin(points_C, class_C, ends_T, digits, begins_C, first_T):
    """Marks the characters that begin a word; counts words up to the end of each text."""
    words, at = 0, 0
    for text in range(len(ends_T)):
        end = ends_T[text]
        while at < end:
            begins_C[at] = True
            words += 1
            point, kind, stop = points_C[at], class_C[at], at + 1
            if point == 39 and stop < end:  # 's 't 'm 'd 're 've 'll
                one = points_C[stop]
                two = points_C[stop + 1] if stop + 1 < end else 0
                if one == 115 or one == 116 or one == 109 or one == 100:
                    at += 2
                    continue
                if (one == 114 or one == 118) and two == 101 or one == 108 and two == 108:
                    at += 3
                    continue
            if point == 32 and stop < end and class_C[stop] != 3:  # a space before something else
                if digits == 0 or class_C[stop] != 2:
                    kind = class_C[stop]
                    stop += 1
            while stop < end and class_C[stop] == kind:
                stop += 1
            if kind == 3 and stop < end and stop > at + 1:
                stop -= 1  # the last space of several belongs to what follows
            elif kind == 2 and digits == 1:
                stop = at + 1
            elif kind == 2 and digits == 2:
                stop = min(stop, at + 3)
            elif kind == 2 and digits == 3:
                stop = at + (stop - at - 1) % 3 + 1
            at = stop
        first_T[text + 1] = words
