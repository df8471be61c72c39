"""The solver of `freevocab decipher`: shipped letter n-grams, and a search for each kind of key.

Keys that keep the alphabet's order are tried first (`affine.py`): they are few, so that a short
text settles them. Then searches are repeated until the best key has been found AGAIN times or the
time is over. The keys in which searches of a one-to-one key end start the chains that say how sure
each letter is (`climb.marginals`). Homophonic keys have a search of their own.
"""

import functools
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from research.lexinvariance.ciphers import letters
from research.lexinvariance.ciphers.cipher_text import CipherText
from research.lexinvariance.ciphers.solvers import affine, climb, cribs, homophones, problem

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
HOMOPHONIC_TIME = 15  # times the seconds of a one-to-one key
CRIB_PLACES = 5  # the best places of a crib, which are searched in full
_CERTAIN = 20.0  # nats of margin at which an affine key needs no comparison
_POSSIBLE = 2.0  # and below which it is none


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
    key_nats: float | None = None
    """What it takes to say the key, if it is one of a few; None: any key of the reading's kind."""
    choice_nats: float = 0.0
    """Of a homophonic key: what it takes to say which of a letter's symbols stands where."""


Solve = Callable[[CipherText, float], Solution]  # the reading, and its share of the time


def key_nats(cipher: CipherText) -> float:
    """What it takes to say a key of the reading's kind: ln(A! / (A - S)!), or S ln A."""
    plain, symbols = cipher.letters, len(cipher.symbols)
    if cipher.homophonic:
        return symbols * math.log(plain)
    return math.lgamma(plain + 1) - math.lgamma(plain - symbols + 1)


def make(*, seconds: float, restarts: int | None = None, seed: int = 0) -> Solve:
    """A function that solves one reading of a text with the shipped models.

    Args:
      seconds: of processor time to search, all readings in one language together; the confidence
        takes a little more, and a homophonic key HOMOPHONIC_TIME times as much.
      restarts: searches, in place of the time: the result is then a function of the seed.
    """
    return functools.partial(_solve, seconds=seconds, restarts=restarts, seed=seed)


def _solve(cipher: CipherText, share: float, *, seconds, restarts, seed) -> Solution:
    model = letters.load("ascii" if cipher.wide else cipher.spaces, cipher.language)
    fits = cribs.fits(cipher) if cipher.crib else []
    if cipher.homophonic:
        seconds = HOMOPHONIC_TIME * share * seconds
        return _homophonic(cipher, model, fits, seconds=seconds, restarts=restarts, seed=seed)
    stream = cipher.stream()
    cipher_problem = problem.make(excerpt(stream, ENOUGH), model)
    scale = len(stream) / len(cipher_problem.symbols_L)
    affine_key = None if fits else _affine(cipher, cipher_problem)
    by_affine = affine_key and Solution(
        letters="".join(model.alphabet[letter] for letter in affine_key.key_S),
        nats=affine_key.nats * scale,
        confidence_S=np.full(len(cipher.symbols), affine_key.confidence(_size(cipher_problem))),
        agreed=1.0,
        decided=f"{affine_key.name} (one of 312 keys tried)",
        key_nats=affine_key.key_nats,
    )
    if affine_key and by_affine and affine_key.margin(_size(cipher_problem)) > _CERTAIN:
        return by_affine
    priors = _crib_priors(cipher_problem, fits, homophonic=False, seed=seed)
    keys, rounds, agreeing = searched(
        [cipher_problem._replace(prior_PxA=prior_PxA) for prior_PxA in priors],
        seconds=share * seconds, restarts=restarts, seed=seed,
    )  # fmt: skip
    best, nats = keys[0]
    searched_nats = nats * scale + key_nats(cipher)
    if affine_key and by_affine and by_affine.nats + affine_key.key_nats < searched_nats:
        return by_affine
    near = [key for key, others in keys[:CHAINS] if others - nats < NEGLIGIBLE * DOUBT]
    starts = [climb.slots_of(cipher_problem, np.asarray(key)) for key in near]
    doubtful = cipher_problem._replace(
        tables=cipher_problem.tables / np.float32(DOUBT), prior_PxA=np.max(priors, axis=0)
    )
    proposals = int(np.clip(PROPOSALS / len(cipher_problem.symbols_L), 4_000, 20_000))
    marginals_SxA = climb.marginals(doubtful, starts, seed=seed, proposals=proposals)
    key_S = np.asarray(best)
    kind = "character" if cipher.wide else "letter"
    searches = f"{rounds} searches, {agreeing} found this key" if rounds > 1 else "1 search"
    return Solution(
        letters="".join(model.alphabet[letter] for letter in best),
        nats=nats * scale,
        confidence_S=marginals_SxA[np.arange(len(key_S)), key_S],
        agreed=agreeing / rounds,
        decided=f"{kind} {model.order}-grams by annealing ({searches})",
    )


