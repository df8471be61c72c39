import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.errors import UsageError
from research.models import language_model
from research.models.language_model import LanguageModelConfig
from research.testing.tiny import tiny_config, tiny_model, tiny_trunk_config
from research.vocabularies import learned
from research.vocabularies.protocol import EmbeddingTable

IDS = np.random.default_rng(2).integers(0, 34, (2, 8)).astype(np.int32)
compiled_logits = jax.jit(language_model.logits, static_argnums=1)
token_losses = jax.jit(language_model.token_losses, static_argnums=1)


def logits(*args, **options):
    return np.asarray(compiled_logits(*args, **options))


def batch(**more):
    return {"inputs_BxL": IDS[:, :-1], "targets_BxL": IDS[:, 1:]} | more


@pytest.mark.parametrize("tied", [False, True])
def test_loss_is_the_logits_loss(tied):
    params, config = tiny_model(tied=tied)
    assert ("output_VxD" in params["vocabulary"]) == (not tied)
    weights_BxL = jnp.ones((2, 7)).at[0, 5:].set(0)
    total, sums = jax.jit(
        lambda params: language_model.loss(
            params, config, batch(weights_BxL=weights_BxL), z_loss=0.1, chunk_size=3
        )
    )(params)
    logits_BxLxV = logits(params, config, IDS[:, :-1])
    assert logits_BxLxV.shape == (2, 7, 40) and logits_BxLxV.dtype == jnp.float32
    assert np.isneginf(logits_BxLxV[:, :, 34:]).all()
    log_p = jax.nn.log_softmax(logits_BxLxV)
    nats = -jnp.take_along_axis(log_p, IDS[:, 1:, None], axis=-1)[:, :, 0]
    log_z = jax.nn.logsumexp(logits_BxLxV, axis=-1)
    correct = jnp.argmax(logits_BxLxV, axis=-1) == IDS[:, 1:]
    np.testing.assert_allclose(sums["nats"], jnp.sum(nats * weights_BxL), rtol=1e-5)
    np.testing.assert_allclose(sums["z_loss"], 0.1 * jnp.sum(log_z**2 * weights_BxL), rtol=1e-5)
    np.testing.assert_allclose(total, sums["nats"] + sums["z_loss"], rtol=1e-6)
    assert sums["tokens"] == 12 and sums["correct"] == jnp.sum(correct * weights_BxL)


def test_a_fresh_model_is_near_uniform():
    params, config = tiny_model(d_model=64, head_dim=32)
    nats_BxL = token_losses(params, config, batch()).nats_BxL
    assert float(np.mean(nats_BxL)) == pytest.approx(np.log(34) + 0.5, abs=0.4)


def test_one_compiled_step_serves_vocabularies_of_different_sizes():
    params, config = tiny_model()
    small = language_model.LanguageModelConfig(config.trunk, 20, config.rows)
    ids = IDS % 20
    pair = {"inputs_BxL": ids[:, :-1], "targets_BxL": ids[:, 1:]}
    loss = jax.jit(lambda params, batch: language_model.loss(params, config, batch)[0])
    got = loss(params, pair | {"vocab_size_B": jnp.asarray([20, 20])})
    np.testing.assert_allclose(got, jnp.sum(token_losses(params, small, pair).nats_BxL), rtol=1e-6)
    assert got < loss(params, pair | {"vocab_size_B": jnp.asarray([34, 34])})
    assert loss._cache_size() == 1


def test_another_table_may_stand_in():
    params, config = tiny_model()
    swap = jax.random.permutation(jax.random.key(5), 34)
    whole = jnp.concatenate([swap, jnp.arange(34, 40)])
    table = jax.tree.map(lambda rows: rows[whole], learned.table(params["vocabulary"]))
    place = jnp.argsort(whole)  # id i lies in row place[i] of the shuffled table
    shuffled = logits(params, config, place[IDS], table=table)
    want = logits(params, config, IDS)[..., :34]
    np.testing.assert_allclose(shuffled[..., place[:34]], want, atol=1e-5)


def test_segments_and_positions_reach_the_trunk():
    params, config = tiny_model()
    segments_BxL = np.asarray([[1] * 4 + [2] * 4] * 2)
    packed = logits(params, config, IDS, segments_BxL)
    apart = logits(params, config, np.roll(IDS, -4, axis=1))
    np.testing.assert_allclose(packed[:, 4:, :34], apart[:, :4, :34], atol=1e-5)
    plain = token_losses(params, config, batch()).nats_BxL
    for extra in ({"segments_BxL": segments_BxL[:, :-1]}, {"positions_BxL": 9 * IDS[:, :-1]}):
        losses = token_losses(params, config, batch(**extra))
        assert not np.allclose(losses.nats_BxL[:, 4:], plain[:, 4:], atol=1e-4)


def test_what_an_id_sees():
    params, config = tiny_model()
    base = logits(params, config, IDS)
    changed = IDS.copy()
    changed[0, 4] = (IDS[0, 4] + 1) % 34
    moved = logits(params, config, changed)
    np.testing.assert_array_equal(base[0, :4], moved[0, :4])
    np.testing.assert_array_equal(base[1], moved[1])
    differences = np.abs(base[0, 4:, :34] - moved[0, 4:, :34])
    assert (differences.max(axis=-1) > 1e-5).all()


def test_rows_and_special_ids():
    config = LanguageModelConfig(tiny_trunk_config(), 258)
    assert (config.rows, config.bos_id, config.eos_id) == (384, 256, 257)
    assert tiny_config(34).rows == 40
    with pytest.raises(UsageError, match="below vocab_size"):
        LanguageModelConfig(tiny_trunk_config(), 258, 256)
    with pytest.raises(UsageError, match="too small"):
        LanguageModelConfig(tiny_trunk_config(), 2)


def test_a_table_per_sequence():
    params, config = tiny_model()
    table = learned.table(params["vocabulary"])
    both = EmbeddingTable(
        jnp.stack([table.input_VxD, table.input_VxD[::-1]]),
        jnp.stack([table.output_VxD, table.output_VxD[::-1]]),
    )
    got = logits(params, config, IDS, table=both)
    np.testing.assert_allclose(got[0, :, :34], logits(params, config, IDS)[0, :, :34], atol=1e-5)
    assert not np.allclose(got[1, :, :34], logits(params, config, IDS)[1, :, :34], atol=1e-2)
