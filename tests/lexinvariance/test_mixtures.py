"""The theorem: p' by brute force, its bounds on every sequence and in the mean, its symmetry."""

import functools
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.errors import UsageError
from research.lexinvariance import baselines
from research.lexinvariance.tasks import mixtures

ALPHABET = 4
sequences = st.lists(st.integers(0, ALPHABET - 1), min_size=1, max_size=20).map(
    lambda ids: np.array([ids])
)
seeds = st.integers(0, 2**31)


def chain(seed, alphabet=ALPHABET, concentration=0.5):
    return mixtures.random_chain(seed, alphabet, concentration)


def of(source, ids_BxL):
    """p and p' of a chain on some sequences, [B, L, A] each."""
    conditionals = functools.partial(mixtures.conditionals, source)
    alphabet = len(source.initial_A)
    return conditionals(ids_BxL), mixtures.mixture(conditionals, ids_BxL, alphabet)


def probability(source, ids):
    p = source.initial_A[ids[0]]
    for a, b in itertools.pairwise(ids):
        p *= source.transitions_AxA[a, b]
    return p


@given(seeds, sequences)
@settings(max_examples=25, deadline=None)
def test_the_mixture_is_the_mean_over_renamings(seed, ids_BxL):
    source = chain(seed)
    _, mixed_BxLxA = of(source, ids_BxL)
    renamings = [np.array(f) for f in itertools.permutations(range(ALPHABET))]
    mean = np.mean([probability(source, f[ids_BxL[0]]) for f in renamings])
    assert mixtures.nats(mixed_BxLxA, ids_BxL).sum() == pytest.approx(-math.log(mean), rel=1e-9)
    np.testing.assert_allclose(mixed_BxLxA.sum(axis=2), 1.0, rtol=1e-12)


@given(seeds, sequences)
@settings(max_examples=25, deadline=None)
def test_the_excess_on_every_sequence_is_at_most_the_key(seed, ids_BxL):
    """Sequences are arbitrary here, not drawn from the source; every prefix counts."""
    p_BxLxA, mixed_BxLxA = of(chain(seed), ids_BxL)
    excess_L = mixtures.nats(mixed_BxLxA, ids_BxL) - mixtures.nats(p_BxLxA, ids_BxL)
    for length, bits in enumerate(np.cumsum(excess_L[0]) / math.log(2), 1):
        assert bits <= baselines.key_bits(ALPHABET, len(set(ids_BxL[0, :length]))) + 1e-9


def test_the_bound_on_the_excess_is_tight():
    """A source that leaves no doubt pays the whole key: a cycle that nearly never errs."""
    source = mixtures.Chain(
        np.array([1 - 3e-9, 1e-9, 1e-9, 1e-9]),
        np.full((4, 4), 1e-9) + (1 - 4e-9) * np.roll(np.eye(4), 1, axis=1),
    )
    ids_BxL = np.arange(12)[None] % 4
    p_BxLxA, mixed_BxLxA = of(source, ids_BxL)
    excess = (mixtures.nats(mixed_BxLxA, ids_BxL) - mixtures.nats(p_BxLxA, ids_BxL)).sum()
    assert excess / math.log(2) == pytest.approx(baselines.key_bits(4, 4), abs=1e-6)


@given(seeds, sequences, st.permutations(range(ALPHABET)))
@settings(max_examples=25, deadline=None)
def test_renaming_symbols_changes_no_bit(seed, ids_BxL, renaming):
    renaming_A = np.array(renaming)
    _, before = of(chain(seed), ids_BxL)
    _, after = of(chain(seed), renaming_A[ids_BxL])
    np.testing.assert_array_equal(before, after[:, :, renaming_A])


def test_the_source_itself_is_not_lexinvariant():
    """The power of the test above: p fails it."""
    ids_BxL, renaming_A = np.array([[0, 1, 0, 2]]), np.array([1, 0, 2, 3])
    before, _ = of(chain(0), ids_BxL)
    after, _ = of(chain(0), renaming_A[ids_BxL])
    assert np.abs(before - after[:, :, renaming_A]).max() > 0.1


@pytest.mark.parametrize("alphabet", [2, 4, 5])
def test_the_mean_gap_falls_and_keeps_its_bound(alphabet):
    source = chain(7, alphabet)
    ids_BxL = mixtures.sample(source, np.random.default_rng(1), 32, 256)
    gaps_BxL = mixtures.gaps(*of(source, ids_BxL))
    lengths = (4, 16, 64, 256)
    means = [gaps_BxL[:, :length].mean() for length in lengths]
    assert (np.diff(means) < 0).all()
    for length, mean in zip(lengths, means, strict=True):
        assert mean <= mixtures.gap_bound(alphabet, length)


def test_impossible_renamings_weigh_nothing():
    cycle_AxA = np.array([[0, 1.0, 0], [0, 0, 1.0], [1.0, 0, 0]])
    source = mixtures.Chain(np.array([0.5, 0.5, 0.0]), cycle_AxA)
    ids_BxL = np.array([[2, 0, 1, 2]])
    _, mixed_BxLxA = of(source, ids_BxL)
    # The cycle runs 2, 0, 1 after renaming: nothing is known of the first two, all of the rest.
    expected = [[1 / 3] * 3, [0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]]
    np.testing.assert_allclose(mixed_BxLxA[0], expected, atol=1e-12)


def test_samples_follow_the_chain():
    source = chain(3)
    ids_BxL = mixtures.sample(source, np.random.default_rng(0), 200, 200)
    pairs_AxA = np.zeros((ALPHABET, ALPHABET))
    np.add.at(pairs_AxA, (ids_BxL[:, :-1], ids_BxL[:, 1:]), 1)
    shares_AxA = pairs_AxA / pairs_AxA.sum(axis=1, keepdims=True)
    spread_AxA = np.sqrt(0.25 / pairs_AxA.sum(axis=1, keepdims=True))
    assert (np.abs(shares_AxA - source.transitions_AxA) < 5 * spread_AxA).all()
    np.testing.assert_allclose(source.initial_A @ source.transitions_AxA, source.initial_A)


def test_the_papers_bound_satisfies_its_condition():
    length, delta = 1_000_000, 0.05
    epsilon = mixtures.paper_gap_bound(6, length, delta=delta)
    needed = (
        512 * math.log(2 / delta) * math.log(6 * length / (delta * epsilon)) ** 2
        * math.log(720) / epsilon**4
    )
    assert needed == pytest.approx(length, rel=1e-6)
    assert mixtures.paper_gap_bound(6, 512) > 2.0 > epsilon


def test_too_many_symbols():
    with pytest.raises(UsageError, match="8 symbols have 40,320 permutations: at most 7"):
        mixtures.mixture(lambda ids: ids, np.zeros((1, 1), int), 8)
