"""Letters written as numbers: `12-5 8`, `12 5 / 8`, `07 12 / 03`, `8,5,12`.

The numbers between separators are the symbols. Of the separators that occur the tightest parts
letters and all others part words:

  0  a mark without white space, such as `-`, `,` or `.`
  1  white space, or a mark and white space where no other mark parts letters
  2  `/`, `|`, `_`, two or more blanks

`find` writes the text again with one stand-in letter for each number and a blank between words, so
that what reads letters reads numbers.
"""

import re
from typing import NamedTuple

from research.errors import FreevocabError

_FIRST = 0x4E00  # stand-ins: letters without case
_LONGEST, _FEWEST = 3, 3  # digits of a number; numbers of a text
_WORDS = re.compile(r"[/|_]|[ \t]{2,}")


class Numbers(NamedTuple):
    """A text whose symbols are numbers."""

    text: str
    """With a stand-in for each number."""
    names: dict[str, str]
    """Stand-in -> number, as it was written."""
    words: bool
    """Do separators part words too?"""


def likely(text: str) -> bool:
    """Are numbers of one to three digits, between separators, all there is?"""
    parts = re.findall(r"[0-9]+", text)
    between = re.split(r"[0-9]+", text)[1:-1]
    return (
        len(parts) >= _FEWEST
        and max(map(len, parts)) <= _LONGEST
        and not any(character.isalpha() for character in text)
        # Digits that stand for a letter each make words of many lengths.
        and (all(map(_tight, between)) or sum(map(len, parts)) < 2.5 * len(parts))
        and len(set(parts)) > 1
    )


def find(text: str, most: int) -> Numbers:
    """The numbers of a text as symbols.

    Args:
      most: how many different ones can be read.

    Raises:
      FreevocabError: if there are no numbers, too many, or letters too.
    """
    parts = re.split(r"([0-9]+)", text)
    between, numbers = parts[2:-1:2], parts[1::2]
    if not numbers:
        raise FreevocabError("there is nothing to decipher: the text has no numbers")
    if any(character.isalpha() for character in text):
        raise FreevocabError("there are letters among the numbers: give --symbols all or letters")
    index: dict[str, str] = {}
    for number in numbers:
        index.setdefault(number, chr(_FIRST + len(index)))
    if len(index) > most:
        raise FreevocabError(f"{len(index)} different numbers: more than {most} cannot be read")
    tight = any(map(_tight, between))
    ranks = [_rank(each) for each in between]
    least = min(ranks, default=0)
    out = [parts[0], index[numbers[0]]]
    for separator, rank, number in zip(between, ranks, numbers[1:], strict=True):
        out.append("" if rank == least else _written(separator, tight))
        out.append(index[number])
    names = {stand_in: number for number, stand_in in index.items()}
    return Numbers("".join([*out, parts[-1]]), names, max(ranks, default=0) > least)


def _tight(separator):
    return not any(character.isspace() or character in "/|_" for character in separator)


def _rank(separator):
    if _WORDS.search(separator):
        return 2
    return 0 if _tight(separator) else 1


def _written(separator, tight):
    """What stands between two words in the plain text."""
    if "\n" in separator:
        return "\n"
    return " " if not tight else "".join(c for c in separator if c not in "/|_").strip() + " "
