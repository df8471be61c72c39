import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import transformer
from research.models.cache import init_cache
from research.models.layers import RMSNorm
from research.models.transformer import AttentionInputs
from research.testing.tiny import tiny_trunk_config

# One batch shape and one cache size throughout: every new one is compiled anew.
BATCH, LENGTH, WIDTH = 3, 16, 16

VARIANTS = {
    "t5": {},
    "rotary, grouped heads, qk-norm": {
        "positions": "rotary",
        "num_kv_heads": 1,
        "qk_norm": True,
        "mlp": "relu",
    },
    "no positions, wide heads, silu": {
        "positions": "none",
        "head_dim": 12,
        "mlp": "gated_silu",
    },
}
WITH_POSITIONS = list(VARIANTS.values())[:2]

init = jax.jit(transformer.init, static_argnums=1)
compiled_apply = jax.jit(transformer.apply, static_argnums=1)
compiled_step = jax.jit(transformer.decode_step, static_argnums=1)


def apply(*args):
    return np.asarray(compiled_apply(*args))


def step(*args):
    y_BxD, cache = compiled_step(*args)
    return np.asarray(y_BxD), cache


@functools.cache
def model_of(changes):
    """Parameters with noise, so that none that is ignored goes unnoticed, and their config."""
    config = tiny_trunk_config(**dict(changes))
    noise = np.random.default_rng(9)
    params = jax.tree.map(
        lambda leaf: leaf + 0.1 * noise.normal(size=leaf.shape).astype("float32"),
        init(jax.random.key(0), config),
    )
    return params, config


def model(**changes):
    return model_of(tuple(sorted(changes.items())))


def inputs(length=LENGTH, seed=1):
    draw = np.random.default_rng(seed).normal(size=(BATCH, length, WIDTH)) / 4
    return draw.astype("float32")


def first_layer_only(params):
    """The second layer adds nothing: two layers that compute what one does."""
    silence = lambda kernel: kernel.at[1].set(0)  # noqa: E731
    layers = params["layers"]
    attention = layers["attention"] | {
        "out": {"kernel": silence(layers["attention"]["out"]["kernel"])}
    }
    mlp = layers["mlp"] | {"down": {"kernel": silence(layers["mlp"]["down"]["kernel"])}}
    return params | {"layers": layers | {"attention": attention, "mlp": mlp}}


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
    cache = init_cache(config, BATCH, LENGTH)
    for position in range(LENGTH):
        y_BxD, cache = step(params, config, x_BxLxD[:, position], cache)
        np.testing.assert_allclose(y_BxD, whole[:, position], atol=2e-5)
    np.testing.assert_array_equal(cache.length_B, [LENGTH] * BATCH)


def test_every_parameter_matters_to_both_ways():
    params, config = model(**VARIANTS["rotary, grouped heads, qk-norm"])
    config = dataclasses.replace(config, positions="t5")
    params = jax.tree.map(np.asarray, params)
    bias = np.random.default_rng(3).normal(size=(2, 2, 32)).astype("float32")
    params["layers"]["attention"]["position_bias"] = bias
    x_BxLxD = inputs()

    def whole(params):
        return jnp.sum(transformer.apply(params, config, x_BxLxD)[:, -1] ** 3)

    def stepped(params):
        def advance(cache, x_BxD):
            y_BxD, cache = transformer.decode_step(params, config, x_BxD, cache)
            return cache, y_BxD

        cache = init_cache(config, BATCH, LENGTH)
        _, outputs = jax.lax.scan(advance, cache, jnp.moveaxis(x_BxLxD, 1, 0))
        return jnp.sum(outputs[-1] ** 3)

    first, second = jax.jit(lambda p: (jax.grad(whole)(p), jax.grad(stepped)(p)))(params)
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        assert np.abs(one).max() > 1e-6
        np.testing.assert_allclose(one, other, atol=1e-3 * np.abs(one).max())


