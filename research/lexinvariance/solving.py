"""The shipped solver behind `freevocab decipher`: letter n-grams, annealing, and the reader.

Searches are repeated until the best key has been found AGAIN times or the time is over; the keys in
which they end start the chains that say how sure each letter is (`solvers.confidence`).
"""

import functools
import time

import numpy as np

from research.lexinvariance import letters
from research.lexinvariance.cipher_text import CipherText
from research.lexinvariance.decipher import Solution, Solve
from research.lexinvariance.solvers import climb, confidence, problem

AGAIN = 3
MOST = 400  # searches, whatever the time
CHAINS = 10  # keys, the best and different ones, that confidence is sampled around
# The n-grams are far surer of a key than they are right. Scores are divided by this for the
# confidence, so that its mean is the share of right letters (on 100 texts of the train split).
DOUBT = 2.5
NEGLIGIBLE = 12.0  # nats, after DOUBT: a key so much worse adds nothing
PROPOSALS = 2_000_000  # of a chain, times letters


def make(*, seconds: float, restarts: int | None = None, seed: int = 0) -> Solve:
    """A function that solves one reading of a text with the shipped models.

    Args:
      seconds: to search; the confidence takes a little more.
      restarts: searches, in place of the time: the result is then a function of the seed.
    """
    return functools.partial(_solve, seconds=seconds, restarts=restarts, seed=seed)


def _solve(cipher: CipherText, *, seconds, restarts, seed) -> Solution:
    model = letters.load(cipher.spaces)
    made = problem.make(cipher.stream(), model)
    keys, rounds, found = searched(made, seconds=seconds, restarts=restarts, seed=seed)
    best, nats = keys[0]
    near = [key for key, others in keys[:CHAINS] if others - nats < NEGLIGIBLE * DOUBT]
    starts = [confidence.slots_of(made, np.asarray(key)) for key in near]
    doubtful = made._replace(tables=made.tables / np.float32(DOUBT))
    proposals = int(np.clip(PROPOSALS / len(made.symbols_L), 4_000, 20_000))
    marginals_SxA = confidence.marginals(doubtful, starts, seed=seed, proposals=proposals)
    key_S = np.asarray(best)
    searches = f"{rounds} searches, {found} found this key" if rounds > 1 else "1 search"
    return Solution(
        key_S=key_S,
        nats=nats,
        confidence_S=marginals_SxA[np.arange(len(key_S)), key_S],
        agreed=found / rounds,
        decided=f"letter {model.order}-grams by annealing ({searches})",
    )


def searched(
    made: problem.Problem, *, seconds: float, restarts: int | None, seed: int
) -> tuple[list[tuple[tuple[int, ...], float]], int, int]:
    """Repeats the search.

    Returns:
      The different keys in which searches ended, each with its nats, the best first; the number of
      searches; how many ended in the best.
    """
    began = time.monotonic()
    ends: dict[tuple[int, ...], list[float]] = {}
    rounds, most = 0, restarts or MOST
    while rounds < most:
        solution = climb.search(made, seed=seed + rounds, restarts=1)
        ends.setdefault(tuple(int(letter) for letter in solution.key_S), []).append(solution.nats)
        rounds += 1
        best = min(ends.values(), key=lambda nats: nats[0])
        if restarts is None and (len(best) >= AGAIN or time.monotonic() - began > seconds):
            break
    order = sorted(ends, key=lambda key: ends[key][0])
    return [(key, ends[key][0]) for key in order], rounds, len(ends[order[0]])
