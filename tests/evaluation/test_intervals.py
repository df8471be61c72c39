import numpy as np
import pytest

from research.evaluation import intervals


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(300):
        scores = (rng.random((200, 1)) < 0.3).astype(float)
        means = intervals.resampled_means(scores, resamples=400, seed=trial)[:, 0]
        low, high = intervals.of_resampled(means)
        held += low <= 0.3 <= high
    assert 0.88 < held / 300 < 0.99


def test_columns_are_resampled_together():
    scores = np.random.default_rng(0).random((50, 1)) * np.array([[1.0, 2.0]])
    means_RxM = intervals.resampled_means(scores)
    assert means_RxM.shape == (2000, 2)
    assert means_RxM[:, 1] == pytest.approx(2 * means_RxM[:, 0])
    assert means_RxM.mean(axis=0) == pytest.approx(scores.mean(axis=0), rel=0.02)
    assert intervals.of_resampled(np.array([1.0, np.inf, np.inf])) == (1.0, np.inf)


def test_the_interval_of_a_share_is_wilsons():
    # 8 of 10: the values that are found in tables.
    low, high = intervals.of_share(np.arange(10) < 8)
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    low, high = intervals.of_share(np.ones(20))
    assert low < 1.0 and high == pytest.approx(1.0)
