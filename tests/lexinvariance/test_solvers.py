"""Solvers find what exhaustive search finds; their sums and samples are exact."""

import itertools
from typing import NamedTuple

import numpy as np
import pytest
import scipy.stats

from research.errors import UsageError
from research.lexinvariance.ciphers.solvers import climb, problem, reference


class Model(NamedTuple):
    alphabet: str
    order: int
    log_p: np.ndarray
    lower: tuple[np.ndarray, ...]


def model(alphabet="abcdef", order=3, seed=0):
    """Random conditionals, peaked enough to tell keys apart."""
    rng, size = np.random.default_rng(seed), len(alphabet)
    tables = [
        np.log(rng.dirichlet([0.4] * size, size ** (n - 1)) + 1e-4).astype(np.float32)
        for n in range(1, order + 1)
    ]
    tables = [table.reshape((size,) * n) for n, table in enumerate(tables, 1)]
    return Model(alphabet, order, tables[-1], tuple(tables[:-1]))


def drawn(letters, length, seed):
    """A text of the model, int64."""
    rng, text = np.random.default_rng(seed), []
    every = [*letters.lower, letters.log_p]
    for _ in range(length):
        n = min(letters.order, len(text) + 1)
        p = np.exp(every[n - 1][tuple(text[len(text) - n + 1 :])].astype(np.float64))
        text.append(int(rng.choice(len(p), p=p / p.sum())))
    return np.asarray(text)


def slow_score(letters, text):
    every, total = [*letters.lower, letters.log_p], 0.0
    for t in range(len(text)):
        n = min(letters.order, t + 1)
        total += float(every[n - 1][tuple(text[t - n + 1 : t + 1])])
    return total


def cipher(letters, length, seed, clear=False):
    """(symbols, plain): letters renamed; with `clear`, the letter of the space is left as it is."""
    plain = drawn(letters, length, seed)
    space = letters.alphabet.find(" ") if clear else -2
    names: dict[int, int] = {}
    symbols = [-1 if a == space else names.setdefault(int(a), len(names)) for a in plain]
    return np.asarray(symbols), plain


def exhaustive(letters, symbols):
    """Every key's score, best first."""
    count = int(symbols.max()) + 1
    space = letters.alphabet.find(" ")
    usable = [a for a in range(len(letters.alphabet)) if not ((symbols < 0).any() and a == space)]
    scored = []
    for key in itertools.permutations(usable, count):
        scored.append((slow_score(letters, np.asarray([*key, space])[symbols]), key))
    return sorted(scored, reverse=True)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("alphabet", ["abcdef", "abcd "])
def test_the_best_key_is_found(alphabet, seed):
    letters = model(alphabet, seed=seed)
    symbols, _ = cipher(letters, 30, seed, clear=" " in alphabet)
    best, key = exhaustive(letters, symbols)[0]
    climbed = climb.solve(symbols, letters, seed=0, restarts=3)
    assert climbed.nats == pytest.approx(-best, abs=1e-3) and tuple(climbed.key_S) == key
    beamed = reference.beam_search(symbols, letters, width=10_000)
    assert beamed.nats == pytest.approx(-best, abs=1e-3)
    assert reference.metropolis(symbols, letters, seed=0, order=3).nats == pytest.approx(
        -best, abs=1e-3
    )


@pytest.mark.parametrize("seed", range(3))
def test_what_a_search_adds_up_is_the_whole_score(seed):
    """Changes of thousands of swaps, accepted and refused, leave the sum of the final text."""
    letters = model(" abcdefghij", order=4, seed=seed)
    symbols, _ = cipher(letters, 80, seed, clear=True)
    prior = np.random.default_rng(seed).normal(size=(symbols.max() + 1, 11))
    made = problem.make(symbols, letters, prior_SxA=0.5 * prior)
    rng = np.random.default_rng(seed)
    slots = problem.frequency_slots(made)
    before = slots.copy()
    ended, score = climb.anneal(made, slots, np.full(3000, 2.0), rng)
    np.testing.assert_array_equal(slots, before)
    assert sorted(ended) == sorted(made.letters_P) and score == pytest.approx(made.score(ended))
    assert slow_score(letters, made.plain(ended)) == pytest.approx(
        -made.solution(ended).nats, abs=1e-3
    )
    assert made.score(ended) != pytest.approx(-made.solution(ended).nats)  # the prior counts


@pytest.mark.parametrize("order", [1, 2, 4])
def test_a_problem_of_shorter_ngrams_is_the_one_made_for_them(order):
    letters = model(" abcdefghij", order=4)
    symbols, _ = cipher(letters, 60, 0, clear=True)
    shorter = problem.make(symbols, letters).shorter(order)
    made = problem.make(symbols, letters, order=order)
    slots = problem.frequency_slots(made)
    assert (shorter.order, shorter.score(slots)) == (order, pytest.approx(made.score(slots)))
    np.testing.assert_array_equal(shorter.first_S1, made.first_S1)
    np.testing.assert_array_equal(shorter.ends, made.ends)


