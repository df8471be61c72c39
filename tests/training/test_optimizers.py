import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.errors import UsageError
from research.training import optimizers
from research.training.config import OptimizerConfig
from research.training.sharding_rules import Rule

RULES = (
    Rule("small", ("in", "out"), kernel=True),
    Rule("wide", ("in", "out"), kernel=True),
    Rule("layers", ("layer", "in", "out", "out"), kernel=True),
    Rule("out", ("layer", "in", "in", "out"), kernel=True),
    Rule("table", ("in", "out")),
    Rule("scale", ("layer", "-")),
)
SHAPES = {
    "small": (3, 4),
    "wide": (8, 10),
    "layers": (2, 9, 4, 3),
    "out": (2, 4, 3, 9),
    "table": (16, 8),
    "scale": (2, 5),
}


def draw(seed):
    generator = np.random.default_rng(seed)
    return {
        name: generator.normal(0, 0.3, shape).astype(np.float32) for name, shape in SHAPES.items()
    }


def run(config, steps=4, params=None, total=10):
    optimizer = optimizers.make_optimizer(config, total, RULES)
    params = jax.tree.map(jnp.asarray, draw(0) if params is None else params)
    state = optimizer.init(params)
    update = jax.jit(optimizer.update)
    for number in range(steps):
        updates, state = update(draw(number + 1), state, params)
        params = optax.apply_updates(params, updates)
    return params, state


def rate(config, t, total=100):
    return float(optimizers.learning_rate(config, total)(jnp.int32(t)))


def test_rsqrt_is_the_paper_s():
    config = OptimizerConfig.paper_adafactor()
    for t in (0, 1, 9_999, 10_000, 40_000, 2_500_000):
        assert rate(config, t) == pytest.approx(1 / math.sqrt(max(t, 10_000)), rel=1e-6)


def test_warm_up_then_constant_or_cosine():
    config = OptimizerConfig(learning_rate=0.4, schedule="constant", warmup_steps=4)
    assert [rate(config, t) for t in (0, 1, 3, 4, 50)] == pytest.approx([0.1, 0.2, 0.4, 0.4, 0.4])
    config = OptimizerConfig(learning_rate=0.4, schedule="cosine", final_fraction=0.25)
    assert [rate(config, t) for t in (0, 50, 100, 500)] == pytest.approx([0.4, 0.25, 0.1, 0.1])
    config = OptimizerConfig(learning_rate=1.0, warmup_steps=10, decay_steps=30, final_fraction=0)
    assert [rate(config, t) for t in (10, 20, 30)] == pytest.approx([1.0, 0.5, 0.0], abs=1e-6)


def test_senseless_schedules_are_refused():
    with pytest.raises(UsageError, match="warmup_steps"):
        optimizers.learning_rate(OptimizerConfig(schedule="rsqrt"), 10)
    with pytest.raises(UsageError, match="warmup_steps=20 below its end at step 10"):
        optimizers.learning_rate(OptimizerConfig(warmup_steps=20), 10)


def adafactor_by_hand(params, steps, rate, *, min_factored, clip=1.0, power=0.8):
    """Shazeer & Stern's Algorithms 4 and 5 on plain matrices, one layer at a time, in float64."""
    # How each parameter falls into matrices [inputs, outputs], or None for a vector.
    matrices = {
        "small": [((), (3, 4))],
        "wide": [((), (8, 10))],
        "layers": [((n,), (9, 12)) for n in range(2)],
        "out": [((n,), (12, 9)) for n in range(2)],
        "table": [((), (16, 8))],
        "scale": [((n,), None) for n in range(2)],
    }
    params = {name: np.array(value, np.float64) for name, value in params.items()}
    rows, cols, wholes = {}, {}, {}
    for t in range(1, steps + 1):
        grads = draw(t)
        decay = 1 - t**-power
        for name, parts in matrices.items():
            for index, shape in parts:
                key = (name, index)
                x = params[name][index]
                g = np.array(grads[name][index], np.float64)
                if shape is not None and min(shape) >= min_factored:
                    g2 = g.reshape(shape) ** 2 + 1e-30
                    rows[key] = decay * rows.get(key, 0) + (1 - decay) * g2.sum(1) / shape[1]
                    cols[key] = decay * cols.get(key, 0) + (1 - decay) * g2.sum(0) / shape[0]
                    v = np.outer(rows[key], cols[key]) / rows[key].mean()
                    u = (g.reshape(shape) / np.sqrt(v)).reshape(g.shape)
                else:
                    wholes[key] = decay * wholes.get(key, 0) + (1 - decay) * (g**2 + 1e-30)
                    u = g / np.sqrt(wholes[key])
                u = u / max(1.0, np.sqrt((u**2).mean()) / clip)
                scale = max(1e-3, np.sqrt((x**2).mean()))
                params[name][index] = x - rate(t - 1) * scale * u
    return params


