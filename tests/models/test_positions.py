import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import positions


def plain_bucket(relative, causal, num_buckets, max_distance):
    """The rule as the T5 paper's text has it, one number at a time."""
    base = 0
    distance = -relative
    if not causal:
        num_buckets //= 2
        base = num_buckets if distance < 0 else 0
        distance = abs(distance)
    distance = max(distance, 0)
    exact = num_buckets // 2
    if distance < exact:
        return base + distance
    share = math.log(distance / exact) / math.log(max_distance / exact)
    return base + min(num_buckets - 1, exact + int(share * (num_buckets - exact) + 1e-9))


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("num_buckets", "max_distance"), [(32, 128), (8, 20), (16, 4096)])
def test_bucket_is_the_written_rule(causal, num_buckets, max_distance):
    relative = np.arange(-3 * max_distance, 3 * max_distance + 1, dtype=np.int32)
    got = positions.bucket(jnp.asarray(relative), causal, num_buckets, max_distance)
    want = [plain_bucket(int(r), causal, num_buckets, max_distance) for r in relative]
    np.testing.assert_array_equal(got, want)
    assert set(want) == set(range(num_buckets)) - ({num_buckets // 2} if not causal else set())


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("length", [1, 2, 7])
def test_bias_by_offset_equals_bias_by_position(causal, length):
    table_HxM = jax.random.normal(jax.random.key(0), (3, 8))
    index = jnp.arange(length)
    relative = (index[None, :] - index[:, None])[None]
    by_offset = positions.bias_by_offset(table_HxM, length, causal, 20)
    by_position = positions.bias_by_position(table_HxM, relative, causal, 20)
    assert by_offset.shape == (3, length, length)
    np.testing.assert_array_equal(by_offset, by_position[0])


def test_rotation_keeps_norms_and_depends_only_on_the_difference():
    query, key = jax.random.normal(jax.random.key(0), (2, 1, 1, 2, 8))
    at = lambda x, position: positions.rotate(x, jnp.asarray([[position]]), 100.0)  # noqa: E731
    np.testing.assert_allclose(
        jnp.linalg.norm(at(query, 5), axis=-1), jnp.linalg.norm(query, axis=-1), rtol=1e-6
    )
    near = jnp.sum(at(query, 7) * at(key, 4), axis=-1)
    far = jnp.sum(at(query, 107) * at(key, 104), axis=-1)
    np.testing.assert_allclose(near, far, atol=1e-5)
    assert not np.allclose(near, jnp.sum(at(query, 7) * at(key, 5), axis=-1), atol=1e-3)
    np.testing.assert_array_equal(at(query, 0), query)
