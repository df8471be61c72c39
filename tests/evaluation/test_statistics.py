"""Known streams, known answers; intervals that hold what they say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.evaluation import statistics


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 1), min_size=8, max_size=60), st.integers(1, 8))
def test_ngram_ids_read_the_bits_in_order(bits, n):
    text = "".join(map(str, bits))
    overlapping = [int(text[i : i + n], 2) for i in range(len(text) - n + 1)]
    groups = [int(text[i : i + n], 2) for i in range(0, len(text) - n + 1, n)]
    array = np.array(bits, np.uint8)
    assert statistics.ngram_ids(array, n, overlapping=True).tolist() == overlapping
    assert statistics.ngram_ids(array, n, overlapping=False).tolist() == groups


def test_a_constant_stream_is_n_bits_from_uniform():
    zeros = np.zeros(1000, np.uint8)
    for n in (1, 4, 9):
        assert statistics.ngram_divergence(zeros, n, overlapping=True).plug_in == pytest.approx(n)


def test_each_number_once_is_uniform():
    bits = np.unpackbits(np.arange(256, dtype=np.uint8))
    result = statistics.ngram_divergence(bits, 8, overlapping=False)
    assert result.samples == 256
    assert result.plug_in == pytest.approx(0.0, abs=1e-12)


def test_a_biased_coin_has_the_divergence_of_its_bias():
    bits = (np.random.default_rng(0).random(200_000) < 0.25).astype(np.uint8)
    share = bits.mean()
    entropy = -(share * math.log2(share) + (1 - share) * math.log2(1 - share))
    result = statistics.ngram_divergence(bits, 1, overlapping=True)
    assert result.plug_in == pytest.approx(1 - entropy, rel=1e-9)


def test_miller_madow_takes_the_bias_of_random_bits_off():
    bits = np.random.default_rng(1).integers(0, 2, 400_000).astype(np.uint8)
    result = statistics.ngram_divergence(bits, 10, overlapping=False)
    bias = 1023 / (2 * result.samples) / math.log(2)
    # Coin tosses: the plug-in estimate is all bias; without it a tenth of that is left at most.
    assert result.plug_in == pytest.approx(bias, rel=0.15)
    assert abs(result.miller_madow) < 0.15 * bias


def test_too_short_a_stream_is_refused():
    with pytest.raises(ValueError, match="3 bits hold no 4-gram"):
        statistics.ngram_divergence(np.zeros(3, np.uint8), 4, overlapping=True)
    with pytest.raises(ValueError, match="no samples"):
        statistics.entropy_nats(np.zeros(4))


def edit_distance(first, second) -> int:
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        new = [i]
        for j, b in enumerate(second, 1):
            new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (a != b)))
        row = new
    return row[-1]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.integers(0, 3), max_size=7), min_size=2, max_size=5))
def test_edit_distances_of_all_pairs_equal_the_textbook(sequences):
    expected = [
        edit_distance(sequences[i], sequences[j])
        for i in range(len(sequences))
        for j in range(i + 1, len(sequences))
    ]
    np.testing.assert_array_equal(statistics.pairwise_levenshtein(sequences), expected)


def test_known_edit_distances():
    def distance(*pair):
        return statistics.pairwise_levenshtein(pair).tolist()

    assert distance(b"kitten", b"sitting") == [3]
    assert distance([], [1, 2, 3]) == [3]
    assert distance([1, 2, 3], [1, 2, 3]) == [0]
    assert statistics.pairwise_levenshtein([[1]]).shape == (0,)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(300):
        scores = (rng.random((200, 1)) < 0.3).astype(float)
        means = statistics.resampled_means(scores, resamples=400, seed=trial)[:, 0]
        low, high = statistics.resampled_interval(means)
        held += low <= 0.3 <= high
    assert 0.88 < held / 300 < 0.99


def test_columns_are_resampled_together():
    scores = np.random.default_rng(0).random((50, 1)) * np.array([[1.0, 2.0]])
    means_RxM = statistics.resampled_means(scores)
    assert means_RxM.shape == (2000, 2)
    assert means_RxM[:, 1] == pytest.approx(2 * means_RxM[:, 0])
    assert means_RxM.mean(axis=0) == pytest.approx(scores.mean(axis=0), rel=0.02)
    assert statistics.resampled_interval(np.array([1.0, np.inf, np.inf])) == (1.0, np.inf)


def test_the_interval_of_a_share_is_wilsons():
    # 8 of 10: the values that are found in tables.
    low, high = statistics.share_interval(np.arange(10) < 8)
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    low, high = statistics.share_interval(np.ones(20))
    assert low < 1.0 and high == pytest.approx(1.0)
