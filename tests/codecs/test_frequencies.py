"""The one rounding rule: numpy, JAX and the big-integer reference agree to the unit."""


import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.codecs.coder.frequencies import frequencies_from_counts, integer_frequencies
from research.errors import UsageError
from tests.codecs import bigint_reference as reference

ROWS = 6
compiled = jax.jit(integer_frequencies, static_argnums=1)


def _rows(seed: int, symbols: int) -> np.ndarray:
    """Distributions from nearly certain to uniform, with exact zeros and ties."""
    random = np.random.default_rng(seed)
    rows = [random.dirichlet(np.full(symbols, alpha)) for alpha in (0.003, 0.05, 1.0, 100.0)]
    certain, flat = np.zeros(symbols), np.full(symbols, 1 / symbols)
    certain[random.integers(symbols)] = 1.0
    return np.stack([*rows, certain, flat]).astype(np.float32)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.sampled_from([256, 257]), st.sampled_from([12, 14, 16]))
def test_three_ways_give_equal_integers(seed, symbols, beta):
    probabilities = _rows(seed, symbols)
    ours = integer_frequencies(probabilities, beta)
    assert ours.dtype == np.uint32 and (ours >= 1).all()
    assert (ours.sum(1) == 2**beta).all()
    assert np.array_equal(ours, compiled(jnp.asarray(probabilities), beta))
    q = np.rint(probabilities.astype(np.float64) * 2**17).astype(int)
    assert ours.tolist() == [reference.integer_frequencies(row.tolist(), beta) for row in q]


def test_ties_go_to_the_smaller_symbol():
    frequencies = integer_frequencies(np.full((1, 257), 1 / 257, np.float32), 12)[0]
    assert sorted(frequencies.tolist(), reverse=True) == frequencies.tolist()
    assert frequencies[0] == frequencies[-1] + 1


def test_a_certain_symbol_takes_all_but_the_floor():
    probabilities = np.zeros((1, 256), np.float32)
    probabilities[0, 7] = 1.0
    assert integer_frequencies(probabilities, 16)[0, 7] == 2**16 - 255


def test_counts_of_any_size_follow_the_same_rule():
    counts = np.random.default_rng(0).integers(0, 2**40, 257)
    expected = reference.integer_frequencies(counts.tolist(), 14)
    assert frequencies_from_counts(counts, 14).tolist() == expected


def test_leading_axes_do_not_matter():
    probabilities = _rows(1, 256)
    stacked = compiled(jnp.asarray(probabilities).reshape(2, 3, 256), 14)
    assert np.array_equal(stacked.reshape(6, 256), integer_frequencies(probabilities, 14))


def test_what_is_no_distribution_is_refused():
    with pytest.raises(UsageError, match="beta"):
        integer_frequencies(np.ones((1, 256)) / 256, 17)
    with pytest.raises(UsageError, match="symbols"):
        integer_frequencies(np.ones((1, 257)) / 257, 8)
    for row in (np.zeros(256), np.full(256, np.nan), np.full(256, -1.0), np.full(256, 1.0)):
        with pytest.raises(UsageError, match="non-negative"):
            integer_frequencies(row[None], 14)
    with pytest.raises(UsageError, match="counts"):
        frequencies_from_counts(np.zeros(256), 14)
