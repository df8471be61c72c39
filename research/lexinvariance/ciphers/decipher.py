"""Solves a cipher text: tries each way to read it, keeps the shortest description, says how sure.

A reading (`cipher_text.py`) and its solution describe the text in

    nats of the plain text under the letter n-grams
    + ln(A! / (A - S)!)            which letters the S symbols mean, of A plain ones
    + what it takes to say what the reading leaves in the clear (`CipherText.clear_bits`),

and the reading with the fewest is taken.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from research.errors import FreevocabError
from research.lexinvariance.ciphers.cipher_text import CipherText, candidates

SURE = 0.9  # a letter of lower confidence is marked
_REDUNDANCY = 3.2  # bits of a letter of English that say something of the key
_ENGLISH = 3.0  # bits a letter: above it the n-grams do not take the solution for English


class Solution(NamedTuple):
    """A key for the symbols of one reading.

    Attributes:
      letters: the plain letter of each symbol.
      nats: -ln P of the plain text, clear spaces counted.
      confidence_S: probability that each symbol's letter is right, as far as the models know.
      agreed: share of the restarts that ended at this key.
      decided: which part of the solver made it, for the reader of the result.
    """

    letters: str
    nats: float
    confidence_S: np.ndarray
    agreed: float
    decided: str


Solve = Callable[[CipherText, float], Solution]  # the reading, and its share of the time


@dataclasses.dataclass(frozen=True)
class Deciphered:
    """What came out.

    Attributes:
      cipher: the text as it was read.
      letters: the plain letter of each symbol.
      confidence: of each symbol, 0 to 1.
      bits_per_letter: of the plain text.
      agreed: share of the restarts that ended at this key.
      decided: which part of the solver decided.
      doubts: why the solution may be wrong; empty if nothing speaks against it.
    """

    cipher: CipherText
    letters: str
    confidence: tuple[float, ...]
    bits_per_letter: float
    agreed: float
    decided: str
    doubts: tuple[str, ...]

    @property
    def plain(self) -> str:
        """The plain text, laid out as the cipher was."""
        return self.cipher.plain(self.letters)

    @property
    def text_confidence(self) -> float:
        """Mean confidence over the enciphered characters."""
        return sum(self.confidence[id_] for id_ in self.cipher.ids) / len(self.cipher.ids)

    def key(self) -> dict[str, str]:
        """Symbol -> letter, in the order of the letters."""
        pairs = zip(self.cipher.symbols, self.letters, strict=True)
        return dict(sorted(pairs, key=lambda pair: (pair[1] == " ", pair[1])))

    def unsure(self) -> dict[str, float]:
        """Symbols of lower confidence than SURE, the least sure first."""
        pairs = zip(self.cipher.symbols, self.confidence, strict=True)
        return dict(sorted((p for p in pairs if p[1] < SURE), key=lambda pair: pair[1]))

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "plain": self.plain,
            "key": self.key(),
            "confidence": dict(zip(self.cipher.symbols, self.confidence, strict=True)),
            "text_confidence": self.text_confidence,
            "sure": not self.doubts,
            "doubts": list(self.doubts),
            "spaces": self.cipher.spaces,
            "symbols": self.cipher.reading,
            "letters": len(self.cipher.ids),
            "bits_per_letter": self.bits_per_letter,
            "agreed": self.agreed,
            "decided_by": self.decided,
        }


def decipher(text: str, solve: Solve, *, spaces: str = "auto", symbols: str = "auto") -> Deciphered:
    """Reads and solves a text.

    Args:
      text: of `cipher_text.decode`.
      solve: (reading, share of the time) -> its best key; `solving.make` has the shipped one.
      spaces, symbols: how to read the text; `auto`: whatever describes it in the fewest bits.

    Raises:
      FreevocabError: if the text has no symbols, or too many for a one-to-one key.
    """
    readings = candidates(text, spaces, symbols)
    fitting = [each for each in readings if len(each.symbols) <= each.letters]
    if not fitting:
        least = min(readings, key=lambda each: len(each.symbols))
        raise FreevocabError(
            f"{len(least.symbols)} different symbols for {least.letters} letters, digits and marks:"
            " this is no cipher that gives each one symbol"
            " (--symbols letters ignores case and punctuation)"
        )
    solved = [(each, solve(each, 1 / len(fitting))) for each in fitting]
    cipher, solution = min(solved, key=lambda pair: description(*pair))
    doubts = _doubts(cipher, solution)
    others = [pair for pair in solved if pair[0] is not cipher]
    close = [
        other for other, found in others
        if description(other, found) - description(cipher, solution) < math.log(100)
    ]  # fmt: skip
    if close:
        names = ", ".join(f"spaces {each.spaces}, symbols {each.reading}" for each in close)
        doubts.append(f"another way to read the text is nearly as good: {names}")
    return Deciphered(
        cipher=cipher,
        letters=solution.letters,
        confidence=tuple(round(float(value), 3) for value in solution.confidence_S),
        bits_per_letter=solution.nats / math.log(2) / len(cipher.stream()),
        agreed=solution.agreed,
        decided=solution.decided,
        doubts=tuple(doubts),
    )


def description(cipher: CipherText, solution: Solution) -> float:
    """Nats of a reading and its solution; see the module's docstring."""
    return solution.nats + key_nats(cipher) + math.log(2) * cipher.clear_bits


def key_nats(cipher: CipherText) -> float:
    """ln(A! / (A - S)!): what it takes to say the key."""
    letters, symbols = cipher.letters, len(cipher.symbols)
    return math.lgamma(letters + 1) - math.lgamma(letters - symbols + 1)


def _doubts(cipher: CipherText, solution: Solution) -> list[str]:
    """What a reader should know before trusting the solution."""
    found = []
    length = len(cipher.ids)
    # Shannon's unicity distance; half as much again before all letters have shown themselves.
    needed = math.ceil(1.5 * key_nats(cipher) / math.log(2) / _REDUNDANCY)
    if length < needed:
        found.append(
            f"{length} letters are few for {len(cipher.symbols)} symbols:"
            f" about {needed} settle a key"
        )
    bits = solution.nats / math.log(2) / len(cipher.stream())
    if bits > _ENGLISH:
        found.append(f"it does not read like English ({bits:.1f} bits a letter)")
    confident = float(np.mean(solution.confidence_S[np.asarray(cipher.ids)]))
    if confident < SURE:
        found.append(
            f"other keys are nearly as good: {confident:.0%} of the letters are likely right"
        )
    return found