@pytest.mark.parametrize("changes", WITH_POSITIONS)
def test_ring_buffer_is_a_sliding_window(changes):
    """One layer with S slots sees the last S positions, however long it has run."""
    params, config = model(**changes)
    params = first_layer_only(params)
    x_BxLxD = inputs(LENGTH + 7)
    cache = init_cache(config, BATCH, LENGTH)
    for position in range(LENGTH + 7):
        y_BxD, cache = step(params, config, x_BxLxD[:, position], cache)
    window = apply(params, config, x_BxLxD[:, 7:])
    np.testing.assert_allclose(y_BxD, window[:, -1], atol=2e-5)


@pytest.mark.parametrize("changes", WITH_POSITIONS)
def test_rows_start_again_on_their_own(changes):
    params, config = model(**changes)
    x_BxLxD = inputs()
    alone = cache = init_cache(config, BATCH, LENGTH)
    fresh = cache
    for position in range(8):
        if position == 5:
            cache = cache._replace(length_B=cache.length_B.at[1].set(0))
        y_BxD, cache = step(params, config, x_BxLxD[:, position], cache)
        old_BxD, alone = step(params, config, x_BxLxD[:, position], alone)
        np.testing.assert_array_equal(y_BxD[0], old_BxD[0])
        np.testing.assert_array_equal(y_BxD[2], old_BxD[2])
        if position >= 5:
            new_BxD, fresh = step(params, config, x_BxLxD[:, position], fresh)
            np.testing.assert_array_equal(y_BxD[1], new_BxD[1])
    np.testing.assert_array_equal(cache.length_B, [8, 3, 8])


def test_prefill_goes_on_like_stepping():
    params, config = model()
    x_BxLxD = inputs(LENGTH + 2)
    lengths = np.asarray([4, 9, LENGTH], np.int32)
    prefill = jax.jit(transformer.prefill, static_argnums=(1, 4))
    y_BxLxD, cache = prefill(params, config, x_BxLxD[:, :LENGTH], lengths, LENGTH)
    np.testing.assert_array_equal(cache.length_B, lengths)
    np.testing.assert_array_equal(y_BxLxD, apply(params, config, x_BxLxD[:, :LENGTH]))
    # Each row goes on after its own last vector, though the prompts were padded.
    for position in (LENGTH, LENGTH + 1):
        y_BxD, cache = step(params, config, x_BxLxD[:, position], cache)
    for row, length in enumerate(lengths[:2]):
        joined = np.concatenate([x_BxLxD[:, :length], x_BxLxD[:, LENGTH:]], axis=1)
        joined = np.pad(joined, [(0, 0), (0, LENGTH - length - 2), (0, 0)])
        whole = apply(params, config, joined)
        np.testing.assert_allclose(y_BxD[row], whole[row, length + 1], atol=2e-5)
    with pytest.raises(ValueError, match="does not fit 8"):
        transformer.prefill(params, config, x_BxLxD, lengths, 8)


def test_the_future_has_no_gradient_and_the_past_has():
    params, config = model()
    jacobian = jax.jit(
        jax.jacobian(lambda x: jnp.sum(transformer.apply(params, config, x[None])[0] ** 3, axis=-1))
    )(inputs()[0, :6])
    strength = np.abs(np.asarray(jacobian)).max(axis=-1)  # [output, input]
    assert (strength[np.tril_indices(6)] > 1e-4).all()
    assert (strength[np.triu_indices(6, 1)] == 0).all()


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_nothing_later_and_no_other_row_matters(changes):
    params, config = model(**changes)
    x_BxLxD = inputs()
    moved = x_BxLxD.copy()
    moved[1, 9] += 1.0
    base, moved = apply(params, config, x_BxLxD), apply(params, config, moved)
    np.testing.assert_array_equal(base[[0, 2]], moved[[0, 2]])
    np.testing.assert_array_equal(base[1, :9], moved[1, :9])
    assert (np.abs(base - moved)[1, 9:].max(axis=-1) > 1e-4).all()


