"""The shipped solver behind `freevocab decipher`: letter n-grams and annealing.

Searches are repeated until the best key has been found AGAIN times or the time is over; the keys in
which they end start the chains that say how sure each letter is (`solvers.confidence`).
"""

import functools
import time

import numpy as np

from research.lexinvariance.ciphers import letters
from research.lexinvariance.ciphers.cipher_text import CipherText
from research.lexinvariance.ciphers.decipher import Solution, Solve
from research.lexinvariance.ciphers.solvers import climb, confidence, problem

AGAIN = 3
ENOUGH = 2_000  # symbols of a long text that are searched; more would settle nothing
_OCCURRENCES, _AROUND = 8, 15  # of symbols that occur later: how many, and symbols on each side
LEAST = 12  # searches, however slow
MOST = 400  # searches, whatever the time
CHAINS = 10  # keys, the best and different ones, that confidence is sampled around
# The n-grams are surer of a key than they are right, so scores are divided by this for the
# confidence. On texts of 24 to 100 letters it then says .956 where .970 are right (96 texts of the
# train split) and .960 where .982 are (96 held out).
DOUBT = 2.0
NEGLIGIBLE = 12.0  # nats, after DOUBT: a key so much worse adds nothing
PROPOSALS = 2_000_000  # of a chain, times letters


def make(*, seconds: float, restarts: int | None = None, seed: int = 0) -> Solve:
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
    made = problem.make(excerpt(stream, ENOUGH), model)
    keys, rounds, found = searched(made, seconds=share * seconds, restarts=restarts, seed=seed)
    best, nats = keys[0]
    near = [key for key, others in keys[:CHAINS] if others - nats < NEGLIGIBLE * DOUBT]
    starts = [confidence.slots_of(made, np.asarray(key)) for key in near]
    doubtful = made._replace(tables=made.tables / np.float32(DOUBT))
    proposals = int(np.clip(PROPOSALS / len(made.symbols_L), 4_000, 20_000))
    marginals_SxA = confidence.marginals(doubtful, starts, seed=seed, proposals=proposals)
    key_S = np.asarray(best)
    kind = "character" if cipher.wide else "letter"
    searches = f"{rounds} searches, {found} found this key" if rounds > 1 else "1 search"
    return Solution(
        letters="".join(model.alphabet[letter] for letter in best),
        nats=nats * len(stream) / len(made.symbols_L),
        confidence_S=marginals_SxA[np.arange(len(key_S)), key_S],
        agreed=found / rounds,
        decided=f"{kind} {model.order}-grams by annealing ({searches})",
    )


def excerpt(stream_L: np.ndarray, most: int) -> np.ndarray:
    """The first `most` symbols of a long text, and surroundings of those that occur only later."""
    if len(stream_L) <= most:
        return stream_L
    places = [np.arange(most)]
    for symbol in np.setdiff1d(stream_L, stream_L[:most]):
        for place in np.flatnonzero(stream_L == symbol)[:_OCCURRENCES]:
            last = min(place + _AROUND, len(stream_L))
            places.append(np.arange(max(most, place - _AROUND), last))
    return stream_L[np.unique(np.concatenate(places))]


def searched(
    made: problem.Problem, *, seconds: float, restarts: int | None, seed: int
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
        solution = climb.search(made, seed=seed + rounds, restarts=1)
        ends.setdefault(tuple(int(letter) for letter in solution.key_S), []).append(solution.nats)
        rounds += 1
        best = min(ends.values(), key=lambda nats: nats[0])
        over = rounds >= LEAST and time.process_time() - began > seconds
        if restarts is None and (len(best) >= AGAIN or over):
            break
    order = sorted(ends, key=lambda key: ends[key][0])
    return [(key, ends[key][0]) for key in order], rounds, len(ends[order[0]])
