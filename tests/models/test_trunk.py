import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import trunk
from research.models.attention import Surroundings
from research.models.projection import RMSNorm
from research.testing.models import tiny_trunk_config

VARIANTS = {
    "t5": {},
    "rotary, grouped heads, qk-norm": {
        "positions": "rotary",
        "num_kv_heads": 1,
        "qk_norm": True,
        "mlp": "relu",
    },
    "no positions, gated silu": {"positions": "none", "mlp": "gated_silu"},
    "t5, wide heads": {"head_dim": 12, "qk_norm": True, "mlp": "gelu"},
}

init = jax.jit(trunk.init, static_argnums=1)
apply = jax.jit(trunk.apply, static_argnums=1)
step = jax.jit(trunk.decode_step, static_argnums=1)


def with_noise(params, scale=0.1):
    """Moves every parameter, so that none that is ignored goes unnoticed."""
    noise = np.random.default_rng(9)
    return jax.tree.map(
        lambda leaf: leaf + scale * noise.normal(size=leaf.shape).astype("float32"), params
    )


@functools.cache
def model(**changes):
    config = tiny_trunk_config(**changes)
    return with_noise(init(jax.random.key(0), config)), config


def inputs(batch=3, length=9, width=16):
    return jax.random.normal(jax.random.key(1), (batch, length, width)) / 4


def test_parameter_names_and_shapes():
    params, _ = model(qk_norm=True, num_kv_heads=1)
    names = {
        "/".join(part.key for part in path): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
    }
    assert names == {
        "layers/attention_norm/scale": (2, 16),
        "layers/attention/query/kernel": (2, 16, 2, 8),
        "layers/attention/key/kernel": (2, 16, 1, 8),
        "layers/attention/value/kernel": (2, 16, 1, 8),
        "layers/attention/out/kernel": (2, 2, 8, 16),
        "layers/attention/query_norm/scale": (2, 8),
        "layers/attention/key_norm/scale": (2, 8),
        "layers/attention/position_bias": (2, 2, 32),
        "layers/mlp_norm/scale": (2, 16),
        "layers/mlp/gate/kernel": (2, 16, 32),
        "layers/mlp/up/kernel": (2, 16, 32),
        "layers/mlp/down/kernel": (2, 32, 16),
        "final_norm/scale": (16,),
    }


def test_initial_scales():
    config = tiny_trunk_config(d_model=64, head_dim=32, mlp_dim=128, num_layers=4)
    params = init(jax.random.key(0), config)
    layers = params["layers"]
    deviation = lambda array: float(jnp.std(array))  # noqa: E731
    assert deviation(layers["attention"]["query"]["kernel"]) == pytest.approx(1 / 8, rel=0.05)
    assert deviation(layers["mlp"]["up"]["kernel"]) == pytest.approx(1 / 8, rel=0.05)
    assert deviation(layers["mlp"]["down"]["kernel"]) == pytest.approx(1 / 32, rel=0.05)
    # Layers differ, and the stream neither fades nor explodes.
    assert not np.allclose(layers["mlp"]["up"]["kernel"][0], layers["mlp"]["up"]["kernel"][1])
    x_BxLxD = jax.random.normal(jax.random.key(1), (2, 32, 64)) / 8
    y_BxLxD = apply(params, config, x_BxLxD)
    assert float(jnp.mean(jnp.square(y_BxLxD))) == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_a_step_at_a_time_equals_the_whole_sequence(changes):
    params, config = model(**changes)
    x_BxLxD = inputs()
    whole = apply(params, config, x_BxLxD)
    cache = trunk.init_cache(config, 3, 16)
    for position in range(9):
        y_BxD, cache = step(params, config, x_BxLxD[:, position], cache)
        np.testing.assert_allclose(y_BxD, whole[:, position], atol=2e-5)
    np.testing.assert_array_equal(cache.length_B, [9, 9, 9])


