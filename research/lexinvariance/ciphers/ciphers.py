"""Simple substitution ciphers of English: made from held-out text, undone, and scored.

Plain text is a to z and single spaces (`normalise`). The three conditions of a cipher:

  clear       a space stays a space; the 26 letters are enciphered.
  enciphered  the space is a 27th symbol.
  none        spaces are left out before enciphering; 26 letters.

Letters are numbered by their place in `alphabet(condition)`, cipher symbols likewise; a clear
space is -1 among cipher symbols and SPACE in plain text. The length of a cipher is the number of
its enciphered symbols, so a clear space costs nothing.
"""

import functools
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from research.errors import UsageError

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SPACE = len(LETTERS)
CLEAR_SPACE = -1
CONDITIONS = ("clear", "enciphered", "none")
MOST_SYMBOLS = 128
_DROPPED = "'’ʼ‘`´\u00ad"
_DROP = 255


class Cipher(NamedTuple):
    """One enciphered text and its key."""

    symbols_L: np.ndarray
    """int32, the cipher symbol at each position; CLEAR_SPACE where a clear space stands."""
    plain_L: np.ndarray
    """int32, the letter at each position; SPACE for a space."""
    key_S: np.ndarray
    """int32, the letter that each cipher symbol stands for."""

    @property
    def occurring(self) -> np.ndarray:
        """The cipher symbols that occur in the text, int32, ascending."""
        return np.unique(self.symbols_L[self.symbols_L >= 0])


def alphabet(condition: str) -> str:
    """The letters of plain text: 26, and the space unless there are none.

    Raises:
      UsageError: if there is no such condition.
    """
    return LETTERS + " " * (_known(condition) != "none")


def enciphered_letters(condition: str) -> int:
    """How many letters a key maps: 27 where the space is one of them, else 26."""
    return len(LETTERS) + (_known(condition) == "enciphered")


def _known(condition):
    if condition not in CONDITIONS:
        raise UsageError(f"unknown condition {condition!r}; there are {', '.join(CONDITIONS)}")
    return condition


def normalise(text: str | bytes, spaces: bool = True) -> str:
    """Lower-case a to z and single spaces, none at the ends.

    Accents and apostrophes are dropped (`don't` becomes `dont`); whatever else is not a letter of
    the 26 (digits, punctuation, other letters) becomes a space, or is dropped without `spaces`.
    Bytes are read as UTF-8; invalid UTF-8 counts as punctuation.
    """
    return text_of(letter_ids(text, spaces), LETTERS + " ")


