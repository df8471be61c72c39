"""What counts give of ids, anywhere and by their place."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from experiments.compressed_text import m2

V = 8


def test_uniform_ids_cost_a_uniform_token():
    rng = np.random.default_rng(0)
    train_NxL, valid_NxL = rng.integers(0, V, (2, 2_000, 16), dtype=np.int32)
    anywhere, by_place = m2.counted_nats(train_NxL, valid_NxL, V)
    assert anywhere == pytest.approx(math.log(V), abs=1e-3)
    assert by_place == pytest.approx(math.log(V), abs=1e-2)


def test_ids_fixed_by_their_place_cost_nothing_there_and_their_entropy_anywhere():
    ids_NxL = np.tile(np.array([0, 1, 1, 2], np.int32), (500, 1))
    anywhere, by_place = m2.counted_nats(ids_NxL, ids_NxL, V)
    assert anywhere == pytest.approx(1.5 * math.log(2), abs=0.02)
    assert 0 < by_place < 0.01


def test_witten_bells_mixture_by_hand():
    """Two examples of two places: n = 2; place 0 has one kind of id, place 1 two."""
    train_NxL = np.array([[0, 1], [0, 2]], np.int32)
    p = {0: 3 / 7, 1: 2 / 7, 2: 2 / 7}  # counts 2, 1, 1 of V = 3, plus one each
    first = (2 + 1 * p[0]) / 3  # id 0 at place 0
    second = (1 + 2 * p[2]) / 4  # id 2 at place 1
    unseen = (0 + 1 * p[1]) / 3  # id 1 at place 0
    valid_NxL = np.array([[0, 2], [1, 2]], np.int32)
    anywhere, by_place = m2.counted_nats(train_NxL, valid_NxL, 3)
    assert by_place == pytest.approx(-np.log([first, second, unseen, second]).mean())
    assert anywhere == pytest.approx(-np.log([p[0], p[2], p[1], p[2]]).mean())


def test_probabilities_at_a_place_sum_to_one():
    rng = np.random.default_rng(1)
    train_Nx1 = rng.integers(0, V, (5, 1), dtype=np.int32)
    p_V = [
        math.exp(-m2.counted_nats(train_Nx1, np.array([[id_]], np.int32), V)[1]) for id_ in range(V)
    ]
    assert sum(p_V) == pytest.approx(1) and min(p_V) > 0


def test_the_better_of_both_counts_in_bits():
    """Few examples of many places: counts by place know less there than counts anywhere."""
    rng = np.random.default_rng(2)
    ids = rng.choice(V, p=[0.65] + [0.05] * 7, size=(2, 3, 64)).astype(np.int32)
    stores = [SimpleNamespace(ids=each.ravel(), num_documents=3) for each in ids]
    anywhere, by_place = m2.counted_nats(ids[0], ids[1], V)
    assert anywhere < by_place
    assert m2.counted_bits_per_token(*stores, V) == pytest.approx(anywhere / math.log(2))