def test_every_parameter_matters_to_both_ways():
    params, config = model(qk_norm=True)
    x_BxLxD = inputs(1, 4)
    whole = lambda p: jnp.sum(apply(p, config, x_BxLxD)[:, -1] ** 3)  # noqa: E731

    def stepped(p):
        cache = trunk.init_cache(config, 1, 4)
        for position in range(4):
            y_BxD, cache = trunk.decode_step(p, config, x_BxLxD[:, position], cache)
        return jnp.sum(y_BxD**3)

    first, second = jax.jit(lambda p: (jax.grad(whole)(p), jax.grad(stepped)(p)))(params)
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        assert np.abs(one).max() > 1e-6
        np.testing.assert_allclose(one, other, atol=1e-3 * np.abs(one).max())


@pytest.mark.parametrize("positions", ["t5", "rotary"])
def test_ring_buffer_is_a_sliding_window(positions):
    """One layer with S slots sees the last S positions, however long it has run."""
    params, config = model(positions=positions, num_layers=1)
    x_BxLxD = inputs(2, 11)
    cache = trunk.init_cache(config, 2, 4)
    for position in range(11):
        y_BxD, cache = step(params, config, x_BxLxD[:, position], cache)
    window = apply(params, config, x_BxLxD[:, 7:])
    np.testing.assert_allclose(y_BxD, window[:, -1], atol=2e-5)


@pytest.mark.parametrize("positions", ["t5", "rotary"])
def test_rows_start_again_on_their_own(positions):
    params, config = model(positions=positions)
    x_BxLxD = inputs(3, 8)
    cache = trunk.init_cache(config, 3, 8)
    alone, fresh = cache, None
    for position in range(8):
        if position == 5:
            cache = trunk.reset_rows(cache, jnp.asarray([False, True, False]))
            fresh = trunk.init_cache(config, 3, 8)
        y_BxD, cache = step(params, config, x_BxLxD[:, position], cache)
        old_BxD, alone = step(params, config, x_BxLxD[:, position], alone)
        np.testing.assert_array_equal(y_BxD[0], old_BxD[0])
        np.testing.assert_array_equal(y_BxD[2], old_BxD[2])
        if fresh is not None:
            new_BxD, fresh = step(params, config, x_BxLxD[:, position], fresh)
            np.testing.assert_array_equal(y_BxD[1], new_BxD[1])
    np.testing.assert_array_equal(cache.length_B, [8, 3, 8])


def test_prefill_goes_on_like_stepping():
    params, config = model()
    x_BxLxD = inputs(2, 9)
    lengths = jnp.asarray([4, 6])
    prefill = jax.jit(trunk.prefill, static_argnums=(1, 4))
    y_BxLxD, cache = prefill(params, config, x_BxLxD[:, :6], lengths, 8)
    stepped = trunk.init_cache(config, 2, 8)
    for position in range(6):
        y_BxD, stepped = step(params, config, x_BxLxD[:, position], stepped)
        if position == 3:
            np.testing.assert_allclose(y_BxLxD[0, 3], y_BxD[0], atol=2e-5)
    np.testing.assert_allclose(y_BxLxD[1, 5], y_BxD[1], atol=2e-5)
    # Row 0 goes on after its fourth vector, though the prompt was padded with two more.
    whole = apply(params, config, jnp.concatenate([x_BxLxD[:, :4], x_BxLxD[:, 6:]], axis=1))
    for position in range(6, 9):
        y_BxD, cache = step(params, config, x_BxLxD[:, position], cache)
        np.testing.assert_allclose(y_BxD[0], whole[0, position - 2], atol=2e-5)


def test_prefill_must_fit():
    params, config = model()
    with pytest.raises(ValueError, match="does not fit 4"):
        trunk.prefill(params, config, inputs(2, 9), jnp.asarray([9, 9]), 4)


@pytest.mark.parametrize("changes", [{}, {"positions": "rotary"}])
def test_the_future_has_no_gradient_and_the_past_has(changes):
    params, config = model(**changes)
    jacobian = jax.jit(
        jax.jacobian(lambda x: jnp.sum(trunk.apply(params, config, x[None])[0] ** 2, axis=-1))
    )(inputs(1, 6)[0])
    strength = np.abs(np.asarray(jacobian)).max(axis=-1)  # [output, input]
    # The final norm fixes the mean square up to its scales, so strengths are small, not zero.
    assert (strength[np.tril_indices(6)] > 0).all()
    assert (strength[np.triu_indices(6, 1)] == 0).all()


