"""What speaks against a solution, and whether it reads like its language at all."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from research.lexinvariance.ciphers.cipher_text import CipherText
from research.lexinvariance.ciphers.shipped_solver import Solution, key_nats

SURE = 0.9  # a letter of lower confidence is marked
_REDUNDANCY = 3.2  # bits of a letter of English that say something of the key
# Bits a letter above which the n-grams do not take a solution for their language, and below which
# no other language need be tried. Text of novels has 1.9 to 2.4.
READS, WELL = 3.0, 2.7
_HOMOPHONIC = 30  # symbols from which a text looks homophonic
# Chance that two letters of a text are equal: .066 to .076 in the languages, .038 at random.
_EVEN, _ENOUGH = 0.053, 80


def bits(cipher: CipherText, solution: Solution) -> float:
    """Bits a letter of the plain text, clear spaces counted."""
    return solution.nats / math.log(2) / len(cipher.stream())


def reads(cipher: CipherText, solution: Solution) -> bool:
    """Does the plain text read like its language? A key that is one of a few has been compared
    with chance by itself."""
    return solution.key_nats is not None or bits(cipher, solution) <= READS


def reads_well(cipher: CipherText, solution: Solution) -> bool:
    """Is there nothing to be gained from trying another language?"""
    return bits(cipher, solution) <= WELL and not doubts_of(cipher, solution, (cipher.language,))


def doubts_of(cipher: CipherText, solution: Solution, tried: Sequence[str]) -> list[str]:
    """What a reader should know before trusting the solution.

    Args:
      tried: the languages.
    """
    doubts = []
    length = len(cipher.ids)
    # Shannon's unicity distance; half as much again before all letters have shown themselves.
    key = key_nats(cipher) if solution.key_nats is None else solution.key_nats
    needed = math.ceil(1.5 * key / math.log(2) / _REDUNDANCY)
    if length < needed:
        doubts.append(
            f"{length} letters are few for {len(cipher.symbols)} symbols:"
            f" about {needed} settle a key"
        )
    if not reads(cipher, solution):
        names = " or ".join(language.capitalize() for language in tried)
        doubts.append(f"it does not read like {names} ({bits(cipher, solution):.1f} bits a letter)")
        return doubts + _why(cipher)
    confident = float(np.mean(solution.confidence_S[np.asarray(cipher.ids)]))
    if confident < SURE:
        doubts.append(
            f"other keys are nearly as good: {confident:.0%} of the letters are likely right"
        )
    return doubts


def coincidence(cipher: CipherText) -> float:
    """Chance that two enciphered characters, drawn without replacement, are equal."""
    length = len(cipher.ids)
    counts = Counter(cipher.ids).values()
    return sum(count * (count - 1) for count in counts) / max(1, length * (length - 1))


def _why(cipher):
    """What a text without a reading may be."""
    if len(cipher.symbols) >= _HOMOPHONIC:
        return [
            f"{len(cipher.symbols)} symbols: it looks homophonic (several symbols for one letter)"
        ]
    even = coincidence(cipher)
    if len(cipher.ids) >= _ENOUGH and even < _EVEN:
        return [
            "it looks like no simple substitution: its letters are too even, as those of Vigenere"
            f" or at random (index of coincidence {even:.3f}; a language has .065 or more)"
        ]
    return []
