"""What lexinvariance means, held to the bit or in distribution."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from research import vocabularies
from research.models import language_model
from research.testing.tiny import tiny_model
from research.vocabularies import permuted
from research.vocabularies.protocol import EmbeddingTable

VOCAB = 34  # 32 symbols, BOS, EOS
DRAWING = ("gaussian", "sphere", "hypercube", "orthogonal", "dual", "permuted")
KEYS = vocabularies.sequence_keys(3, 2)
compiled_logits = jax.jit(language_model.logits, static_argnums=1)


def ids_of(seed, shape=(2, 12)):
    return np.random.default_rng(seed).integers(0, VOCAB - 2, shape).astype(np.int32)


def renaming(seed):
    """A permutation of all rows that moves the ordinary ids only."""
    order = np.arange(40, dtype=np.int32)
    order[: VOCAB - 2] = np.random.default_rng(seed).permutation(VOCAB - 2)
    return order


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_canonical_logits_are_the_same_bits_under_any_renaming(seed, mapped):
    params, config = tiny_model(
        vocabulary=vocabularies.make("canonical", slots=40), output_map=mapped
    )
    if mapped:
        kernel = params["trunk"]["output_map"]["kernel"]
        params["trunk"]["output_map"]["kernel"] = jax.random.normal(jax.random.key(5), kernel.shape)
    ids, new = ids_of(seed), renaming(seed)
    ids[:, 0] = config.bos_id
    want = np.asarray(compiled_logits(params, config, ids))
    got = np.asarray(compiled_logits(params, config, new[ids]))
    np.testing.assert_array_equal(got[:, :, new], want)
    np.testing.assert_array_equal(np.isneginf(want[0, 0]), np.arange(40) >= VOCAB)


@pytest.mark.parametrize(
    "kind", ["learned", "gaussian", "sphere", "hypercube", "orthogonal", "dual"]
)
def test_permuting_ids_and_rows_together_permutes_the_logits(kind):
    """The trunk sees vectors only, whatever they were drawn from."""
    vocabulary = vocabularies.make(kind)
    params, config = tiny_model(vocabulary=vocabulary, d_model=32)
    ids, new = ids_of(1), renaming(1)
    table = vocabulary.table(params["vocabulary"], ids, KEYS, rows=40, vocab_size=VOCAB)
    everything = jnp.broadcast_to(jnp.arange(40, dtype=jnp.int32), (2, 40))
    rows = vocabulary.embed(table, everything)
    shared = EmbeddingTable(rows[0] if kind == "learned" else rows)
    old_place = np.argsort(new)
    moved = EmbeddingTable(jnp.take(shared.input_VxD, old_place, axis=-2))
    want = np.asarray(compiled_logits(params, config, ids, table=shared))
    got = np.asarray(compiled_logits(params, config, new[ids], table=moved))
    np.testing.assert_allclose(got[:, :, new], want, atol=2e-6)


def test_a_permuted_vocabulary_permutes_by_its_images():
    vocabulary = vocabularies.make("permuted")
    params, config = tiny_model(vocabulary=vocabulary)
    ids = ids_of(2)
    image = vocabulary.table(params["vocabulary"], ids, KEYS, rows=40, vocab_size=VOCAB).image_BxV
    learned = dataclasses.replace(config, vocabulary=vocabularies.make("learned", tied=True))
    want = np.asarray(compiled_logits(params, learned, np.asarray(permuted.images(image, ids))))
    got = np.asarray(compiled_logits(params, config, ids, keys_Bx2=KEYS))
    np.testing.assert_array_equal(got, np.take_along_axis(want, np.asarray(image)[:, None], -1))


def first_symbol_scores(params, config, ids, keys):
    """p(the first symbol again) after a short text, one number for each draw."""
    many = np.broadcast_to(ids, (len(keys), len(ids)))
    keyed = {"keys_Bx2": keys} if config.vocabulary.draws else {}
    log_p = jax.nn.log_softmax(compiled_logits(params, config, many, **keyed)[:, -1])
    return np.asarray(log_p[:, ids[0]])


@pytest.mark.parametrize("kind", DRAWING)
def test_draws_cannot_tell_one_naming_from_another(kind):
    """Kolmogorov-Smirnov over 512 draws each; the same test notices a learned vocabulary."""
    # As many dimensions as symbols, for the sake of orthogonal rows.
    params, config = tiny_model(vocabulary=vocabularies.make(kind), d_model=32)
    ids, new = ids_of(4, (6,)), renaming(4)
    here = first_symbol_scores(params, config, ids, vocabularies.sequence_keys(0, 512))
    there = first_symbol_scores(params, config, new[ids], vocabularies.sequence_keys(1, 512))
    assert len(np.unique(here)) > 500  # every sequence has a draw of its own
    assert scipy.stats.ks_2samp(here, there).pvalue > 1e-3


def test_the_two_sample_test_has_power():
    """A vocabulary that is lexinvariant for nine ids of ten only is found out."""
    vocabulary = vocabularies.make("gaussian")
    params, config = tiny_model(vocabulary=vocabulary)
    ids, new = ids_of(4, (6,)), renaming(4)
    learned_row = 3 * np.asarray(params["vocabulary"]["specials_SxD"][0])

    def scores(ids, seed):
        keys = vocabularies.sequence_keys(seed, 512)
        many = np.broadcast_to(ids, (512, len(ids)))
        table = vocabulary.table(params["vocabulary"], many, keys, rows=40, vocab_size=VOCAB)
        rows = np.asarray(table.rows_BxVxD).copy()
        rows[:, 4] = learned_row  # one id has a row of its own
        log_p = jax.nn.log_softmax(
            compiled_logits(params, config, many, table=EmbeddingTable(rows))[:, -1]
        )
        return np.asarray(log_p[:, ids[0]])

    ids = ids.copy()
    ids[0] = 4
    assert new[4] != 4
    assert scipy.stats.ks_2samp(scores(ids, 0), scores(new[ids], 1)).pvalue < 1e-6


def test_keys_are_a_function_of_seed_and_step():
    more, few = (vocabularies.sequence_keys(5, count) for count in (8, 3))
    np.testing.assert_array_equal(more[:3], few)
    every = [vocabularies.sequence_keys(s, 16, step=t) for s in (0, 1) for t in (0, 1)]
    assert len(np.unique(np.concatenate(every), axis=0)) == 64
    # The words of Philox: the same everywhere, for ever.
    assert vocabularies.sequence_keys(0, 1).tolist() == [[2971692919, 2764398719]]


def test_a_vocabulary_that_draws_says_what_is_missing():
    params, config = tiny_model(vocabulary=vocabularies.make("gaussian"))
    with pytest.raises(ValueError, match="keys_Bx2"):
        language_model.logits(params, config, ids_of(0))
