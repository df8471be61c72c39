"""Solves a cipher text: tries each way to read it, keeps the shortest description, says how sure.

A reading (`cipher_text.py`) and its solution describe the text in

    nats of the plain text under the letter n-grams of the reading's language
    + what it takes to say the key (`shipped_solver.key_nats`), and which homophones were chosen
    + what it takes to say what the reading leaves in the clear (`CipherText.clear_bits`),

and the reading with the fewest is taken. Languages are tried in their order until a text reads
well; homophonic keys only if no key of one symbol a letter makes a text that can be read.
"""

import dataclasses
import math
from typing import Any

from research.errors import FreevocabError
from research.lexinvariance.ciphers import ciphers, languages
from research.lexinvariance.ciphers.cipher_text import CipherText, candidates, homophonic_candidates
from research.lexinvariance.ciphers.doubts import SURE, doubts_of, reads, reads_well
from research.lexinvariance.ciphers.shipped_solver import Solution, Solve, key_nats
from research.lexinvariance.ciphers.solvers import cribs

AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class Deciphered:
    """What came out."""

    cipher: CipherText
    """The text as it was read."""
    letters: str
    """The plain letter of each symbol."""
    confidence: tuple[float, ...]
    """Of each symbol, 0 to 1."""
    bits_per_letter: float
    """Of the plain text."""
    agreed: float
    """Share of the restarts that ended at this key."""
    decided: str
    """Which part of the solver decided."""
    doubts: tuple[str, ...]
    """Why the solution may be wrong; empty if nothing speaks against it."""
    reads: bool = True
    """Does the plain text read like the language? If not, `confidence` is 0 and means nothing."""

    @property
    def plain(self) -> str:
        """The plain text, laid out as the cipher was."""
        return self.cipher.plain(self.letters)

    @property
    def text_confidence(self) -> float | None:
        """Mean confidence over the enciphered characters; None where there is no reading."""
        if not self.reads:
            return None
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
        confidence = dict(zip(self.cipher.symbols, self.confidence, strict=True))
        return {
            "plain": self.plain,
            "key": self.key(),
            "confidence": confidence if self.reads else None,
            "text_confidence": self.text_confidence,
            "sure": not self.doubts,
            "doubts": list(self.doubts),
            "language": self.cipher.language if self.reads else None,
            "homophonic": self.cipher.homophonic,
            "spaces": self.cipher.spaces,
            "symbols": self.cipher.reading,
            "letters": len(self.cipher.ids),
            "bits_per_letter": self.bits_per_letter,
            "agreed": self.agreed,
            "decided_by": self.decided,
        }


def decipher(
    text: str,
    solve: Solve,
    *,
    spaces: str = AUTO,
    symbols: str = AUTO,
    language: str = "english",
    crib: str = "",
) -> Deciphered:
    """Reads and solves a text.

    Args:
      text: of `cipher_text.decode`.
      solve: (reading, share of the time) -> its best key; `shipped_solver.make` makes one.
      spaces, symbols: how to read the text; `auto`: whatever describes it in the fewest bits.
      language: one of `languages`; `auto`: likewise.
      crib: words that the plain text is known to hold.

    Raises:
      FreevocabError: if the text has no symbols, or too many; if the crib fits nowhere.
      UsageError: if there is no such language.
    """
    tried = languages.LANGUAGES if language == AUTO else (languages.known(language),)
    readings = candidates(text, spaces, symbols)
    solved: list[tuple[CipherText, Solution]] = []
    for of_a_kind in (readings, homophonic_candidates(text, spaces, symbols)):
        for each in tried:
            fitting = _fitting(of_a_kind, each, crib)
            solved += [(reading, solve(reading, 1 / len(fitting))) for reading in fitting]
            if solved and reads_well(*_shortest(solved)):
                break
        if solved and reads(*_shortest(solved)):
            break
    if not solved:
        raise _unfit(readings, crib)
    cipher, solution = _shortest(solved)
    readable = reads(cipher, solution)
    doubts = doubts_of(cipher, solution, tried)
    most = description(cipher, solution) + math.log(100)
    close = [each for each, other in solved
             if each is not cipher and description(each, other) < most]  # fmt: skip
    if close:
        names = ", ".join(_differing(each, cipher) for each in close)
        doubts.append(f"another way to read the text is nearly as good: {names}")
    return Deciphered(
        cipher=cipher,
        letters=solution.letters,
        confidence=tuple(
            round(float(value), 3) if readable else 0.0 for value in solution.confidence_S
        ),
        bits_per_letter=solution.nats / math.log(2) / len(cipher.stream()),
        agreed=solution.agreed,
        decided=solution.decided,
        doubts=tuple(doubts),
        reads=readable,
    )


def description(cipher: CipherText, solution: Solution) -> float:
    """Nats of a reading and its solution; see the module's docstring."""
    key = key_nats(cipher) if solution.key_nats is None else solution.key_nats
    clear = math.log(2) * cipher.clear_bits
    return solution.nats + key + solution.choice_nats + clear


def _shortest(solved):
    return min(solved, key=lambda pair: description(*pair))


def _fitting(readings, language, crib):
    """The readings that a key can have, in a language, with a place for the crib."""
    words = ciphers.normalise(languages.spelt_out(crib, language))
    if crib and not words:
        raise FreevocabError(f"the crib {crib!r} has no letters from a to z")
    made = [dataclasses.replace(each, language=language, crib=words) for each in readings]
    return [
        each
        for each in made
        if (each.homophonic or len(each.symbols) <= each.letters)
        and not (each.wide and language != "english")
        and (not words or cribs.fits(each))
    ]


def _unfit(readings, crib):
    """Why no reading can be solved."""
    if crib:
        return FreevocabError(
            f"the crib {crib!r} fits nowhere: no place has one symbol for each of its letters"
        )
    least = min(readings, key=lambda each: len(each.symbols))
    return FreevocabError(
        f"{len(least.symbols)} different symbols for {least.letters} letters, digits and marks:"
        " this is no cipher that gives each one symbol"
        " (--symbols letters ignores case and punctuation)"
    )


def _differing(reading, cipher):
    """What sets a reading apart from the one that was taken."""
    names = f"spaces {reading.spaces}, symbols {reading.reading}"
    return names + (f", {reading.language}" if reading.language != cipher.language else "")
