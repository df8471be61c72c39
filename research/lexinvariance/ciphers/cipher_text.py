"""A cipher as people give it: which characters are enciphered, and where words end.

Two ways to read a text (`symbols`):
  all      every character that is not white space is a symbol; upper and lower case differ.
  letters  letters are symbols, whatever their case; everything else is as it was (the
           cryptograms of newspapers).
  numbers  the numbers between separators are symbols (`number_symbols.py`).
and three kinds of spaces (`spaces`):
  clear        white space ends words and is not a symbol.
  enciphered   one symbol stands for the space.
  none         there are none; white space, if any, is layout (groups of five) and carries nothing.
`candidates` lists the readings that a text allows; which one is right is for a solver to say.
"""

import dataclasses
import unicodedata
from collections.abc import Container

import numpy as np

from research.errors import FreevocabError, UsageError
from research.lexinvariance.ciphers import number_symbols

MOST_SYMBOLS = 128
SYMBOLS = ("all", "letters", "numbers")
SPACES = ("clear", "enciphered", "none")
_LETTERS, _PRINTABLE = 26, 94  # a to z; ASCII without the space
_EDGE, _INSIDE = 3.0, 12.0  # bits of a mark at the edge of a word, and inside one
_COINCIDENCE = 15.0
_SHOWN = 2  # times that a symbol of a homophonic cipher must stand in a text, in the mean
_APOSTROPHES = "'’"
_INNER = "'’-–—"
_MARKS = ".,;:!?()[]\"'“”„‘’‚«»¿¡…-–—&$£€%/"


@dataclasses.dataclass(frozen=True)
class CipherText:
    """One reading of a text."""

    text: str
    """As it was given."""
    symbols: tuple[str, ...]
    """The distinct symbols in order of first occurrence, S of them."""
    places: tuple[int, ...]
    """Index in `text` of each enciphered character, L of them."""
    ids: tuple[int, ...]
    """Which symbol stands there, L numbers below S."""
    breaks: tuple[bool, ...]
    """For each of the L, whether a word ended before it (white space in the clear)."""
    spaces: str
    reading: str
    """`spaces`, `reading`: see the module's docstring."""
    language: str = "english"
    """That the plain text is taken to be in."""
    homophonic: bool = False
    """May several symbols stand for one letter?"""
    crib: str = ""
    """Words that the plain text is known to hold, of `ciphers.normalise`."""

    @property
    def wide(self) -> bool:
        """Are there more symbols than letters? Then capitals, digits and marks are enciphered too,
        each by a symbol of its own."""
        return not self.homophonic and len(self.symbols) > _LETTERS + (self.spaces == "enciphered")

    @property
    def letters(self) -> int:
        """How many plain symbols there may be: the space is one if it is enciphered."""
        return (_PRINTABLE if self.wide else _LETTERS) + (self.spaces == "enciphered")

    @property
    def clear_bits(self) -> float:
        """About how many bits it takes to say what this reading leaves in the clear but spaces.

        Cheap where English has it: marks at the edges of words, an apostrophe inside one, a capital
        at the beginning of one. Dear elsewhere: symbols of a cipher stand anywhere. Where all marks
        and capitals stand as in English, that they are symbols is a coincidence to be paid for, the
        dearer the more of them there are.
        """
        bits = sum(cost for cost, _ in self._marks())
        if self.reading == "letters":
            return bits
        return _COINCIDENCE + bits if bits and self.natural else 0.0

    @property
    def natural(self) -> bool:
        """Do all marks and capitals stand where English has them?"""
        return all(
            cost < _INSIDE / 2 and (here.isalnum() or here in _MARKS)
            for cost, here in self._marks()
        )

    def _marks(self) -> list[tuple[float, str]]:
        """Bits of each mark, digit and capital, and the character; the case of a text that is all
        in capitals says nothing."""
        if self.reading == "numbers":
            return []
        text = f" {self.text} "
        text = text.lower() if text.isupper() else text
        triples = zip(text, text[1:], text[2:], strict=False)
        return [(c, here) for before, here, after in triples if (c := _cost(before, here, after))]

    def stream(self) -> np.ndarray:
        """What a solver reads: symbols as 0 to S - 1, each clear space as -1; int32.

        A clear text begins and ends with a space, so that its first and last letter count as such.
        """
        ids: list[int] = []
        clear = self.spaces == "clear"
        for id_, broken in zip(self.ids, self.breaks, strict=True):
            if broken or (clear and not ids):
                ids.append(-1)
            ids.append(id_)
        return np.asarray([*ids, *[-1] * clear], np.int32)

    def plain(
        self, letters: str, *, unsure: Container[str] = (), marks: tuple[str, str] = ("", "")
    ) -> str:
        """The text with each symbol replaced by its letter; the case of `letters` texts is kept.

        Args:
          letters: the plain letter of each of the S symbols.
          unsure: symbols whose letters are to stand between the two `marks`.
        """
        out = list(self.text)
        for place, id_ in zip(self.places, self.ids, strict=True):
            letter = letters[id_]
            if self.reading == "letters" and self.text[place].isupper():
                letter = letter.upper()
            marked = self.symbols[id_] in unsure
            out[place] = letter.join(marks) if marked else letter
        # What layout there is keeps its lines alone.
        if self.spaces == "none" and self.reading != "numbers":
            pairs = zip(out, self.text, strict=True)
            out = [plain for plain, original in pairs if original not in " \t"]
        return "".join(out)