def _affine(cipher, cipher_problem):
    """The best key that keeps the alphabet's order, if it says more than uniform letters."""
    places_S = affine.places(cipher)
    if places_S is None:
        return None
    best = affine.best(places_S, cipher_problem, numbers=cipher.reading == "numbers")
    return best if best.margin(_size(cipher_problem)) > _POSSIBLE else None


def _size(cipher_problem):
    """How many enciphered symbols a problem has."""
    return int((cipher_problem.symbols_L < len(cipher_problem.first_S1) - 1).sum())


def _homophonic(cipher, model, fits, *, seconds, restarts, seed):
    symbols_L = excerpt(cipher.stream(), ENOUGH)
    whole = homophones.make(symbols_L, model)
    priors = _crib_priors(whole, fits, homophonic=True, seed=seed)
    began, ends, most = time.process_time(), [], restarts or MOST
    while len(ends) < most:
        tried = whole._replace(prior_PxA=priors[len(ends) % len(priors)])
        ends.append(homophones.restart(tried, seed=seed + len(ends)))
        best_S, score = max(ends, key=lambda end: end[1])
        # Keys that read the same but for a rare symbol or two count as one.
        agreeing = sum(float(np.mean((key_S == best_S)[_ids(symbols_L)])) > 0.95
                       for key_S, _ in ends)  # fmt: skip
        if restarts is None and (
            agreeing >= AGAIN - 1 or (time.process_time() - began > seconds and len(ends) >= LEAST)
        ):
            break
    doubtful = whole._replace(
        tables=whole.tables / np.float32(DOUBT), prior_PxA=np.max(priors, axis=0)
    )
    counts_SxA = np.zeros((len(best_S), whole.base))
    steps = int(np.clip(8 * PROPOSALS / len(symbols_L), 4_000, 60_000))
    homophones.anneal(doubtful, best_S, np.ones(steps), np.random.default_rng(seed), counts_SxA)
    shares_SxA = counts_SxA / np.maximum(counts_SxA.sum(axis=1, keepdims=True), 1)
    choice_nats = homophones.choice_nats(symbols_L, best_S)
    scale = len(cipher.stream()) / len(symbols_L)
    nats = -homophones.plain_score(whole, best_S)
    return Solution(
        letters="".join(model.alphabet[letter] for letter in best_S),
        nats=nats * scale,
        confidence_S=shares_SxA[np.arange(len(best_S)), best_S],
        agreed=agreeing / len(ends),
        decided=f"letter {model.order}-grams and a homophonic key by annealing"
        f" ({len(ends)} searches, {agreeing} found this key)",
        choice_nats=choice_nats * scale,
    )


def _ids(symbols_L):
    return symbols_L[symbols_L >= 0]


def _crib_priors(cipher_problem, fits, *, homophonic, seed):
    """What the likeliest places of a crib add to scores, each float64 [P, A]; zeros without one."""
    shape = cipher_problem.prior_PxA.shape
    if not fits:
        return [np.zeros(shape)]
    priors = [cribs.prior(fixed, shape, homophonic=homophonic) for fixed in fits]
    if len(priors) <= CRIB_PLACES:
        return priors
    scores = []
    for prior_PxA in priors:
        tried, rng = cipher_problem._replace(prior_PxA=prior_PxA), np.random.default_rng(seed)
        if homophonic:
            scores.append(homophones.rough(tried, rng)[1])
        else:
            scores.append(climb.rough(tried, rng)[1])
    order = np.argsort(-np.asarray(scores), kind="stable")
    return [priors[place] for place in order[:CRIB_PLACES]]


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
    problems: list[problem.Problem], *, seconds: float, restarts: int | None, seed: int
) -> tuple[list[tuple[tuple[int, ...], float]], int, int]:
    """Repeats the search, on one problem after the other (the same text with other priors).

    Returns:
      The different keys in which searches ended, each with its nats, the best first; the number of
      searches; how many ended in the best.
    """
    began = time.process_time()
    ends: dict[tuple[int, ...], list[float]] = {}
    rounds, most = 0, restarts or MOST
    while rounds < most:
        tried = problems[rounds % len(problems)]
        solution = climb.search(tried, seed=seed + rounds, restarts=1)
        ends.setdefault(tuple(int(letter) for letter in solution.key_S), []).append(solution.nats)
        rounds += 1
        best = min(ends.values(), key=lambda nats: nats[0])
        over = rounds >= LEAST and time.process_time() - began > seconds
        if restarts is None and (len(best) >= AGAIN or over):
            break
    order = sorted(ends, key=lambda key: ends[key][0])
    return [(key, ends[key][0]) for key in order], rounds, len(ends[order[0]])
