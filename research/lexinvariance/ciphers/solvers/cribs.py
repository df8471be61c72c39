"""Cribs: words that the plain text is known to hold, and where they can stand.

A place fits if the same symbols stand where the crib has the same letters, and words end where its
words end. A place fixes the letters of some symbols; it goes to a search as a prior (`prior`).
"""

import numpy as np

from research.lexinvariance.ciphers import ciphers
from research.lexinvariance.ciphers.cipher_text import CipherText

FIXED = 1_000.0  # nats against another key
_SPACE = -1


def fits(cipher: CipherText) -> list[dict[int, int]]:
    """What each place of the reading's crib fixes: symbol -> place of its letter in the alphabet.

    The space is letter 26. Empty if the crib fits nowhere.
    """
    stream = cipher.stream().tolist()
    letters = [(ciphers.LETTERS + " ").index(letter) for letter in cipher.crib]
    if cipher.spaces == "none":
        letters = [letter for letter in letters if letter != ciphers.SPACE]
    clear = cipher.spaces == "clear"
    crib = [_SPACE if clear and letter == ciphers.SPACE else letter for letter in letters]
    found = []
    for start in range(len(stream) - len(crib) + 1):
        fixed = _fixed(stream[start : start + len(crib)], crib, cipher.homophonic)
        if fixed is not None and fixed not in found:
            found.append(fixed)
    return found


def _fixed(symbols, crib, homophonic):
    fixed: dict[int, int] = {}
    for symbol, letter in zip(symbols, crib, strict=True):
        if (symbol == _SPACE) != (letter == _SPACE):
            return None
        if symbol != _SPACE and fixed.setdefault(symbol, letter) != letter:
            return None
    one_to_one = len(set(fixed.values())) == len(fixed)
    return fixed if homophonic or one_to_one else None


def prior(fixed: dict[int, int], shape: tuple[int, int], *, homophonic: bool) -> np.ndarray:
    """0 where a key keeps to a place, -FIXED elsewhere; float64 [P, A] (`Problem.prior_PxA`)."""
    prior_PxA = np.zeros(shape)
    for symbol, letter in fixed.items():
        prior_PxA[symbol] = -FIXED
        if not homophonic:
            prior_PxA[:, letter] = -FIXED
    for symbol, letter in fixed.items():
        prior_PxA[symbol, letter] = 0.0
    return prior_PxA
