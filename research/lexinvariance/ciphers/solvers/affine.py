"""Keys that keep the order of the alphabet: Caesar's shifts, Atbash, and a x + b modulo 26.

There are 312, so each is tried, and a few letters tell which it is. The best known ones are the
likelier: a shift has probability 1/2 (of numbers, A = 1 alone), Atbash 1/8.
"""

import math
from typing import NamedTuple

import numpy as np

from research.lexinvariance.ciphers import ciphers
from research.lexinvariance.ciphers.cipher_text import CipherText
from research.lexinvariance.ciphers.solvers.problem import Problem

SIZE = len(ciphers.LETTERS)
_FACTORS = tuple(factor for factor in range(1, SIZE, 2) if factor != 13)


class Affine(NamedTuple):
    """The best of these keys."""

    key_S: np.ndarray
    """int64, the letter of each symbol."""
    nats: float
    """-ln p(plain text)."""
    key_nats: float
    """-ln p(key)."""
    probability: float
    """Of the key among the 312."""
    name: str

    def margin(self, letters: int) -> float:
        """Nats by which it describes `letters` enciphered letters better than uniform ones."""
        return letters * math.log(SIZE) - self.nats - self.key_nats

    def confidence(self, letters: int) -> float:
        """Probability of the key among the 312 and uniform letters."""
        return self.probability / (1 + math.exp(-min(self.margin(letters), 700.0)))


def places(cipher: CipherText) -> np.ndarray | None:
    """The place of each symbol in the alphabet, int64 [S]; None if they are not a to z.

    Numbers count from 1, or from 0 if there is one.
    """
    if cipher.homophonic or cipher.spaces == "enciphered":
        return None
    if cipher.reading == "numbers":
        values = np.asarray([int(symbol) for symbol in cipher.symbols])
        values -= values.min() != 0
        if len(set(values.tolist())) < len(values):  # 7 and 07
            return None
    else:
        values = np.asarray([ciphers.LETTERS.find(symbol.lower()) for symbol in cipher.symbols])
        if len({symbol.lower() for symbol in cipher.symbols}) < len(cipher.symbols):
            return None
    return values if 0 <= values.min() <= values.max() < SIZE else None


def best(places_S: np.ndarray, problem: Problem, *, numbers: bool) -> Affine:
    """The most probable of the 312 keys.

    Args:
      places_S: of `places`.
      problem: the text; its prior counts too (a crib).
      numbers: are the symbols numbers?
    """
    unused = len(problem.letters_P) - len(places_S)
    found = []
    for factor in _FACTORS:
        for shift in range(SIZE):
            key_S = (factor * places_S + shift) % SIZE
            rest = np.setdiff1d(problem.letters_P, key_S)[:unused]
            nats = -problem.score(np.append(key_S, rest))
            found.append((nats + _key_nats(factor, shift, numbers), nats, factor, shift, key_S))
    total, nats, factor, shift, key_S = min(found, key=lambda each: each[0])
    probability = 1 / sum(math.exp(max(total - each[0], -700.0)) for each in found)
    name = _name(factor, shift, numbers)
    return Affine(key_S, nats, total - nats, probability, name)


def _key_nats(factor, shift, numbers):
    if factor == 1:
        if numbers:
            return math.log(2) if shift == 0 else math.log(8 * (SIZE - 1))
        return math.log(2 * SIZE)
    if (factor, shift) == (SIZE - 1, SIZE - 1):
        return math.log(8)
    return math.log(4 * SIZE * len(_FACTORS))


def _name(factor, shift, numbers):
    if factor == 1:
        if shift == 0:
            return "A = 1, B = 2, ..." if numbers else "plain text: nothing is enciphered"
        return f"a Caesar shift of {(-shift) % SIZE}"
    if (factor, shift) == (SIZE - 1, SIZE - 1):
        return "Atbash"
    inverse = pow(factor, -1, SIZE)
    return f"an affine key, {inverse} x + {(-shift * inverse) % SIZE} modulo 26"
