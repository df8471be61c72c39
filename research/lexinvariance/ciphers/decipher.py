"""Solves a cipher text: tries each way to read it, keeps the shortest description, says how sure.

A reading (`cipher_text.py`) and its solution describe the text in

    nats of the plain text under the letter n-grams
    + ln(A! / (A - S)!)            which letters the S symbols mean, of A plain ones
    + what it takes to say what the reading leaves in the clear (`CipherText.clear_bits`),

and the reading with the fewest is taken.

The shipped solver (`shipped_solver`) has letter n-grams and annealing: searches are repeated until
the best key has been found AGAIN times or the time is over; the keys in which they end start the
chains that say how sure each letter is (`climb.marginals`).
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from research.errors import FreevocabError
from research.lexinvariance.ciphers import letters
from research.lexinvariance.ciphers.cipher_text import CipherText, candidates
from research.lexinvariance.ciphers.solvers import climb, problem

SURE = 0.9  # a letter of lower confidence is marked
_REDUNDANCY = 3.2  # bits of a letter of English that say something of the key
_ENGLISH = 3.0  # bits a letter: above it the n-grams do not take the solution for English
AGAIN = 3
ENOUGH = 2_000  # symbols of a long text that are searched; more would settle nothing
_OCCURRENCES, _AROUND = 8, 15  # of symbols that occur later: how many, and symbols on each side
LEAST = 12  # searches, however slow
MOST = 400  # searches, whatever the time
CHAINS = 10  # keys, the best and different ones, that confidence is sampled around
# The n-grams are surer of a key than they are right, so scores are divided by this for the
# climb. On texts of 24 to 100 letters it then says .956 where .970 are right (96 texts of the
# train split) and .960 where .982 are (96 held out).
DOUBT = 2.0
NEGLIGIBLE = 12.0  # nats, after DOUBT: a key so much worse adds nothing
PROPOSALS = 2_000_000  # of a chain, times letters


class Solution(NamedTuple):
    """A key for the symbols of one reading."""

    letters: str
    """The plain letter of each symbol."""
    nats: float
    """-ln P of the plain text, clear spaces counted."""
    confidence_S: np.ndarray
    """Probability that each symbol's letter is right, as far as the models know."""
    agreed: float
    """Share of the restarts that ended at this key."""
    decided: str
    """Which part of the solver made it, for the reader of the result."""


Solve = Callable[[CipherText, float], Solution]  # the reading, and its share of the time


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
      solve: (reading, share of the time) -> its best key; `shipped_solver` makes one.
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
    most = description(cipher, solution) + math.log(100)
    close = [each for each, other in solved
             if each is not cipher and description(each, other) < most]  # fmt: skip
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
    doubts = []
    length = len(cipher.ids)
    # Shannon's unicity distance; half as much again before all letters have shown themselves.
    needed = math.ceil(1.5 * key_nats(cipher) / math.log(2) / _REDUNDANCY)
    if length < needed:
        doubts.append(
            f"{length} letters are few for {len(cipher.symbols)} symbols:"
            f" about {needed} settle a key"
        )
    bits = solution.nats / math.log(2) / len(cipher.stream())
    if bits > _ENGLISH:
        doubts.append(f"it does not read like English ({bits:.1f} bits a letter)")
    confident = float(np.mean(solution.confidence_S[np.asarray(cipher.ids)]))
    if confident < SURE:
        doubts.append(
            f"other keys are nearly as good: {confident:.0%} of the letters are likely right"
        )
    return doubts


def shipped_solver(*, seconds: float, restarts: int | None = None, seed: int = 0) -> Solve:
    """A function that solves one reading of a text with the shipped models.

    Args:
      seconds: of processor time to search, all readings together; the confidence takes a little
        more.
      restarts: searches, in place of the time: the result is then a function of the seed.
    """
    return functools.partial(_solve, seconds=seconds, restarts=restarts, seed=seed)


def _solve(cipher: CipherText, share: float, *, seconds, restarts, seed) -> Solution:
    model = letters.load("ascii" if cipher.wide else cipher.spaces)
    stream = cipher.stream()
    cipher_problem = problem.make(excerpt(stream, ENOUGH), model)
    keys, rounds, agreeing = searched(
        cipher_problem, seconds=share * seconds, restarts=restarts, seed=seed)
    best, nats = keys[0]
    near = [key for key, others in keys[:CHAINS] if others - nats < NEGLIGIBLE * DOUBT]
    starts = [climb.slots_of(cipher_problem, np.asarray(key)) for key in near]
    doubtful = cipher_problem._replace(tables=cipher_problem.tables / np.float32(DOUBT))
    proposals = int(np.clip(PROPOSALS / len(cipher_problem.symbols_L), 4_000, 20_000))
    marginals_SxA = climb.marginals(doubtful, starts, seed=seed, proposals=proposals)
    key_S = np.asarray(best)
    kind = "character" if cipher.wide else "letter"
    searches = f"{rounds} searches, {agreeing} found this key" if rounds > 1 else "1 search"
    return Solution(
        letters="".join(model.alphabet[letter] for letter in best),
        nats=nats * len(stream) / len(cipher_problem.symbols_L),
        confidence_S=marginals_SxA[np.arange(len(key_S)), key_S],
        agreed=agreeing / rounds,
        decided=f"{kind} {model.order}-grams by annealing ({searches})",
    )


def excerpt(stream_L: np.ndarray, most: int) -> np.ndarray:
    """The first `most` symbols of a long text, and what is around those that occur only later."""
    if len(stream_L) <= most:
        return stream_L
    places = [np.arange(most)]
    for symbol in np.setdiff1d(stream_L, stream_L[:most]):
        for place in np.flatnonzero(stream_L == symbol)[:_OCCURRENCES]:
            last = min(place + _AROUND, len(stream_L))
            places.append(np.arange(max(most, place - _AROUND), last))
    return stream_L[np.unique(np.concatenate(places))]


def searched(
    cipher_problem: problem.Problem, *, seconds: float, restarts: int | None, seed: int
) -> tuple[list[tuple[tuple[int, ...], float]], int, int]:
    """Repeats the search.

    Returns:
      The different keys in which searches ended, each with its nats, the best first; the number of
      searches; how many ended in the best.
    """
    began = time.process_time()
    ends: dict[tuple[int, ...], list[float]] = {}
    rounds, most = 0, restarts or MOST
    while rounds < most:
        solution = climb.search(cipher_problem, seed=seed + rounds, restarts=1)
        ends.setdefault(tuple(int(letter) for letter in solution.key_S), []).append(solution.nats)
        rounds += 1
        best = min(ends.values(), key=lambda nats: nats[0])
        over = rounds >= LEAST and time.process_time() - began > seconds
        if restarts is None and (len(best) >= AGAIN or over):
            break
    order = sorted(ends, key=lambda key: ends[key][0])
    return [(key, ends[key][0]) for key in order], rounds, len(ends[order[0]])
