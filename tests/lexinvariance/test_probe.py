"""The probe sees the past alone, and no ids; it learns, and the model under it does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import vocabularies
from research.lexinvariance import probe
from research.models import language_model
from research.testing.tiny import tiny_config

ORDINARY = 30
LENGTH = 20


@pytest.fixture(scope="module", params=["canonical", "gaussian"])
def parts(request):
    config = tiny_config(vocab_size=ORDINARY + 2, vocabulary=vocabularies.make(request.param))
    params = jax.jit(language_model.init, static_argnums=1)(jax.random.key(1), config)
    lm = probe.Frozen(params, config)
    reader = probe.init(jax.random.key(2), d_model=16, mlp_dim=24, alphabet=ORDINARY)
    ids_BxL = np.random.default_rng(3).integers(0, ORDINARY, (3, LENGTH)).astype(np.int32)
    keys_Bx2 = vocabularies.sequence_keys(4, 3)
    run = jax.jit(lambda ids, keys: probe.posterior(reader, lm, ids, keys))
    return lm, reader, ids_BxL, keys_Bx2, run


def test_a_posterior_is_a_distribution_at_every_position(parts):
    _, _, ids_BxL, keys_Bx2, run = parts
    logs_BxLxA = run(ids_BxL, keys_Bx2)
    assert logs_BxLxA.shape == (3, LENGTH, ORDINARY) and logs_BxLxA.dtype == jnp.float32
    np.testing.assert_allclose(np.exp(logs_BxLxA).sum(-1), 1.0, rtol=1e-5)


def test_the_future_changes_nothing(parts):
    _, _, ids_BxL, keys_Bx2, run = parts
    changed_BxL = ids_BxL.copy()
    changed_BxL[:, 12:] = (changed_BxL[:, 12:] + 7) % ORDINARY
    before, after = run(ids_BxL, keys_Bx2), run(changed_BxL, keys_Bx2)
    np.testing.assert_allclose(before[:, :12], after[:, :12], atol=1e-5)
    assert np.abs(before[:, 12:] - after[:, 12:]).max() > 1e-3


def test_another_key_changes_nothing_for_canonical_ids(parts):
    lm, _, ids_BxL, keys_Bx2, run = parts
    image_BxA = probe.permutations(5, 3, ORDINARY)
    same = np.array_equal(run(ids_BxL, keys_Bx2), run(probe.encipher(ids_BxL, image_BxA), keys_Bx2))
    assert same == (lm.config.vocabulary.kind == "canonical")


def test_only_the_probe_gets_a_gradient(parts):
    lm, reader, ids_BxL, _, _ = parts
    plain = {"inputs_BxL": ids_BxL, "weights_BxL": np.ones(ids_BxL.shape, np.float32)}
    batch = probe.batch_under_keys(plain, ordinary=ORDINARY, seed=6, step=0)

    @jax.jit
    def grads(reader, params):
        def total(reader, params):
            return probe.loss(reader, batch, lm=probe.Frozen(params, lm.config))[0]

        return jax.grad(total, (0, 1))(reader, params)

    of_probe, of_model = grads(reader, lm.params)
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(of_probe))
    assert all(np.abs(leaf).max() == 0 for leaf in jax.tree.leaves(of_model))


def test_the_loss_is_that_of_the_posterior(parts):
    lm, reader, ids_BxL, _, run = parts
    bos = np.full((3, 1), lm.config.bos_id, np.int32)
    plain = {
        "inputs_BxL": np.concatenate([bos, ids_BxL], axis=1),
        "weights_BxL": np.ones((3, LENGTH + 1), np.float32),
    }
    batch = probe.batch_under_keys(plain, ordinary=ORDINARY, seed=6, step=2)
    total, sums = probe.loss(reader, batch, lm=lm)
    logs_BxLxA = run(batch["inputs_BxL"][:, 1:], batch["keys_Bx2"])
    right = np.take_along_axis(np.asarray(logs_BxLxA), ids_BxL[:, :, None], axis=-1)
    np.testing.assert_allclose(total, -right.sum(), rtol=1e-5)
    assert sums["tokens"] == ids_BxL.size  # BOS is not enciphered and not counted
    assert sums["correct"] == (np.argmax(logs_BxLxA, -1) == ids_BxL).sum()


def test_every_sequence_and_step_has_a_key_of_its_own():
    first = probe.permutations(1, 4, ORDINARY, step=3)
    assert (np.sort(first, axis=1) == np.arange(ORDINARY)).all()
    np.testing.assert_array_equal(first[:2], probe.permutations(1, 2, ORDINARY, step=3))
    others = [first[1], probe.permutations(1, 1, ORDINARY, step=4)[0],
              probe.permutations(2, 1, ORDINARY, step=3)[0]]  # fmt: skip
    assert all((first[0] != other).any() for other in others)


def test_enciphering_is_undone_by_the_inverse_and_leaves_specials():
    ids_BxL = np.array([[ORDINARY, 0, 5, 29, ORDINARY + 1], [ORDINARY, 3, 3, 1, 2]])
    image_BxA = probe.permutations(7, 2, ORDINARY)
    cipher_BxL = probe.encipher(ids_BxL, image_BxA)
    assert cipher_BxL[0, 0] == ORDINARY and cipher_BxL[0, 4] == ORDINARY + 1
    back = probe.encipher(cipher_BxL, np.argsort(image_BxA, axis=1))
    np.testing.assert_array_equal(back, ids_BxL)
