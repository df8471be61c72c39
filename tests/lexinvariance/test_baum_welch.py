"""Baum-Welch: the likelihood by brute force, EM's guarantee, causality, and no regard for ids."""

import itertools

import numpy as np
import pytest

from research.errors import UsageError
from research.lexinvariance import baum_welch
from research.lexinvariance.tasks import automata

ALPHABET, STATES = 3, 2
QUICK = baum_welch.Settings(states=3, iterations=3, starts=2)


def edges(seed=0):
    return baum_welch.random_edges(np.random.default_rng(seed), ALPHABET, STATES)


def by_brute_force(edges_AxNxN, symbols):
    """Sum over every path from state 0."""
    total = 0.0
    for path in itertools.product(range(STATES), repeat=len(symbols)):
        p, state = 1.0, 0
        for symbol, after in zip(symbols, path, strict=True):
            p, state = p * edges_AxNxN[symbol, state, after], after
        total += p
    return total


def log_likelihood(edges_AxNxN, symbols_T):
    """ln p of one string going on (its end has no probability of its own)."""
    _, found_TxA = baum_welch.predictions(edges_AxNxN, symbols_T)
    picked_T = np.take_along_axis(found_TxA, np.asarray(symbols_T)[:, None], axis=1)
    return float(np.log(picked_T).sum())


def test_random_edges_are_distributions():
    np.testing.assert_allclose(edges().sum(axis=(0, 2)), 1.0)


@pytest.mark.parametrize("symbols", [[], [2], [0, 1, 2, 2, 1, 0, 0]])
def test_the_likelihood_is_the_sum_over_paths(symbols):
    expected = np.log(by_brute_force(edges(), symbols))
    found = log_likelihood(edges(), np.array(symbols, np.int64))
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_predictions_are_ratios_of_likelihoods():
    symbols = np.array([1, 0, 2, 1])
    _, found_TxA = baum_welch.predictions(edges(), symbols)
    for place in range(4):
        past = symbols[:place].tolist()
        for symbol in range(ALPHABET):
            ratio = by_brute_force(edges(), [*past, symbol]) / by_brute_force(edges(), past)
            assert found_TxA[place, symbol] == pytest.approx(ratio, rel=1e-12)


def strings(seed, count=4, length=6):
    return np.random.default_rng(seed).integers(0, ALPHABET, (count, length))


@pytest.mark.parametrize("pseudo_count", [0.0, 0.1])
@pytest.mark.parametrize("seed", range(5))
def test_no_iteration_lowers_what_is_maximised(pseudo_count, seed):
    symbols_NxL = strings(seed)
    ends = np.arange(1, 5) * 6
    found = baum_welch.fit(
        edges(seed), symbols_NxL.ravel(), ends, iterations=25, pseudo_count=pseudo_count
    )
    assert (np.diff(found.objective_N) > -1e-9).all()
    assert found.objective_N[-1] > found.objective_N[0] + 0.1
    np.testing.assert_allclose(found.edges_AxNxN.sum(axis=(0, 2)), 1.0)
    if pseudo_count == 0.0:
        first = sum(log_likelihood(edges(seed), row) for row in symbols_NxL)
        last = sum(log_likelihood(found.edges_AxNxN, row) for row in symbols_NxL)
        assert found.objective_N[0] == pytest.approx(first) and last >= found.objective_N[-1]


def test_an_alternation_is_learned():
    ends = np.array([8, 16])
    symbols = np.tile([0, 1], 8)
    found = max(
        (
            baum_welch.fit(edges(seed), symbols, ends, iterations=60, pseudo_count=0.0)
            for seed in range(4)
        ),
        key=lambda fit: fit.objective_N[-1],
    )
    _, predicted_TxA = baum_welch.predictions(found.edges_AxNxN, np.array([0, 1, 0, 1]))
    np.testing.assert_allclose(predicted_TxA[:, :2], np.tile(np.eye(2), (2, 1)), atol=1e-3)


def problem():
    settings = automata.Settings(
        alphabet=6, symbols=(4, 5), states=(2, 3), strings=(6, 6), lengths=(0, 12)
    )
    found = automata.problems(settings, 0, automata.TRAINING, np.arange(3), 48)
    return found.ids_BxL[2][found.inside_BxL[2]]


def in_context(ids_L):
    return baum_welch.in_context(ids_L, 6, 6, QUICK)


def test_predictions_in_context_are_causal_and_sum_to_one():
    ids_L = problem()
    whole = in_context(ids_L)
    np.testing.assert_allclose(whole.sum(axis=1), 1.0)
    assert np.ptp(whole, axis=1).max() > 0.1
    for cut in (5, 20, len(ids_L) - 1):
        changed = ids_L.copy()
        changed[cut:] = (changed[cut:] + 2) % 7
        np.testing.assert_allclose(in_context(changed)[: cut + 1], whole[: cut + 1], rtol=1e-9)


def test_nothing_depends_on_which_id_is_which():
    renaming = np.array([3, 0, 5, 1, 2, 4, 6])
    ids_L = problem()
    np.testing.assert_array_equal(in_context(renaming[ids_L])[:, renaming[:6]], in_context(ids_L))


def test_within_the_first_string_nothing_is_known():
    """Before the first separator nothing has been fitted."""
    ids_L = problem()
    first = int(np.argmax(ids_L == 6))
    np.testing.assert_allclose(in_context(ids_L)[: first + 1], 1 / 6)


def test_a_fit_needs_a_start_and_an_iteration():
    for changes in ({"starts": 0}, {"iterations": 0}):
        with pytest.raises(UsageError, match="at least one"):
            baum_welch.in_context(problem(), 6, 6, QUICK._replace(**changes))