def test_bidirectional_sees_both_sides_but_only_its_segment():
    params, config = model(causal=False)
    x_BxLxD = inputs()
    segments_BxL = np.asarray([[1] * 6 + [2] * 10] * BATCH)
    moved = x_BxLxD.copy()
    moved[:, 8] += 1.0
    base = apply(params, config, x_BxLxD, segments_BxL)
    moved = apply(params, config, moved, segments_BxL)
    np.testing.assert_array_equal(base[:, :6], moved[:, :6])
    assert (np.abs(base - moved)[:, 6:].max(axis=-1) > 1e-4).all()
    with pytest.raises(ValueError, match="causal"):
        transformer.decode_step(params, config, x_BxLxD[:, 0], init_cache(config, 1, 4))
    with pytest.raises(ValueError, match="causal"):
        transformer.prefill(params, config, x_BxLxD, np.asarray([1, 1, 1]), LENGTH)


@pytest.mark.parametrize("changes", WITH_POSITIONS)
def test_a_segment_is_a_sequence_of_its_own(changes):
    params, config = model(**changes)
    x_BxLxD = inputs()
    packed = apply(params, config, x_BxLxD, np.asarray([[1] * 6 + [2] * 10] * BATCH))
    np.testing.assert_allclose(packed[:, :6], apply(params, config, x_BxLxD)[:, :6], atol=2e-5)
    second = apply(params, config, np.roll(x_BxLxD, -6, axis=1))
    np.testing.assert_allclose(packed[:, 6:], second[:, :10], atol=2e-5)


@pytest.mark.parametrize("changes", WITH_POSITIONS)
def test_only_differences_of_positions_matter(changes):
    params, config = model(**changes)
    x_BxLxD = inputs()
    index_BxL = np.tile(np.arange(LENGTH, dtype=np.int32), (BATCH, 1))
    base = apply(params, config, x_BxLxD)
    moved = index_BxL + np.asarray([[0], [5], [30]], np.int32)
    shifted = apply(params, config, x_BxLxD, None, moved)
    np.testing.assert_allclose(base, shifted, atol=5e-5)
    stretched = apply(params, config, x_BxLxD, None, index_BxL * 3)
    assert np.abs(base - stretched).max() > 1e-3


def test_scan_remat_and_unrolled_agree():
    params, config = model()
    x_BxLxD = inputs()

    @functools.partial(jax.jit, static_argnums=1)
    def value_and_gradient(params, config):
        return jax.value_and_grad(lambda p: jnp.sum(transformer.apply(p, config, x_BxLxD) ** 3))(
            params
        )

    base = value_and_gradient(params, config)
    for changes in ({"scan_layers": False}, {"remat": True}):
        other = value_and_gradient(params, dataclasses.replace(config, **changes))
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(a).max()), base, other
        )


def test_stacked_parameters_are_those_of_the_single_blocks():
    params, config = model()
    x_BxLxD = inputs()
    attention_inputs = AttentionInputs(jnp.arange(LENGTH)[None])
    block = jax.jit(
        lambda params, x: transformer.Block(config).apply(
            {"params": params}, x, attention_inputs, None
        )[0]
    )
    stream = x_BxLxD * 4.0
    for layer in range(2):
        stream = block(jax.tree.map(lambda stacked, n=layer: stacked[n], params["layers"]), stream)
    norm = jax.jit(lambda params, x: RMSNorm(1e-6).apply({"params": params}, x))
    stream = norm(params["final_norm"], stream)
    np.testing.assert_allclose(stream, apply(params, config, x_BxLxD), atol=2e-5)


def test_bfloat16_stays_near_float32():
    params, config = model()
    half = dataclasses.replace(config, dtype="bfloat16")
    x_BxLxD = inputs()
    rough = apply(params, half, x_BxLxD)
    assert rough.dtype == jnp.bfloat16
    exact = apply(params, config, x_BxLxD)
    assert np.abs(np.asarray(rough, np.float32) - exact).mean() < 0.05
    cache = init_cache(half, BATCH, LENGTH)
    assert cache.keys.dtype == jnp.bfloat16
    for position in range(LENGTH):
        y_BxD, cache = step(params, half, x_BxLxD[:, position], cache)
    assert np.abs(np.asarray(y_BxD, np.float32) - exact[:, -1]).mean() < 0.05
