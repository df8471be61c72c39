"""Averages over draws: their definitions, and Jensen's inequality."""

import itertools

import numpy as np
import pytest

from research.errors import UsageError
from research.lexinvariance import draws


@pytest.fixture(scope="module")
def nats_KxBxL():
    return np.random.default_rng(0).gamma(2.0, size=(4, 3, 5))


def test_averages_are_of_probabilities(nats_KxBxL):
    for count, found in draws.averaged(iter(nats_KxBxL), (1, 3, 4)).items():
        p_KxBxL = np.exp(-nats_KxBxL[:count])
        np.testing.assert_allclose(np.exp(-found.conditionals_BxL), p_KxBxL.mean(axis=0))
        joint_BxL = np.cumprod(p_KxBxL, axis=2).mean(axis=0)
        np.testing.assert_allclose(np.exp(-np.cumsum(found.joint_BxL, axis=1)), joint_BxL)


def test_one_draw_is_itself(nats_KxBxL):
    found = draws.averaged(nats_KxBxL, (1,))[1]
    for values_BxL in found:
        np.testing.assert_allclose(values_BxL, nats_KxBxL[0], atol=1e-12)


def test_no_average_loses_more_than_the_draws_do(nats_KxBxL):
    found = draws.averaged(nats_KxBxL, (4,))[4]
    mean_BxL = nats_KxBxL.mean(axis=0)
    assert (found.conditionals_BxL < mean_BxL).all()
    assert (found.joint_BxL.sum(axis=1) < mean_BxL.sum(axis=1)).all()


def test_both_averages_are_distributions():
    """Over all sequences of three of two symbols, each average's probabilities sum to one."""
    rng = np.random.default_rng(1)
    p_KxLxA = rng.dirichlet(np.ones(2), size=(4, 3))
    every_BxL = np.array(list(itertools.product(range(2), repeat=3)))
    nats = [-np.log(p_LxA[np.arange(3), every_BxL]) for p_LxA in p_KxLxA]
    for values_BxL in draws.averaged(nats, (4,))[4]:
        assert np.exp(-values_BxL.sum(axis=1)).sum() == pytest.approx(1.0)


def test_the_loss_does_not_underflow():
    found = draws.averaged([np.full((1, 2000), 2.0), np.full((1, 2000), 1.0)], (2,))[2]
    assert found.joint_BxL.sum() == pytest.approx(2000 + np.log(2))


def test_wrong_requests(nats_KxBxL):
    with pytest.raises(UsageError, match="4 draws are fewer than 16"):
        draws.averaged(nats_KxBxL, (16,))
    with pytest.raises(UsageError, match="at least 1"):
        draws.averaged(nats_KxBxL, (0, 4))
