"""Options that came with other people's families: what they mean, and that others are as before."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import vocabularies
from research.codecs import lm_folder
from research.errors import UsageError
from research.models import language_model, positions, transformer
from research.models.cache import init_cache
from research.models.families.llama_like import check_llama_like
from research.models.language_model import LanguageModelConfig
from research.models.layers import LayerNorm, RMSNorm, capped_attention
from research.models.sizes import FAMILY_FIELDS, RotaryScaling, TrunkConfig
from research.testing.tiny import TinyCodec, tiny_config, tiny_trunk_config
from research.training import sharding_rules
from research.vocabularies.learned import LearnedEmbedding

apply = jax.jit(transformer.apply, static_argnums=1)


def test_a_model_without_them_is_described_as_ever():
    config = tiny_config()
    fields = language_model.as_dict(config)
    assert set(fields["trunk"]).isdisjoint(FAMILY_FIELDS)
    assert set(fields) == {"trunk", "vocab_size", "padded_vocab_size", "vocabulary"}
    assert fields["vocabulary"] == {"tied": False, "kind": "learned", "draws": False}
    assert set(fields["trunk"]) | set(FAMILY_FIELDS) == {
        field.name for field in dataclasses.fields(TrunkConfig)
    }


def test_a_model_with_them_is_saved_and_opened(tmp_path):
    scaling = RotaryScaling("llama3", 8.0, 16)
    changes = {"positions": "rotary", "rotary_scaling": scaling, "norm": "layer", "window": 3}
    changes |= {"windowed_layers": (True, False), "qkv_bias": True, "head_transform": True}
    changes |= {"output_map": True, "embedding_dim": 8}
    codec = TinyCodec()
    trunk_config = tiny_trunk_config(**changes)
    config = LanguageModelConfig(
        trunk_config,
        codec.vocab_size + 2,
        None,
        LearnedEmbedding(True, softcap=2.0, bias=True),
        eos=0,
    )
    params = jax.jit(language_model.init, static_argnums=1)(jax.random.key(0), config)
    lm_folder.save(tmp_path / "model", params, config, codec)
    again, found, _, _ = lm_folder.load(tmp_path / "model")
    assert found == config and hash(found) == hash(config)
    assert (found.bos_id, found.eos_id) == (codec.vocab_size, 0)
    jax.tree.map(np.testing.assert_array_equal, again, params)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"norm": "batch"}, "norm must be one of"),
        ({"norm_order": "none"}, "norm_order must be one of"),
        ({"positions": "learned"}, "need max_positions"),
        ({"max_positions": 4}, "need max_positions"),
        ({"rotary_scaling": RotaryScaling()}, "needs rotary positions"),
        ({"window": 0}, "at least 1"),
        ({"window": 4, "causal": False}, "causal"),
        ({"window": 4, "windowed_layers": (True,)}, "1 entries for 2 layers"),
        ({"windowed_layers": (True, False)}, "needs a window"),
        ({"score_softcap": 0.0}, "score_softcap must be positive"),
        ({"norm_order": "post", "ngram_heads": (1,)}, "n-gram heads"),
    ],
)
def test_options_that_make_no_sense(changes, problem):
    with pytest.raises(UsageError, match=problem):
        tiny_trunk_config(**changes)


@pytest.mark.parametrize("kind", ["learned", "gaussian", "canonical"])
def test_a_tied_readout_starts_uniform_behind_a_map(kind):
    """Without the map it starts by repeating what it reads, wherever a row is its own readout."""
    ids_BxL = np.arange(24, dtype=np.int32).reshape(2, 12) % 7
    repeats = []
    for mapped in (False, True):
        options = {} if kind == "gaussian" else {"tied": True}
        config = tiny_config(
            vocabulary=vocabularies.make(kind, **options), output_map=mapped, d_model=64
        )
        params = language_model.init(jax.random.key(0), config)
        logits_BxLxV = language_model.logits(
            params, config, ids_BxL, keys_Bx2=vocabularies.sequence_keys(0, 2)
        )
        p_BxLxV = np.asarray(jax.nn.softmax(logits_BxLxV[:, :, : config.vocab_size]))
        repeats.append(np.take_along_axis(p_BxLxV, ids_BxL[:, :, None], axis=2)[:, 6:])
    # Canonical shares the probability among the slots in use, BOS, EOS and "new".
    uniform = 1 / 10 if kind == "canonical" else 1 / 34
    np.testing.assert_allclose(repeats[1], uniform, rtol=1e-4)
    assert repeats[0].mean() > 0.9


def test_rotary_scaling_that_makes_no_sense():
    for arguments, problem in (
        (("longrope",), "'longrope' is not one of default, linear"),
        (("yarn", 2.0), "needs the length"),
        (("yarn", 2.0, 8, 1.0, 32.0, 0.0), "positive attention"),
        (("dynamic", 2.0), "needs the length"),
        (("linear", 0.5), "factor of at least 1"),
        (("llama3", 2.0, 8, 4.0, 1.0), "in order"),
    ):
        with pytest.raises(UsageError, match=problem):
            RotaryScaling(*arguments)


def test_layer_norm_and_rms_around_one():
    x = np.random.default_rng(0).normal(2.0, 3.0, (3, 5)).astype("float32")
    scale, bias = np.arange(5, dtype="float32"), np.ones(5, "float32")
    made = LayerNorm(1e-3).apply({"params": {"scale": scale, "bias": bias}}, x)
    centred = x - x.mean(-1, keepdims=True)
    wanted = centred / np.sqrt(centred.var(-1, keepdims=True) + 1e-3) * scale + bias
    np.testing.assert_allclose(made, wanted, atol=1e-5)
    around_one = RMSNorm(1e-6, plus_one=True).apply({"params": {"scale": scale}}, x)
    plain = RMSNorm(1e-6).apply({"params": {"scale": scale + 1}}, x)
    np.testing.assert_array_equal(around_one, plain)


def test_capped_attention_is_attention_when_the_cap_is_far():
    random = np.random.default_rng(0)
    query, key, value = (random.normal(size=(2, 6, heads, 8)).astype("float32")
                         for heads in (4, 2, 2))  # fmt: skip
    bias = random.normal(size=(1, 4, 6, 6)).astype("float32")
    mask = random.random((2, 1, 6, 6)) < 0.7
    for causal in (True, False):
        given = {"scale": 0.3, "is_causal": causal}
        plain = jax.nn.dot_product_attention(query, key, value, bias, mask, **given)
        far = capped_attention(query, key, value, bias, mask, softcap=1e5, **given)
        near = capped_attention(query, key, value, bias, mask, softcap=0.5, **given)
        seen = (mask[:, 0] & (np.tri(6, dtype=bool) if causal else True)).any(-1)
        np.testing.assert_allclose(far[seen], plain[seen], atol=1e-5)
        assert np.abs(near - plain)[seen].max() > 0.05


def test_frequencies_by_kind():
    plain = positions.stretched_frequencies(8, 100.0, RotaryScaling())
    np.testing.assert_allclose(plain, 100.0 ** (-np.arange(4) / 4), rtol=1e-6)
    linear = positions.stretched_frequencies(8, 100.0, RotaryScaling("linear", 4.0))
    np.testing.assert_allclose(linear, plain / 4, rtol=1e-6)
    # Full turns within the training's length: 1.6, .5, .16, .05 of length 10.
    llama3 = positions.stretched_frequencies(8, 100.0, RotaryScaling("llama3", 4.0, 10, 0.2, 1.0))
    share = (10 * plain[1] / (2 * math.pi) - 0.2) / 0.8
    wanted = plain * np.asarray([1, share + (1 - share) / 4, 1 / 4, 1 / 4])
    np.testing.assert_allclose(llama3, wanted, rtol=1e-6)


def test_frequencies_of_yarn_are_interpolated_by_their_number():
    plain = positions.stretched_frequencies(8, 100.0, RotaryScaling())
    # 16 positions: .8 turns at number 1.006, .1 turns at 2.81.
    scaling = RotaryScaling("yarn", 4.0, 16, 0.1, 0.8, attention=1.5)
    for truncate, first, last in ((True, 1, 3), (False, 1.0057, 2.81188)):
        share = np.clip((np.arange(4) - first) / (last - first), 0, 1)
        yarn = positions.stretched_frequencies(
            8, 100.0, dataclasses.replace(scaling, truncate=truncate)
        )
        np.testing.assert_allclose(yarn, plain * (1 - share * 0.75), rtol=1e-4)
    x = np.random.default_rng(0).normal(size=(1, 5, 1, 8)).astype("float32")
    turned = positions.rotate(x, np.arange(5)[None], 100.0, scaling)
    np.testing.assert_allclose(
        np.linalg.norm(turned, axis=-1), 1.5 * np.linalg.norm(x, axis=-1), rtol=1e-5
    )


def test_dynamic_frequencies_grow_with_the_longest_sequence_alone():
    x = np.random.default_rng(0).normal(size=(1, 12, 1, 8)).astype("float32")
    scaling = RotaryScaling("dynamic", 2.0, 8)
    short = jnp.arange(8)[None]
    np.testing.assert_array_equal(
        positions.rotate(x[:, :8], short, 100.0, scaling), positions.rotate(x[:, :8], short, 100.0)
    )
    base = 100.0 * (2.0 * 12 / 8 - 1.0) ** (8 / 6)
    np.testing.assert_allclose(
        positions.rotate(x, jnp.arange(12)[None], 100.0, scaling),
        positions.rotate(x, jnp.arange(12)[None], base),
        atol=1e-5,
    )


def test_a_window_ends_what_is_seen():
    """With two layers of window 3 a position reaches 4 back, and not one further."""
    config = tiny_trunk_config(positions="rotary", window=3)
    params = jax.jit(transformer.init, static_argnums=1)(jax.random.key(0), config)
    x_BxLxD = np.random.default_rng(0).normal(size=(1, 12, 16)).astype("float32")
    moved = x_BxLxD.copy()
    moved[:, 5] += 1.0
    differs = np.abs(apply(params, config, x_BxLxD) - apply(params, config, moved)).max(-1)[0]
    assert (differs[5:10] > 1e-4).all()
    assert (differs[:5] == 0).all() and (differs[10:] == 0).all()


def test_a_position_without_a_row_is_noticed():
    config = tiny_trunk_config(positions="learned", max_positions=6, position_offset=2)
    params = jax.jit(transformer.init, static_argnums=1)(jax.random.key(0), config)
    assert params["position_rows"].shape == (6, 16)
    places_BxL = np.arange(4)[None]
    out = apply(params, config, np.ones((1, 4, 16), np.float32), None, places_BxL)
    assert np.isfinite(out).all()
    out = apply(params, config, np.ones((1, 4, 16), np.float32), None, places_BxL + 1)
    assert np.isnan(out[:, 3]).all()


def test_rows_of_another_width_than_the_trunk():
    config = tiny_config(embedding_dim=8, positions="rotary", mlp="gated_silu")
    params = language_model.init(jax.random.key(0), config)
    table_VxE = params["vocabulary"]["input_VxD"]
    assert table_VxE.shape == (config.rows, 8) and config.trunk.d_model == 16
    ids_BxL = jax.random.randint(jax.random.key(1), (2, 6), 0, config.vocab_size)
    logits_BxLxV = language_model.logits(params, config, ids_BxL)
    assert 0.5 < np.std(logits_BxLxV[..., : config.vocab_size]) < 2  # as rows of width D begin
    # A step at a time, the same vectors come out.
    whole_BxLxE = apply(params["trunk"], config.trunk, table_VxE[ids_BxL])
    cache = init_cache(config.trunk, 2, 6)
    for place in range(6):
        step_BxE, cache = transformer.decode_step(
            params["trunk"], config.trunk, table_VxE[ids_BxL[:, place]], cache
        )
        np.testing.assert_allclose(step_BxE, whole_BxLxE[:, place], rtol=1e-4, atol=1e-5)
    # Every matrix has a rule: it is decayed, split, and Muon's.
    rules = sharding_rules.match(params, sharding_rules.LANGUAGE_MODEL_RULES)
    assert all(rules["trunk"][name]["kernel"].kernel for name in ("rows_in", "rows_out"))
    with pytest.raises(UsageError, match="rows of another width"):
        check_llama_like(config)
