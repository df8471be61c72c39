"""Readings against loops that follow their definitions."""

import itertools

import numpy as np
import pytest

from research.lexinvariance.ciphers import key_decoding


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    logs_LxA = rng.normal(size=(60, 6))
    logs_LxA -= np.log(np.exp(logs_LxA).sum(axis=1, keepdims=True))
    cipher_L = rng.choice([3, 9, 4, 20, 7], 60)
    return logs_LxA, cipher_L, np.array([20, 3, 7, 4])  # 9 is not asked for


def test_scores_are_what_loops_give(case):
    logs_LxA, cipher_L, symbols_S = case
    for s, symbol in enumerate(symbols_S):
        rows = [logs_LxA[i] for i in range(60) if cipher_L[i] == symbol]
        np.testing.assert_array_equal(key_decoding.last(*case)[s], rows[-1])
        np.testing.assert_allclose(key_decoding.summed(*case)[s], sum(rows))
        counted = [sum(np.argmax(row) == a for row in rows) for a in range(6)]
        mean = np.mean([np.exp(row) for row in rows], axis=0)
        np.testing.assert_allclose(key_decoding.votes(*case)[s], counted + 0.5 * mean)


def test_a_mean_probability_never_outweighs_a_vote(case):
    votes = key_decoding.votes(*case)
    assert (np.floor(votes).sum(axis=1) == [(case[1] == s).sum() for s in case[2]]).all()


def test_the_assignment_is_the_best_of_all_one_to_one_keys(case):
    scores = key_decoding.summed(*case)
    best = max(itertools.permutations(range(6), 4), key=lambda key: scores[range(4), key].sum())
    np.testing.assert_array_equal(key_decoding.assigned(scores), best)


def test_more_symbols_than_letters_take_their_own_best():
    scores = np.array([[5.0, 1.0], [4.0, 0.0], [0.0, 2.0]])
    np.testing.assert_array_equal(key_decoding.assigned(scores), [0, 0, 1])


def test_a_clear_posterior_is_read_right_by_all_and_a_double_claim_by_assignment_alone():
    cipher_L = np.array([8, 2, 8, 5, 5, 2])
    plain = {8: 0, 2: 3, 5: 1}
    logs_LxA = np.full((6, 4), -5.0)
    for place, symbol in enumerate(cipher_L):
        logs_LxA[place, plain[symbol]] = -0.1
    for reading in key_decoding.READINGS:
        assert key_decoding.key(reading, logs_LxA, cipher_L, [8, 2, 5]).tolist() == [0, 3, 1]
    logs_LxA[cipher_L == 5, 0] = -0.05  # 5 now seems to be 8's plain symbol, a little
    keys = {
        reading: key_decoding.key(reading, logs_LxA, cipher_L, [8, 2, 5]).tolist()
        for reading in key_decoding.READINGS
    }
    assert keys["majority vote"] == [0, 3, 0]
    assert keys["posterior + assignment"] == [0, 3, 1]


def test_an_absent_symbol_has_no_score(case):
    logs_LxA, cipher_L, _ = case
    for score in (key_decoding.last, key_decoding.votes, key_decoding.summed):
        assert (score(logs_LxA, cipher_L, np.array([99])) == 0).all()
        assert score(logs_LxA, cipher_L, np.array([], int)).shape == (0, 6)


def test_an_unknown_reading_is_named(case):
    with pytest.raises(ValueError, match="guess"):
        key_decoding.key("guess", *case)