def letter_ids(text: str | bytes, spaces: bool = True) -> np.ndarray:
    """`normalise` as numbers, uint8: 0 to 25, and SPACE."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    text = unicodedata.normalize("NFKD", text)
    points_L = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    ids_L = _letter_of_point()[np.minimum(points_L, 0xFFFF)]
    if not spaces:
        return ids_L[ids_L < SPACE]
    ids_L = ids_L[ids_L != _DROP]
    blank_L = ids_L == SPACE
    # A space stays where a letter stood before it, and one follows somewhere.
    keep_L = ~blank_L
    keep_L[1:] |= ~blank_L[:-1]
    ids_L = ids_L[keep_L]
    return ids_L[:-1] if len(ids_L) and ids_L[-1] == SPACE else ids_L


@functools.cache
def _letter_of_point():
    """uint8 [65536]: what each code point becomes after decomposition; the last is a space."""
    table = np.full(1 << 16, SPACE, np.uint8)
    for number, letter in enumerate(LETTERS):
        table[[ord(letter), ord(letter.upper())]] = number
    table[[ord(character) for character in _DROPPED]] = _DROP
    table[[point for point in range(1 << 16) if unicodedata.combining(chr(point))]] = _DROP
    return table


def text_of(ids_L: np.ndarray, letters: str) -> str:
    """The text of letters that are numbered by their place in `letters`."""
    table = np.array(list(letters))
    return "".join(table[np.asarray(ids_L, np.int64)].tolist())


def random_key(rng: np.random.Generator, size: int) -> np.ndarray:
    """The letter that each of `size` cipher symbols stands for: a uniform permutation, int32."""
    return rng.permutation(size).astype(np.int32)


def encipher(plain_L: np.ndarray, key_S: np.ndarray) -> np.ndarray:
    """The cipher symbol of each letter, int32 [L]; letters beyond the key are CLEAR_SPACE."""
    symbol_A = np.full(max(len(key_S), SPACE) + 1, CLEAR_SPACE, np.int32)
    symbol_A[key_S] = np.arange(len(key_S), dtype=np.int32)
    return symbol_A[plain_L]


def decipher(symbols_L: np.ndarray, key_S: np.ndarray) -> np.ndarray:
    """The letter of each cipher symbol under a key, int32 [L]; CLEAR_SPACE becomes SPACE."""
    return np.append(np.asarray(key_S, np.int32), np.int32(SPACE))[symbols_L]


def make(text: str, condition: str, rng: np.random.Generator) -> Cipher:
    """Enciphers a text under a random key; other characters are treated as in `normalise`."""
    plain_L = letter_ids(text, spaces=_known(condition) != "none").astype(np.int32)
    key_S = random_key(rng, enciphered_letters(condition))
    return Cipher(encipher(plain_L, key_S), plain_L, key_S)


def renamed(cipher: Cipher) -> Cipher:
    """The same with its symbols numbered by first occurrence, and only those that occur."""
    symbols, firsts = np.unique(cipher.symbols_L, return_index=True)
    symbols, firsts = symbols[symbols >= 0], firsts[symbols >= 0]
    old_S = symbols[np.argsort(firsts)]
    new = np.full(len(cipher.key_S) + 1, CLEAR_SPACE, np.int32)  # the last one is CLEAR_SPACE's
    new[old_S] = np.arange(len(old_S))
    return Cipher(new[cipher.symbols_L], cipher.plain_L, cipher.key_S[old_S])


def windows(
    texts: Sequence[str], length: int, count: int, condition: str, rng: np.random.Generator
) -> list[str]:
    """Pieces of plain text to encipher, each with exactly `length` enciphered symbols.

    They are drawn uniformly among the word borders of all texts after which enough follows,
    without repetition; a piece may overlap another, and may end inside a word.

    Args:
      texts: held-out text, raw or normalised; a piece lies inside one.

    Raises:
      UsageError: if there are fewer than `count` places.
    """
    condition = _known(condition)
    streams, starts = [], []
    for number, text in enumerate(texts):
        ids_L = letter_ids(text)
        blank_L = ids_L == SPACE
        begins_L = ~blank_L & np.append(True, blank_L)[: len(ids_L)]
        costs_L = np.ones(len(ids_L), np.int64) if condition == "enciphered" else ~blank_L
        spent_L1 = np.append(0, np.cumsum(costs_L))
        places_N = np.flatnonzero(begins_L & (spent_L1[:-1] + length <= spent_L1[-1]))
        if condition == "enciphered":  # no piece ends in a space
            places_N = places_N[~blank_L[places_N + length - 1]]
        streams.append((ids_L, spent_L1))
        starts.append(np.stack([np.full_like(places_N, number), places_N]))
    starts_2xN = np.concatenate(starts, axis=1) if starts else np.zeros((2, 0), np.int64)
    if starts_2xN.shape[1] < count:
        raise UsageError(
            f"the texts hold {starts_2xN.shape[1]} pieces of {length} symbols, not {count}"
        )
    pieces = []
    for number, start in starts_2xN[:, rng.permutation(starts_2xN.shape[1])[:count]].T:
        ids_L, spent_L1 = streams[number]
        stop = int(np.searchsorted(spent_L1, spent_L1[start] + length))
        piece_L = ids_L[start:stop]
        if condition == "none":
            piece_L = piece_L[piece_L < SPACE]
        pieces.append(text_of(piece_L, LETTERS + " "))
    return pieces


def symbol_error_rate(cipher: Cipher, plain_L: np.ndarray) -> float:
    """Share of enciphered positions with a wrong letter; 0 of a cipher that is solved.

    Args:
      plain_L: a solver's plain text, int [L]; what stands at clear spaces is not looked at.
    """
    inside_L = cipher.symbols_L >= 0
    return float(np.mean(plain_L[inside_L] != cipher.plain_L[inside_L]))


def key_precision(cipher: Cipher, key_S: np.ndarray) -> float:
    """Share of the occurring cipher symbols whose letter is right in a solver's key."""
    occurring = cipher.occurring
    return float(np.mean(np.asarray(key_S)[occurring] == cipher.key_S[occurring]))