def test_bidirectional_sees_both_sides():
    params, config = model(causal=False)
    x_BxLxD = inputs(1, 6)
    base = apply(params, config, x_BxLxD)
    moved = apply(params, config, x_BxLxD.at[0, 3].add(1.0))
    assert (np.abs(base - moved).max(axis=-1) > 1e-4).all()
    with pytest.raises(ValueError, match="causal"):
        trunk.decode_step(params, config, x_BxLxD[:, 0], trunk.init_cache(config, 1, 4))


@pytest.mark.parametrize("changes", [{}, {"causal": False}, {"positions": "rotary"}])
def test_a_segment_is_a_sequence_of_its_own(changes):
    params, config = model(**changes)
    x_BxLxD = inputs(2, 9)
    segments_BxL = jnp.asarray([[1, 1, 1, 1, 2, 2, 2, 2, 2]] * 2)
    packed = apply(params, config, x_BxLxD, segments_BxL)
    np.testing.assert_allclose(packed[:, :4], apply(params, config, x_BxLxD[:, :4]), atol=2e-5)
    np.testing.assert_allclose(packed[:, 4:], apply(params, config, x_BxLxD[:, 4:]), atol=2e-5)


@pytest.mark.parametrize("positions", ["t5", "rotary"])
def test_only_differences_of_positions_matter(positions):
    params, config = model(positions=positions)
    x_BxLxD = inputs(2, 6)
    index_BxL = jnp.broadcast_to(jnp.arange(6), (2, 6))
    base = apply(params, config, x_BxLxD)
    shifted = apply(params, config, x_BxLxD, None, index_BxL + jnp.asarray([[0], [30]]))
    np.testing.assert_allclose(base, shifted, atol=5e-5)
    stretched = apply(params, config, x_BxLxD, None, index_BxL * 3)
    assert np.abs(base - stretched).max() > 1e-3


def test_rows_of_a_batch_are_independent():
    params, config = model()
    x_BxLxD = inputs()
    moved = apply(params, config, x_BxLxD.at[1].add(1.0))
    np.testing.assert_array_equal(apply(params, config, x_BxLxD)[0], moved[0])


def test_scan_remat_and_unrolled_agree():
    params, config = model()
    x_BxLxD = inputs()

    def value_and_gradient(**changes):
        other = dataclasses.replace(config, **changes)
        return jax.jit(jax.value_and_grad(lambda p: jnp.sum(trunk.apply(p, other, x_BxLxD) ** 3)))(
            params
        )

    base = value_and_gradient()
    for changes in (
        {"scan_layers": False},
        {"remat": True},
        {"remat": True, "scan_layers": False},
    ):
        other = value_and_gradient(**changes)
        np.testing.assert_allclose(base[0], other[0], rtol=1e-4)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-3), base[1], other[1])


def test_stacked_parameters_are_those_of_the_single_blocks():
    params, config = model()
    x_BxLxD = inputs()
    surroundings = Surroundings(jnp.arange(9)[None])
    stream = x_BxLxD * 4.0
    for layer in range(2):
        block = jax.tree.map(lambda stacked, n=layer: stacked[n], params["layers"])
        stream, _ = trunk.Block(config).apply({"params": block}, stream, surroundings, None)
    stream = RMSNorm(1e-6).apply({"params": params["final_norm"]}, stream)
    np.testing.assert_allclose(stream, apply(params, config, x_BxLxD), atol=2e-5)


def test_bfloat16_stays_near_float32():
    params, config = model()
    half = dataclasses.replace(config, dtype="bfloat16")
    x_BxLxD = inputs()
    rough = apply(params, half, x_BxLxD)
    assert rough.dtype == jnp.bfloat16
    exact = apply(params, config, x_BxLxD)
    assert np.abs(np.asarray(rough, np.float32) - exact).mean() < 0.05
    cache = trunk.init_cache(half, 3, 16)
    assert cache.keys.dtype == jnp.bfloat16
    for position in range(9):
        y_BxD, cache = step(params, half, x_BxLxD[:, position], cache)
    assert np.abs(np.asarray(y_BxD, np.float32) - exact[:, -1]).mean() < 0.05
