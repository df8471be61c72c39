import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from research.models.decoding import cutoff, sample

LOGITS = jnp.log(jnp.asarray([[0.4, 0.3, 0.2, 0.1, 0.0], [0.05, 0.05, 0.0, 0.1, 0.8]]))


def shares(draws=4000, **settings):
    keys = jax.random.split(jax.random.key(0), draws)
    ids = jax.jit(jax.vmap(lambda key: sample(key, LOGITS, **settings)))(keys)
    return np.stack([np.bincount(column, minlength=5) / draws for column in np.asarray(ids).T])


def test_temperature_one_draws_the_distribution():
    np.testing.assert_allclose(shares(), np.exp(LOGITS), atol=0.03)


def test_temperature_sharpens_and_zero_takes_the_largest():
    squared = np.exp(2 * LOGITS)
    np.testing.assert_allclose(
        shares(temperature=0.5), squared / squared.sum(axis=-1, keepdims=True), atol=0.03
    )
    np.testing.assert_array_equal(sample(jax.random.key(0), LOGITS, 0.0), [0, 4])


def test_top_k_and_top_p():
    np.testing.assert_allclose(shares(top_k=2)[0], [4 / 7, 3 / 7, 0, 0, 0], atol=0.03)
    np.testing.assert_allclose(shares(top_p=0.5)[0], [4 / 7, 3 / 7, 0, 0, 0], atol=0.03)
    np.testing.assert_array_equal(shares(top_p=0.3), [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]])
    # top_p counts what top_k left: .4 of .7 is more than half.
    np.testing.assert_array_equal(shares(top_k=2, top_p=0.55)[0], [1, 0, 0, 0, 0])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(-20, 20, width=32), min_size=6, max_size=6),
    st.integers(0, 8),
    st.floats(0.015625, 1.0, width=32),
)
def test_cutoff_is_the_definition(row, top_k, top_p):
    logits = np.asarray(row, np.float32)
    falling = np.sort(logits)[::-1][: top_k or None].astype(np.float64)
    mass = np.exp(falling - falling[0])
    mass /= mass.sum()
    kept = max(1, int(np.sum(np.cumsum(mass) - mass < top_p))) if top_p < 1 else len(falling)
    got = float(_cutoff(logits[None], top_k, top_p)[0])
    # Where a sum of probabilities meets p but for rounding, one id more or less is right too.
    allowed = {falling[i] for i in (kept - 2, kept - 1, kept) if 0 <= i < len(falling)}
    edge = np.abs(np.cumsum(mass) - top_p).min() < 1e-5
    assert got in allowed if edge else got == falling[kept - 1]


_cutoff = jax.jit(cutoff)


def test_same_key_same_ids_and_rows_differ():
    flat = jnp.zeros((64, 50))
    first = sample(jax.random.key(3), flat)
    np.testing.assert_array_equal(first, sample(jax.random.key(3), flat))
    assert len(set(np.asarray(first).tolist())) > 20
    assert first.dtype == jnp.int32
