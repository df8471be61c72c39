"""Batches as a function of (seed, step)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.errors import UsageError
from research.testing.tiny import tiny_store
from research.training.data import batches, shuffle
from research.training.parallelism import DataShard

quick = settings(max_examples=60, deadline=None, derandomize=True)


def indexed_store(num_tokens):
    """A store whose ids are their own positions, so a batch shows where it came from."""
    store = tiny_store(num_tokens)
    store.ids[:] = np.arange(num_tokens)
    return store


@quick
@given(
    count=st.integers(min_value=1, max_value=3000),
    seed=st.integers(min_value=0, max_value=2**63),
    stream=st.integers(min_value=0, max_value=10**6),
)
def test_permuted_is_a_permutation(count, seed, stream):
    found = shuffle.permuted(np.arange(count), count, seed=seed, stream=stream)
    assert found.dtype == np.int64 and sorted(found.tolist()) == list(range(count))


def test_permuted_gives_an_index_the_same_place_alone_and_in_company():
    whole = shuffle.permuted(np.arange(1000), 1000, seed=3, stream=1)
    alone = [shuffle.permuted(np.array([i]), 1000, seed=3, stream=1)[0] for i in (0, 17, 999)]
    assert alone == whole[[0, 17, 999]].tolist()


def test_permuted_looks_random():
    # Every index at every place about equally often, over seeds and streams alike.
    count, draws = 10, 4000
    for varied in ("seed", "stream"):
        hits = np.zeros((count, count))
        for i in range(draws):
            keys = {"seed": 0, "stream": 0, varied: i}
            hits[np.arange(count), shuffle.permuted(np.arange(count), count, **keys)] += 1
        # 81 degrees of freedom: chi-square has mean 81 and deviation 12.7.
        chi_square = ((hits - draws / count) ** 2 / (draws / count)).sum()
        assert 81 - 6 * 12.7 < chi_square < 81 + 6 * 12.7
    large = shuffle.permuted(np.arange(100_000), 100_000, seed=0, stream=0)
    assert abs(np.corrcoef(np.arange(100_000), large)[0, 1]) < 0.02
    assert abs(np.corrcoef(large[:-1], large[1:])[0, 1]) < 0.02


@quick
@given(
    num_tokens=st.integers(min_value=40, max_value=400),
    length=st.integers(min_value=1, max_value=20),
    batch_size=st.integers(min_value=1, max_value=2),
    seed=st.integers(min_value=0, max_value=99),
)
def test_each_token_is_a_target_once_an_epoch(num_tokens, length, batch_size, seed):
    store = indexed_store(num_tokens)
    count = batches.num_sequences(store, length)
    epochs = 3
    seen = []
    for step in range(-(-epochs * count // batch_size)):
        batch = batches.sequence_batch(
            store, seed=seed, step=step, batch_size=batch_size, length=length
        )
        for targets, weights in zip(batch["targets_BxL"], batch["weights_BxL"], strict=True):
            seen.append(targets[weights == 1])
    orders = [seen[epoch * count : (epoch + 1) * count] for epoch in range(epochs)]
    for order in orders:
        assert sorted(np.concatenate(order).tolist()) == list(range(num_tokens))


def test_epochs_and_seeds_have_their_own_order():
    store = indexed_store(1000)

    def firsts(seed, steps):
        rows = [
            batches.sequence_batch(store, seed=seed, step=step, batch_size=10, length=10)
            for step in steps
        ]
        return np.concatenate([row["targets_BxL"][:, 0] for row in rows]).tolist()

    orders = [firsts(0, range(10)), firsts(0, range(10, 20)), firsts(1, range(10))]
    assert len({tuple(order) for order in orders}) == 3
    assert len({tuple(sorted(order)) for order in orders}) == 1


@quick
@given(
    step=st.integers(min_value=0, max_value=10**9),
    processes=st.sampled_from([1, 2, 3, 4, 6, 12]),
)
def test_processes_hold_slices_of_one_batch(step, processes):
    store = indexed_store(997)
    options = dict(seed=5, step=step, batch_size=12, length=7)
    whole = batches.sequence_batch(store, **options)
    parts = [
        batches.sequence_batch(store, shard=DataShard(i, processes), **options)
        for i in range(processes)
    ]
    for key, array in whole.items():
        assert np.array_equal(np.concatenate([part[key] for part in parts]), array)
        assert parts[0][key].shape == (12 // processes, 7)


@pytest.mark.parametrize("training", [True, False])
def test_inputs_are_bos_and_the_targets_before(training):
    store = tiny_store(103, vocab_size=12)
    if training:
        found = [
            batches.sequence_batch(store, seed=0, step=step, batch_size=4, length=10)
            for step in range(3)
        ]
    else:
        found = list(batches.evaluation_batches(store, batch_size=4, length=10))
    assert len(found) == 3
    for batch in found:
        assert {key: array.dtype for key, array in batch.items()} == {
            "inputs_BxL": np.int32,
            "targets_BxL": np.int32,
            "weights_BxL": np.float32,
        }
        assert (batch["inputs_BxL"][:, 0] == store.bos_id).all()
        assert np.array_equal(batch["inputs_BxL"][:, 1:], batch["targets_BxL"][:, :-1])
        padding = batch["targets_BxL"][batch["weights_BxL"] == 0]
        assert (padding == store.eos_id).all()
    assert sum(batch["weights_BxL"].sum() for batch in found) >= 103 - 10


@quick
@given(
    num_tokens=st.integers(min_value=1, max_value=300),
    length=st.integers(min_value=1, max_value=20),
    share=st.integers(min_value=1, max_value=5),
    processes=st.integers(min_value=1, max_value=3),
)
def test_evaluation_sees_every_token_once_in_order(num_tokens, length, share, processes):
    store = indexed_store(num_tokens)
    options = dict(batch_size=share * processes, length=length)
    by_process = [
        list(batches.evaluation_batches(store, shard=DataShard(i, processes), **options))
        for i in range(processes)
    ]
    seen = []
    for parts in zip(*by_process, strict=True):  # as many batches in every process
        for part in parts:
            assert part["targets_BxL"].shape == (share, length)
            seen += part["targets_BxL"][part["weights_BxL"] == 1].tolist()
    assert seen == list(range(num_tokens))


def test_a_step_far_on_is_found_without_the_steps_before():
    store = indexed_store(1000)  # 100 sequences of 10: ten batches of ten an epoch
    epoch, step = 10**11, 10**12 + 3
    batch = batches.sequence_batch(store, seed=0, step=step, batch_size=10, length=10)
    expected = shuffle.permuted(np.arange(30, 40), 100, seed=0, stream=epoch)
    assert batch["targets_BxL"][:, 0].tolist() == (10 * expected).tolist()


def test_wrong_requests_are_one_line():
    store = tiny_store(100)
    with pytest.raises(UsageError, match="100 tokens make 4 sequences of 30, fewer than one") as no:
        batches.sequence_batch(store, seed=0, step=0, batch_size=5, length=30)
    assert "\n" not in str(no.value)
    assert batches.sequence_batch(store, seed=0, step=0, batch_size=4, length=30)
    for batch_size, processes in ((5, 2), (0, 1)):
        with pytest.raises(UsageError, match="does not divide"):
            batches.sequence_batch(
                store, seed=0, step=0, batch_size=batch_size, length=5,
                shard=DataShard(0, processes),
            )
        with pytest.raises(UsageError, match="does not divide"):
            options = dict(batch_size=batch_size, length=5, shard=DataShard(0, processes))
            next(batches.evaluation_batches(store, **options))


def test_a_batch_is_the_same_for_ever():
    # The order of training data is part of a published run.
    batch = batches.sequence_batch(indexed_store(1000), seed=7, step=11, batch_size=4, length=10)
    assert (batch["targets_BxL"][:, 0] // 10).tolist() == [36, 28, 96, 62]


def test_what_is_said_twice_is_copied_within_its_sequence():
    store = indexed_store(900)
    plain = batches.sequence_batch(store, seed=1, step=4, batch_size=60, length=11)
    found = batches.said_twice(plain, 0.5, 1, 4)
    changed_B = (found["targets_BxL"] != plain["targets_BxL"]).any(axis=1)
    assert 15 < changed_B.sum() < 45
    np.testing.assert_array_equal(found["targets_BxL"][:, :5], plain["targets_BxL"][:, :5])
    again_BxL = found["targets_BxL"][changed_B]
    np.testing.assert_array_equal(again_BxL[:, 5:10], again_BxL[:, :5])
    np.testing.assert_array_equal(found["inputs_BxL"][:, 1:], found["targets_BxL"][:, :-1])
    np.testing.assert_array_equal(found["inputs_BxL"][:, 0], plain["inputs_BxL"][:, 0])
    for row in np.flatnonzero(~changed_B):
        np.testing.assert_array_equal(found["targets_BxL"][row], plain["targets_BxL"][row])
    assert batches.said_twice(plain, 0.0, 1, 4) is plain
    halves = [
        batches.said_twice({k: v[part] for k, v in plain.items()}, 0.5, 1, 4, DataShard(index, 2))
        for index, part in enumerate((slice(0, 30), slice(30, 60)))
    ]
    for name, value in found.items():
        np.testing.assert_array_equal(np.concatenate([half[name] for half in halves]), value)
