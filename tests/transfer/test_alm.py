import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.transfer.hypernet import alm


def by_hand(log_t, log_s, tau):
    """The definition in float64."""
    a, b = np.exp(np.float64(log_t) / tau), np.exp(np.float64(log_s) / tau)
    return a * np.log(a / b) + (1 - a) * np.log((1 - a) / (1 - b))


@pytest.mark.parametrize("tau", [1.0, 100.0])
def test_the_divergence_is_the_definition(tau):
    log_t = np.array([-0.01, -0.5, -3.0, -20.0, -60.0], np.float32)
    log_s = np.array([-0.02, -4.0, -3.0, -19.0, -80.0], np.float32)
    ours = alm.divergence(jnp.asarray(log_t), jnp.asarray(log_s), tau)
    theirs = by_hand(log_t.astype(np.float64), log_s.astype(np.float64), tau)
    np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=1e-7)
    assert ours[2] == 0.0 and np.all(np.asarray(ours) >= -1e-7)


def test_its_gradient_is_that_of_differences_and_spares_the_teacher():
    log_t, log_s = jnp.array([-0.5, -8.0, -30.0]), jnp.array([-2.0, -5.0, -31.0])

    def total(t, s):
        return jnp.sum(alm.divergence(t, s))

    to_teacher, to_student = jax.grad(total, argnums=(0, 1))(log_t, log_s)
    np.testing.assert_array_equal(to_teacher, 0.0)
    step = 1e-4
    s = np.asarray(log_s, np.float64)
    slope = (by_hand(log_t, s + step, 100.0) - by_hand(log_t, s - step, 100.0)) / (2 * step)
    np.testing.assert_allclose(to_student, slope, rtol=1e-3, atol=1e-7)


def test_certain_chunks_are_finite():
    log_p = jnp.array([0.0, 0.0, -5.0, -1e4])
    others = jnp.array([0.0, -5.0, 0.0, -1e4])
    value, slope = jax.value_and_grad(lambda s: jnp.sum(alm.divergence(log_p, s)))(others)
    assert np.isfinite(value) and np.isfinite(slope).all()


def test_log1mexp_is_accurate_at_both_ends():
    x = np.array([-1e-6, -1e-3, -0.69, -0.7, -5.0, -40.0])
    theirs = np.where(x > -1, np.log(-np.expm1(x)), np.log1p(-np.exp(x)))
    np.testing.assert_allclose(alm.log1mexp(jnp.asarray(x, jnp.float32)), theirs, rtol=1e-5)


losses = jax.jit(alm.chunk_losses)
cuts = st.lists(st.integers(1, 29), max_size=12, unique=True).map(lambda c: [0, *sorted(c), 30])


@settings(max_examples=60, deadline=None)
@given(cuts, cuts, st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**31))
def test_chunks_are_the_shortest_common_spans(student_cuts, teacher_cuts, first, second, seed):
    """Against a slow search over all spans of both, also where the batch covers only the first
    tokens of each."""
    student, teacher = student_cuts[: first + 1], teacher_cuts[: second + 1]
    rng = np.random.default_rng(seed)
    logs = [-rng.exponential(2.0, len(cut) - 1) for cut in (student, teacher)]
    chunks = alm.align(np.array(student[1:]), np.array(teacher[1:]))
    common = sorted(set(student) & set(teacher))
    expected = 0.0
    for start, end in itertools.pairwise(common):
        sums = [
            sum(p for p, left in zip(log, cut, strict=False) if start <= left < end)
            for log, cut in zip(logs, (student, teacher), strict=True)
        ]
        expected += by_hand(sums[1], sums[0], alm.TAU)
    padded = [np.pad(log, (0, 13 - len(log)), constant_values=-1.0)[None] for log in logs]
    places = [np.pad(one, (0, 13 - len(one)), constant_values=-1)[None] for one in chunks]
    total, number = losses(np.float32(padded[1]), np.float32(padded[0]), places[1], places[0])
    assert number == len(common) - 1
    np.testing.assert_allclose(total, expected, rtol=1e-3, atol=1e-5)


def test_byte_ends_follow_the_text_or_say_nothing():
    parts = [b"ab cd", b"ef"]
    ends = alm.byte_ends([b"ab", b" cd", None, b"ef"], parts)
    np.testing.assert_array_equal(ends, [2, 5, 6, 8])
    # The space before every text is the tokenizer's own.
    ends = alm.byte_ends([b" ab", b" cd", None, b" ", b"ef"], parts)
    np.testing.assert_array_equal(ends, [2, 5, 6, 6, 8])
    np.testing.assert_array_equal(alm.byte_ends([b"ab"], parts), [2])
    assert alm.byte_ends([b"AB", b" cd"], parts) is None


def test_tokens_of_no_chunk_count_for_nothing():
    sums = alm.chunk_sums(jnp.array([[1.0, 2.0, 4.0, 8.0]]), jnp.array([[0, 0, 1, -1]]), 3)
    np.testing.assert_array_equal(sums, [[3.0, 4.0, 0.0]])