@pytest.mark.parametrize("min_factored", [6, 128])
def test_adafactor_is_the_paper_s_formulas(min_factored):
    config = OptimizerConfig(
        name="adafactor",
        learning_rate=0.3,
        schedule="rsqrt",
        warmup_steps=2,
        clip_norm=0.0,
        min_factored=min_factored,
    )
    ours, state = run(config, steps=5)
    by_hand = adafactor_by_hand(
        draw(0), 5, lambda t: 0.3 / math.sqrt(max(t, 2)), min_factored=min_factored
    )
    for name in SHAPES:
        np.testing.assert_allclose(ours[name], by_hand[name], rtol=2e-5, atol=2e-6, err_msg=name)
    moments = state[0].moments
    factored = min_factored == 6
    assert set(moments["wide"]) == ({"row", "col"} if factored else {"full"})
    assert set(moments["small"]) == {"full"}
    if factored:
        assert moments["layers"]["row"].shape == (2, 9)
        assert moments["layers"]["col"].shape == (2, 4, 3)
        assert moments["out"]["row"].shape == (2, 4, 3)


def test_adafactor_moves_a_parameter_of_zeros():
    zeros = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}
    config = OptimizerConfig.paper_adafactor()
    moved, _ = run(config, steps=1, params=zeros)
    assert all(float(jnp.max(jnp.abs(leaf))) > 0 for leaf in jax.tree.leaves(moved))


def test_adamw_decays_kernels_only():
    config = OptimizerConfig(learning_rate=0.1, schedule="constant", weight_decay=0.5, clip_norm=0)
    params, _ = run(config, steps=1)
    start, grads = draw(0), draw(1)
    for name in SHAPES:
        decay = 0.5 * start[name] if name not in ("table", "scale") else 0.0
        sign = grads[name] / (np.abs(grads[name]) + 1e-8)  # both moments of one step, unbiased
        np.testing.assert_allclose(params[name], start[name] - 0.1 * (sign + decay), atol=1e-5)


def test_gradients_are_clipped_by_their_global_norm():
    loose = OptimizerConfig(learning_rate=0.1, schedule="constant", clip_norm=1e9)
    tight = OptimizerConfig(learning_rate=0.1, schedule="constant", clip_norm=1e-3)
    _, loose_state = run(loose, steps=1)
    _, tight_state = run(tight, steps=1)
    norm = optax.tree.norm(draw(1))
    first, second = (optax.tree.get(state, "mu") for state in (loose_state, tight_state))
    for name in SHAPES:
        np.testing.assert_allclose(second[name], first[name] * (1e-3 / norm), rtol=1e-4)


def test_muon_orthogonalises_each_layer_and_leaves_tables_to_adamw():
    config = OptimizerConfig(name="muon", learning_rate=1.0, schedule="constant", clip_norm=0)
    params, _ = run(config, steps=1)
    adamw, _ = run(OptimizerConfig(learning_rate=1.0, schedule="constant", clip_norm=0), steps=1)
    start = draw(0)
    for n in range(2):
        for name, shape in (("layers", (9, 12)), ("out", (12, 9))):
            moved = np.asarray(params[name][n] - start[name][n]).reshape(shape)
            singular = np.linalg.svd(moved / (0.2 * math.sqrt(12)), compute_uv=False)
            assert 0.3 < singular.min() and singular.max() < 1.4  # five Newton-Schulz iterations
    for name in ("scale", "table"):
        np.testing.assert_allclose(params[name], adamw[name], atol=1e-6)
