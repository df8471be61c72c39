"""The search for homophonic keys: its sums are exact, and it reads what it should."""

import numpy as np
import pytest

from experiments.benchmarks import puzzles
from research import corpora
from research.lexinvariance.ciphers import cipher_text, ciphers, letters
from research.lexinvariance.ciphers.solvers import homophones


@pytest.fixture(scope="module")
def plain():
    """400 letters of a novel."""
    documents = corpora.load("builtin:novels").documents("valid")
    text = ciphers.normalise(max(documents, key=len), spaces=False)
    return text[5_000:5_400]


@pytest.fixture(scope="module")
def cipher(plain):
    text = puzzles.homophonic(plain, np.random.default_rng(0), uniform=False)
    return cipher_text.homophonic_candidates(text, symbols="all")[0]


def test_a_text_of_54_symbols_may_be_homophonic(cipher):
    assert cipher.homophonic and cipher.spaces == "none" and not cipher.wide
    assert 50 <= len(cipher.symbols) <= 54 and cipher.letters == 26
    assert not cipher_text.homophonic_candidates("abc def")


def test_a_score_is_that_of_text_and_choices(cipher):
    symbols_L = cipher.stream()
    made = homophones.make(symbols_L, letters.load("none"))
    counts_S = np.bincount(symbols_L)
    key_S = np.random.default_rng(1).integers(0, 26, len(cipher.symbols))
    constant = sum(homophones.math.lgamma(count + 1) for count in counts_S)
    steps = np.full(200, 30.0)
    rng = np.random.default_rng(2)
    for _ in range(3):
        key_S, score = homophones.anneal(made, key_S, steps, rng)
        expected = homophones.plain_score(made, key_S) - homophones.choice_nats(symbols_L, key_S)
        assert score == pytest.approx(expected - constant, abs=1e-3)


def test_every_choice_of_symbols_has_its_probability():
    """One letter with two symbols, three times: 1/4 for each split of counts, then its orders."""
    nats = homophones.choice_nats(np.array([0, 0, 1]), np.array([4, 4]))
    assert np.exp(-nats) == pytest.approx(1 / 4 / 3)


def test_a_few_runs_read_400_letters_with_54_symbols(cipher, plain):
    made = homophones.make(cipher.stream(), letters.load("none"))
    runs = [homophones.restart(made, seed=seed) for seed in range(12)]
    key_S, _ = max(runs, key=lambda run: run[1])
    found = cipher.plain("".join(ciphers.LETTERS[letter] for letter in key_S))
    assert np.mean([a != b for a, b in zip(found, plain, strict=True)]) < 0.05