def test_a_longer_text_freezes_at_higher_temperatures():
    letters = model("abcdefgh")
    found = [problem.make(np.arange(length) % 8, letters) for length in (16, 32, 64)]
    hot, cool = zip(*map(climb.schedules, found), strict=True)
    np.testing.assert_allclose([hot[1][0], hot[2][0]], [2 * hot[0][0], 4 * hot[0][0]])
    for first, last in zip(hot, cool, strict=True):
        assert (np.diff(first) <= 0).all() and (np.diff(last) <= 0).all() and last[-1] == 0


def test_sampling_has_the_posterior_over_keys():
    """Marginals of a long chain against all 120 keys: a state counts as long as it lasts."""
    letters = model("abcde", order=2, seed=3)
    symbols, _ = cipher(letters, 9, 3)
    scored = exhaustive(letters, symbols)
    weights = np.exp([score for score, _ in scored] - np.asarray(scored[0][0]))
    want = np.zeros((symbols.max() + 1, 5))
    for weight, (_, key) in zip(weights / weights.sum(), scored, strict=True):
        want[np.arange(len(key)), list(key)] += weight
    made = problem.make(symbols, letters)
    start = problem.frequency_slots(made)
    got = climb.marginals(made, [start], seed=0, proposals=400_000)
    np.testing.assert_allclose(got.sum(axis=1), 1)
    np.testing.assert_allclose(got, want, atol=0.02)
    assert np.abs(want - 0.2).max() > 0.2  # there is something to get wrong


def test_confidence_is_calibrated():
    """Over 60 texts of the model itself, keys are right as often as they are said to be."""
    letters = model("abcdefgh", order=2, seed=5)
    said, right = [], []
    for seed in range(60):
        symbols, plain = cipher(letters, 14, 100 + seed)
        found = climb.solve(symbols, letters, seed=seed, restarts=3)
        sure = climb.confidence(symbols, letters, found, seed=seed, chains=3)
        key = climb.safest(sure, np.bincount(symbols))
        truth = np.asarray([plain[np.flatnonzero(symbols == s)[0]] for s in range(len(key))])
        said += sure[np.arange(len(key)), key].tolist()
        right += (key == truth).tolist()
    share, spread = np.mean(right), 3 * np.sqrt(np.mean(said) * (1 - np.mean(said)) / 60)
    assert abs(np.mean(said) - share) < spread
    assert scipy.stats.spearmanr(said, right, alternative="greater").pvalue < 1e-3
    assert 0.1 < share < 0.95


def test_a_given_posterior_decides_what_the_text_leaves_open():
    letters = model("abcdef", seed=1)
    symbols = np.asarray([0])  # one letter: any key is possible
    logs = np.full((1, 6), -500.0)
    logs[0, 4] = 0.0
    assert climb.solve(symbols, letters, seed=0, start_SxA=logs).key_S == [4]


def test_a_seed_decides_everything():
    letters = model("abcdefgh", seed=2)
    symbols, _ = cipher(letters, 40, 2)
    first, second = (climb.solve(symbols, letters, seed=7) for _ in range(2))
    np.testing.assert_array_equal(first.key_S, second.key_S)
    assert first.nats == second.nats


def test_the_beam_decides_symbols_that_complete_most_first():
    letters = model("abcdef", order=2, seed=1)
    symbols = np.asarray([0, 0, 1, 0, 0, 2])
    order = reference.extension_order(problem.make(symbols, letters))
    assert [symbol for symbol, _ in order] == [0, 1, 2]
    assert [done.tolist() for _, done in order] == [[0, 1, 4], [2, 3], [5]]


def test_frequency_ranks():
    letters = model("abc", order=1)
    unigram = np.log(np.asarray([0.2, 0.5, 0.3], np.float32))
    letters = letters._replace(log_p=unigram)
    assert reference.frequency(np.asarray([1, 1, 1, 0, 0, 2]), letters).key_S.tolist() == [2, 1, 0]


def test_texts_that_do_not_fit_are_refused():
    letters = model("abc")
    with pytest.raises(UsageError, match="4 cipher symbols, the letter model 3 letters"):
        climb.solve(np.asarray([0, 1, 2, 3]), letters, seed=0)
    with pytest.raises(UsageError, match="clear spaces"):
        climb.solve(np.asarray([0, -1, 2]), letters, seed=0)
    with pytest.raises(UsageError, match=r"order must lie in 1\.\.3"):
        climb.solve(np.asarray([0, 1]), letters, seed=0, order=4)
    empty = climb.solve(np.asarray([], np.int64), letters, seed=0)
    assert empty.key_S.size == 0 and empty.nats == 0
