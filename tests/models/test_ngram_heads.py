"""N-gram heads: their matches by brute force, that no id matters, and that none sees the future."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from research.errors import UsageError
from research.models import language_model, ngram_heads, saved, sizes, transformer
from research.models.cache import init_cache
from research.testing.tiny import tiny_config, tiny_trunk_config
from research.training import sharding_rules
from research.training.parallelism import ParallelismConfig, make_mesh

BATCH, LENGTH, WIDTH, ALPHABET = 4, 16, 16, 3
ORDERS = (1, 3)

find = jax.jit(ngram_heads.matches, static_argnums=1)
init = jax.jit(transformer.init, static_argnums=1)
apply = jax.jit(transformer.apply, static_argnums=1)
WITH = tiny_trunk_config(ngram_heads=ORDERS)
WITHOUT = tiny_trunk_config()


def ids(seed=0):
    return np.random.default_rng(seed).integers(0, ALPHABET, (BATCH, LENGTH)).astype(np.int32)


def inputs(seed=1):
    return np.random.default_rng(seed).normal(size=(BATCH, LENGTH, WIDTH)).astype(np.float32)


def by_definition(ids_L, max_order, segments_L):
    found = np.zeros((len(ids_L), len(ids_L)), np.int8)
    for t in range(len(ids_L)):
        for s in range(1, t + 1):
            m = 0
            while m < min(max_order, s) and ids_L[t - m] == ids_L[s - 1 - m]:
                inside = {segments_L[place] for place in (t - m, s - 1 - m, s, t)}
                if len(inside) > 1:
                    break
                m += 1
            found[t, s] = m
    return found


@pytest.mark.parametrize("segmented", [False, True])
def test_matches_are_the_definition(segmented):
    ids_BxL = ids()
    segments_BxL = np.sort(ids(5), axis=1) if segmented else None
    found = np.asarray(find(ids_BxL, 3, segments_BxL))
    assert set(found.ravel()) == {0, 1, 2, 3}
    for row in range(BATCH):
        one = segments_BxL[row] if segmented else np.zeros(LENGTH)
        np.testing.assert_array_equal(found[row], by_definition(ids_BxL[row], 3, one))


def test_matches_are_the_same_under_any_permutation_of_ids():
    renaming = np.random.default_rng(2).permutation(ALPHABET)
    assert not (renaming == np.arange(ALPHABET)).all()
    before, after = find(ids(), 3), find(renaming[ids()].astype(np.int32), 3)
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_an_average_is_what_followed_the_context(order):
    ids_BxL, x_BxLxD = ids(), inputs()
    found = np.asarray(ngram_heads.average(jnp.asarray(x_BxLxD), find(ids_BxL, 3), order))
    for row, ids_L in enumerate(ids_BxL.tolist()):
        for t in range(LENGTH):
            context = ids_L[max(0, t + 1 - order) : t + 1]
            places = [s for s in range(order, t + 1) if ids_L[s - order : s] == context]
            expected = x_BxLxD[row, places].mean(axis=0) if places else np.zeros(WIDTH)
            np.testing.assert_allclose(found[row, t], expected, atol=1e-6)


def test_averages_of_one_hot_vectors_are_the_in_context_ngram():
    ids_BxL = ids()
    one_hot = jax.nn.one_hot(ids_BxL, ALPHABET)
    found = np.asarray(ngram_heads.average(one_hot, find(ids_BxL, 2), 2))
    for row, ids_L in enumerate(ids_BxL.tolist()):
        for t in range(2, LENGTH):
            after = [ids_L[s] for s in range(2, t + 1) if ids_L[s - 2 : s] == ids_L[t - 1 : t + 1]]
            counts = np.bincount(after, minlength=ALPHABET)
            np.testing.assert_allclose(found[row, t], counts / max(1, len(after)), atol=1e-6)


def test_heads_of_zeros_change_nothing_and_others_do():
    params = init(jax.random.key(0), WITH)
    plain = init(jax.random.key(0), WITHOUT)
    heads = params["layers"].pop("ngram_heads")
    assert jax.tree.map(jnp.shape, heads) == {
        "averages": {"kernel": (2, len(ORDERS), WIDTH, WIDTH)},
        "own": {"kernel": (2, WIDTH, WIDTH)},
    }
    jax.tree.map(np.testing.assert_array_equal, params, plain)
    found, x_BxLxD = find(ids(), max(ORDERS)), inputs()
    base = apply(plain, WITHOUT, x_BxLxD)

    def with_heads(heads):
        layers = params["layers"] | {"ngram_heads": heads}
        return apply(params | {"layers": layers}, WITH, x_BxLxD, None, None, found)

    np.testing.assert_allclose(with_heads(jax.tree.map(jnp.zeros_like, heads)), base, atol=1e-6)
    for silent in ("averages", "own"):
        silenced = heads | {silent: jax.tree.map(jnp.zeros_like, heads[silent])}
        assert np.abs(with_heads(silenced) - base).max() > 1e-3


def model():
    config = tiny_config(vocab_size=ALPHABET + 2, ngram_heads=ORDERS)
    return jax.jit(language_model.init, static_argnums=1)(jax.random.key(0), config), config


logits = jax.jit(language_model.logits, static_argnums=1)


def test_no_later_id_and_no_other_row_matters():
    params, config = model()
    ids_BxL = ids()
    base = np.asarray(logits(params, config, ids_BxL))
    changed = ids_BxL.copy()
    changed[0, 9:] = (changed[0, 9:] + 1) % ALPHABET
    other = np.asarray(logits(params, config, changed))
    np.testing.assert_array_equal(base[0, :9], other[0, :9])
    np.testing.assert_array_equal(base[1:], other[1:])
    assert np.abs(base[0, 9:, :ALPHABET] - other[0, 9:, :ALPHABET]).max() > 1e-3


def test_a_segment_is_a_sequence_of_its_own():
    params, config = model()
    ids_BxL = ids()
    segments_BxL = np.repeat([[0, 1]], LENGTH // 2, axis=1).repeat(BATCH, axis=0)
    whole = logits(params, config, ids_BxL, segments_BxL)
    moved = np.roll(ids_BxL, LENGTH // 2, axis=1)
    second = logits(params, config, moved)[:, : LENGTH // 2, : config.vocab_size]
    np.testing.assert_allclose(whole[:, LENGTH // 2 :, : config.vocab_size], second, atol=2e-5)


def test_a_saved_model_keeps_its_orders_and_others_are_saved_as_before():
    config = model()[1]
    fields = saved.config_as_dict(config)
    assert (
        saved.config_from_dict(
            fields | {"trunk": fields["trunk"] | {"ngram_heads": list(ORDERS)}}, "here"
        )
        == config
    )
    plain = dataclasses.replace(config, trunk=WITHOUT)
    fields = saved.config_as_dict(plain)
    assert "ngram_heads" not in fields["trunk"]
    assert saved.config_from_dict(fields, "here") == plain


def test_the_count_of_kernels():
    shapes = jax.eval_shape(lambda key: transformer.init(key, WITH), jax.random.key(0))
    leaves = jax.tree_util.tree_leaves_with_path(shapes)
    kernels = sum(leaf.size for path, leaf in leaves if path[-1].key == "kernel")
    assert kernels == sizes.kernel_count(WITH)
    assert kernels - sizes.kernel_count(WITHOUT) == 2 * 3 * WIDTH**2


def test_heads_are_split_over_both_axes_of_a_mesh():
    shapes = jax.eval_shape(lambda key: language_model.init(key, model()[1]), jax.random.key(0))
    mesh = make_mesh(ParallelismConfig("mesh", data=4, model=2))
    rules = sharding_rules.LANGUAGE_MODEL_RULES
    shardings = sharding_rules.param_shardings(shapes, mesh, rules, fsdp=True)
    heads = shardings["trunk"]["layers"]["ngram_heads"]
    assert heads["averages"]["kernel"].shard_shape((2, 2, 16, 16)) == (2, 2, 8, 4)
    assert heads["own"]["kernel"].shard_shape((2, 16, 16)) == (2, 8, 4)


def test_a_mesh_computes_what_one_device_does():
    params, config = model()
    batch = {"inputs_BxL": ids(), "targets_BxL": ids(3)}
    mesh = make_mesh(ParallelismConfig("mesh", data=4, model=2))
    shardings = sharding_rules.param_shardings(
        params, mesh, sharding_rules.LANGUAGE_MODEL_RULES, fsdp=True
    )

    def value_and_gradient(params, batch):
        return jax.value_and_grad(lambda p: language_model.loss(p, config, batch)[0])(params)

    expected, slope = jax.jit(value_and_gradient)(params, batch)
    with jax.set_mesh(mesh):
        split = jax.device_put(batch, NamedSharding(mesh, PartitionSpec("data")))
        placed = jax.device_put(params, shardings)
        found, other = jax.jit(value_and_gradient)(placed, split)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(a).max()), slope, other
    )


@pytest.mark.parametrize("orders", [(0,), (1, 1), (101,)])
def test_wrong_orders_are_usage_errors(orders):
    with pytest.raises(UsageError, match="ngram_heads"):
        sizes.size("tiny", ngram_heads=orders)


def test_no_decoding_and_no_missing_matches():
    params = jax.eval_shape(lambda key: transformer.init(key, WITH), jax.random.key(0))
    x_BxLxD = np.zeros((1, 2, WIDTH), np.float32)
    with pytest.raises(ValueError, match="needs the matches"):
        transformer.apply(params, WITH, x_BxLxD)
    with pytest.raises(ValueError, match="without n-gram heads"):
        transformer.prefill(params, WITH, x_BxLxD, np.ones(1, np.int32), 2)
    with pytest.raises(ValueError, match="without n-gram heads"):
        transformer.decode_step(params, WITH, x_BxLxD[:, 0], init_cache(WITHOUT, 1, 2))