def _cost(before: str, here: str, after: str) -> float:
    """Bits of a character in the clear between two others."""
    if here.isspace() or (here.isalpha() and not here.isupper()):
        return 0.0
    if here.isalpha():
        return _INSIDE / 2 if before.isalpha() else _EDGE
    if here.isdigit():  # a number among words is whole
        return _INSIDE if before.isalpha() or after.isalpha() else _EDGE
    edge = before.isspace() or not after.isalnum() or (before.isdigit() and after.isdigit())
    return _EDGE if edge or here in _INNER else _INSIDE


def decode(data: bytes) -> str:
    """The text of a file.

    Raises:
      FreevocabError: if it is empty or no text.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FreevocabError("this is no text: it is not UTF-8") from None
    wrong = [c for c in text if unicodedata.category(c) == "Cc" and not c.isspace()]
    if wrong:
        raise FreevocabError(f"this is no text: it holds the control character {wrong[0]!r}")
    if not text.strip():
        raise FreevocabError("there is nothing to decipher: the text is empty")
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n").strip("\n")


def read(text: str, spaces: str, symbols: str) -> CipherText:
    """One reading of a text.

    Raises:
      FreevocabError: if it leaves no symbols, or more than MOST_SYMBOLS.
      UsageError: if there is no such reading.
    """
    if symbols not in SYMBOLS or spaces not in SPACES:
        raise UsageError(f"no way to read a cipher: symbols {symbols!r}, spaces {spaces!r}")
    if symbols == "numbers":
        numbers = number_symbols.find(text, MOST_SYMBOLS)
        letters = read(numbers.text, spaces, "letters")
        names = tuple(numbers.names[symbol] for symbol in letters.symbols)
        return dataclasses.replace(letters, symbols=names, reading="numbers")
    index: dict[str, int] = {}
    places, ids, breaks = [], [], []
    gap = False
    for place, character in enumerate(text):
        space = character.isspace()
        blank = space and not (spaces == "enciphered" and character == " ")
        if blank or (symbols == "letters" and not space and not character.isalpha()):
            # A hyphen or a dash ends a word, an apostrophe does not.
            gap |= blank or character not in _APOSTROPHES
            continue
        symbol = character.casefold() if symbols == "letters" else character
        places.append(place)
        ids.append(index.setdefault(symbol, len(index)))
        breaks.append(gap and spaces == "clear" and bool(breaks))
        gap = False
    if not index:
        raise FreevocabError("there is nothing to decipher: the text has no letters")
    if len(index) > MOST_SYMBOLS:
        raise FreevocabError(
            f"{len(index)} different symbols: more than {MOST_SYMBOLS} cannot be read"
        )
    return CipherText(text, tuple(index), tuple(places), tuple(ids), tuple(breaks), spaces, symbols)


def candidates(text: str, spaces: str = "auto", symbols: str = "auto") -> list[CipherText]:
    """The readings worth solving, the likelier first; `auto` leaves a choice open.

    Raises:
      FreevocabError: if there is none.
    """
    readings = _every(text, spaces, symbols)
    if readings[0].reading == "numbers":
        return readings
    narrow = [each for each in readings if not each.wide]
    # With capitals and marks where English has them, they need not be symbols.
    if narrow and all(each.natural for each in readings):
        return narrow
    wide = [each for each in readings if each.wide and each.reading == "all"]
    fitting = [each for each in wide if each.spaces != "none" and len(each.symbols) <= each.letters]
    return [*narrow, *fitting] or readings


def homophonic_candidates(
    text: str, spaces: str = "auto", symbols: str = "auto"
) -> list[CipherText]:
    """The readings in which several symbols may stand for one letter, likewise; there may be none.

    They have more symbols than letters, few enough for each to show what it means, and no
    enciphered space.
    """
    return [
        dataclasses.replace(each, homophonic=True)
        for each in _every(text, spaces, symbols)
        if each.spaces != "enciphered"
        and len(each.symbols) > _LETTERS
        and len(each.ids) >= _SHOWN * len(each.symbols)
    ]


def _every(text, spaces, symbols):
    """All readings."""
    kinds = (symbols,) if symbols != "auto" else _kinds(text)
    if kinds == ("numbers",):
        numbers = number_symbols.find(text, MOST_SYMBOLS)
        own = ("clear",) if numbers.words else ("none", "enciphered")
        return [read(text, each, "numbers") for each in (own if spaces == "auto" else (spaces,))]
    return [
        read(text, each, kind)
        for kind in kinds
        for each in ((spaces,) if spaces != "auto" else _spaces(text, kind))
    ]


def _kinds(text: str) -> tuple[str, ...]:
    """Are only letters enciphered? Open where there is anything else, or upper and lower case."""
    solid = {c for c in text if not c.isspace()}
    letters = {c for c in solid if c.isalpha()}
    if not letters:
        return ("numbers",) if number_symbols.likely(text) else ("all",)
    one_case = len({c.casefold() for c in letters}) == len(letters)
    if letters == solid and one_case:
        return ("all",)
    return SYMBOLS[:2]


def _spaces(text: str, kind: str) -> tuple[str, ...]:
    """Which kinds of spaces a text may have."""
    groups = text.split()
    lines = text.splitlines()
    if len(groups) == len([line for line in lines if line.strip()]):
        return ("enciphered", "none")  # no white space but the ends of lines
    sizes = [len(group) for group in groups]
    if len(groups) > 3 and min(sizes[:-1]) == max(sizes[:-1]) >= 3 and sizes[-1] <= sizes[0]:
        return ("none",)  # groups of five, say
    longest = sum(sizes) / len(sizes)
    # Where the space is a symbol that stands for a letter, "words" are far from those of English.
    return ("clear",) if kind == "letters" or 2 <= longest <= 9 else ("clear", "enciphered")
