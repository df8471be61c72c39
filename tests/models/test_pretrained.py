"""Against transformers' logits, which `fixtures/make_families.py` wrote."""

import dataclasses
import functools
import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.errors import FreevocabError, UsageError
from research.models import decoding, families, language_model, pretrained, sizes, tensor_layout
from research.models import safetensors_shards as shards
from research.models.families.base import both_generations
from research.testing.tiny import tiny_config, tiny_model
from research.training import sharding_rules
from research.training.config import ParallelismConfig
from research.training.lm import LM
from research.training.parallelism import make_mesh
from research.vocabularies.learned import LearnedEmbedding
from research.vocabularies.protocol import EmbeddingTable, LossConfig

FOLDERS = Path(__file__).resolve().parent / "fixtures" / "families"
NAMES = sorted(path.name for path in FOLDERS.iterdir())
CAUSAL = [name for name in NAMES if "roberta" not in name]


@functools.cache
def family(name):
    return pretrained.load(FOLDERS / name)


@functools.cache
def expected(name):
    with np.load(FOLDERS / name / "logits.npz") as file:
        return {key: file[key] for key in file}


def leaves_equal(one, other):
    return jax.tree.structure(one) == jax.tree.structure(other) and all(
        np.array_equal(a, b)
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    )


def rewritten(name, folder, change=lambda tensors: tensors, **fields):
    """A copy of a fixture with other tensors or another config.json."""
    tensors = {key: one.read() for key, one in shards.open_checkpoint(FOLDERS / name).items()}
    folder.mkdir()
    shards.write_checkpoint(folder, [shards.entry(*one) for one in change(tensors).items()])
    raw = json.loads((FOLDERS / name / "config.json").read_text()) | fields
    (folder / "config.json").write_text(json.dumps(raw))
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_those_of_transformers(name):
    lm, wanted = family(name), expected(name)
    padded = np.asarray(lm.logits(wanted["ids"], wanted["mask"]))
    text = wanted["mask"].astype(bool)
    np.testing.assert_allclose(padded[text], wanted["padded"][text], atol=1e-4)
    assert lm.masked == (name not in CAUSAL)
    assert lm.dtype == "bfloat16"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_saved_is_what_was_loaded(name, tmp_path):
    lm = family(name)
    lm.save(tmp_path / "again")
    again = pretrained.load(tmp_path / "again")
    assert leaves_equal(lm.params, again.params)
    assert (again.config, again.dtype, again.context) == (lm.config, lm.dtype, lm.context)
    before, after = map(shards.open_checkpoint, (FOLDERS / name, tmp_path / "again"))
    assert {tensor.code for tensor in after.values()} == {"BF16"}
    # transformers 4 wants this copy, 5 leaves it out.
    assert after.keys() | {"lm_head.decoder.bias"} == before.keys() | {"lm_head.decoder.bias"}
    for key, tensor in before.items():
        np.testing.assert_array_equal(tensor.read().view(np.uint16), after[key].read().view("u2"))
    lm.save(tmp_path / "again", dtype="float32")  # one checkpoint may replace another
    assert leaves_equal(lm.params, pretrained.load(tmp_path / "again").params)
    with pytest.raises(UsageError, match="dtype must be one of"):
        lm.save(tmp_path / "again", dtype="int8")


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_that_the_config_initialises_and_have_rules(name):
    lm = family(name)
    fresh = jax.eval_shape(lambda key: language_model.init(key, lm.config), jax.random.key(0))
    shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), fresh)
    assert shapes == jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), lm.params)
    sharding_rules.match(lm.params)


@pytest.mark.parametrize("name", ["gemma2", "roberta"])
def test_eight_devices_give_the_same_loss(name):
    lm, ids_BxL = family(name), np.resize(expected(name)["ids"].astype(np.int32), (8, 24))
    batch = {"inputs_BxL": ids_BxL, "targets_BxL": np.roll(ids_BxL, -1, axis=1)}
    sums = [
        LM(lm.config, make_mesh(parallelism), parallelism).evaluate(lm.params, [batch], 1)
        for parallelism in (ParallelismConfig("single"), ParallelismConfig("mesh", data=4, model=2))
    ]
    np.testing.assert_allclose(sums[0].nats, sums[1].nats, rtol=1e-5)


@pytest.mark.parametrize("name", CAUSAL)
def test_a_prompt_and_then_an_id_at_a_time_equal_the_whole(name):
    lm, ids_BxL = family(name), expected(name)["ids"][:1].astype(np.int32)
    whole = expected(name)["whole"]
    step = jax.jit(decoding.step_logits, static_argnums=1)
    prompt = jax.jit(decoding.prompt_logits, static_argnums=(1, 4))
    logits, cache = prompt(lm.params, lm.config, ids_BxL[:, :16], np.asarray([16]), 24)
    np.testing.assert_allclose(logits, whole[:, 15], atol=1e-4)
    for place in range(16, 24):
        logits, cache = step(lm.params, lm.config, ids_BxL[:, place], cache)
        np.testing.assert_allclose(logits, whole[:, place], atol=1e-4)


def test_losses_see_the_cap_and_the_bias():
    random = np.random.default_rng(0)
    shapes = ((9, 4), (9, 4), 9)
    table = EmbeddingTable(*(random.normal(size=shape).astype("float32") for shape in shapes))
    x_BxLxD = random.normal(size=(2, 6, 4)).astype("float32")
    targets_BxL = random.integers(0, 8, (2, 6))
    vocabulary = LearnedEmbedding(softcap=1.5, bias=True)

    def plain(table, x_BxLxD):
        log_p = jax.nn.log_softmax(vocabulary.readout(table, x_BxLxD, 8))
        return -jnp.sum(jnp.take_along_axis(log_p, targets_BxL[..., None], axis=-1))

    def chunked(table, x_BxLxD):
        ones = jnp.ones((2, 6))
        return vocabulary.loss(table, x_BxLxD, targets_BxL, ones, LossConfig(8, 4))[0]

    def by_position(table, x_BxLxD):
        return jnp.sum(vocabulary.losses(table, x_BxLxD, targets_BxL, LossConfig(8, 4)).nats_BxL)

    wanted = jax.jit(jax.value_and_grad(plain, (0, 1)))(table, x_BxLxD)
    for ours in (chunked, by_position):
        found = jax.jit(jax.value_and_grad(ours, (0, 1)))(table, x_BxLxD)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), found, wanted)
    logits = vocabulary.readout(table, x_BxLxD, 8)[..., :8]
    assert np.abs(logits).max() <= 1.5 < np.abs(x_BxLxD @ table.output_VxD[:8].T).max()


@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_that_is_missing_or_left_over_or_of_another_shape_is_named(name, tmp_path):
    """Each tensor in turn, by the checkpoint's header alone."""
    lm = family(name)
    whole = dict(shards.open_checkpoint(FOLDERS / name))
    own_family = families.FAMILIES[lm.family]

    def read(tensors):
        return tensor_layout.params_of(tensors, own_family, lm.config, "folder")

    for key in whole:
        with pytest.raises(FreevocabError, match=rf"the tensor {key} is missing"):
            read({other: tensor for other, tensor in whole.items() if other != key})
    key, tensor = next(iter(whole.items()))
    with pytest.raises(FreevocabError, match=r"model\.spare has no place"):
        read(whole | {"model.spare": tensor})

    class Longer:
        shape, read = (3, *tensor.shape), tensor.read

    with pytest.raises(FreevocabError, match=rf"{key} is \[3, .*config.json asks for"):
        read(whole | {key: Longer})


def test_constants_and_equal_copies_are_let_be(tmp_path):
    rows = "transformer.wte.weight"
    folder = rewritten(
        "gpt2",
        tmp_path / "with",
        lambda tensors: tensors
        | {"lm_head.weight": tensors[rows], "transformer.h.0.attn.bias": np.zeros(3, np.float32)},
    )
    assert leaves_equal(pretrained.load(folder).params, family("gpt2").params)
    folder = rewritten(
        "gpt2",
        tmp_path / "other",
        lambda tensors: tensors | {"lm_head.weight": tensors[rows] * 2},
    )
    with pytest.raises(FreevocabError, match=r"lm_head.weight differs from transformer.wte"):
        pretrained.load(folder)
    # The bare model, as the first GPT-2 checkpoints have it.
    folder = rewritten(
        "gpt2",
        tmp_path / "bare",
        lambda tensors: {key.removeprefix("transformer."): one for key, one in tensors.items()},
    )
    assert leaves_equal(pretrained.load(folder).params, family("gpt2").params)
    folder = rewritten(
        "roberta",
        tmp_path / "pooled",
        lambda tensors: tensors
        | {"roberta.pooler.dense.bias": np.zeros(16, np.float32)}
        | {"lm_head.decoder.bias": tensors["lm_head.bias"]},
    )
    assert leaves_equal(pretrained.load(folder).params, family("roberta").params)


def test_shards_and_their_index(tmp_path):
    tensors = {key: one.read() for key, one in shards.open_checkpoint(FOLDERS / "llama").items()}
    entries = [shards.entry(*one) for one in tensors.items()]
    files = shards.write_checkpoint(tmp_path, entries, max_shard_bytes=4000)
    assert len(files) > 2
    shutil.copy(FOLDERS / "llama" / "config.json", tmp_path)
    assert leaves_equal(pretrained.load(tmp_path).params, family("llama").params)


def test_old_and_new_keys_mean_the_same():
    new = pretrained.read_config(FOLDERS / "llama")
    rope = new["rope_parameters"]
    old = {key: value for key, value in new.items() if key not in ("rope_parameters", "dtype")}
    old |= {
        "torch_dtype": "bfloat16",
        "rope_theta": rope["rope_theta"],
        "rope_scaling": {k: v for k, v in rope.items() if k not in ("rope_theta", "rope_type")}
        | {"type": "llama3"},
    }
    llama = families.FAMILIES["llama"]
    wanted = llama.language_model_config(new)
    assert llama.language_model_config(old) == wanted
    for raw in (old, new):
        both = both_generations(raw, "float32")
        assert llama.language_model_config(both) == wanted
        assert both["dtype"] == both["torch_dtype"] == "float32"
        assert both["rope_theta"] == rope["rope_theta"]
        assert both["rope_scaling"] == both["rope_parameters"] == rope
    gemma = pretrained.read_config(FOLDERS / "gemma2")
    del gemma["layer_types"]
    assert families.FAMILIES["gemma2"].language_model_config(gemma) == family("gemma2").config


@pytest.mark.parametrize(
    ("name", "fields", "problem"),
    [
        ("llama", {"model_type": "mamba"}, "'mamba' are not known here, only gpt2, llama"),
        ("llama", {"rope_parameters": {"rope_type": "longrope", "factor": 2.0}}, "'longrope' is"),
        ("llama", {"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor=0.5"),
        ("llama", {"hidden_act": "xielu"}, "activation 'xielu' is not known"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx=True"),
        ("gpt2", {"add_cross_attention": True}, "add_cross_attention=True"),
        ("roberta", {"is_decoder": True}, "is_decoder=True"),
        ("roberta", {"position_embedding_type": "relative_key"}, "'relative_key'"),
        ("gemma2", {"use_bidirectional_attention": True}, "use_bidirectional_attention=True"),
        ("qwen2", {"layer_types": ["chunked_attention", "full_attention"]}, "layer_types"),
        ("llama", {"num_key_value_heads": 3}, "must divide num_heads"),
        ("llama", {"hidden_size": None}, "damaged"),
    ],
)
def test_what_is_not_known_is_named(name, fields, problem, tmp_path):
    with pytest.raises(FreevocabError, match=problem) as caught:
        pretrained.load(rewritten(name, tmp_path / "folder", **fields))
    assert "\n" not in str(caught.value)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(UsageError, match="it has no config.json"):
        pretrained.load(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(FreevocabError, match="damaged"):
        pretrained.load(tmp_path)
    shutil.copy(FOLDERS / "llama" / "config.json", tmp_path)
    with pytest.raises(UsageError, match="no checkpoint"):
        pretrained.load(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    with pytest.raises(UsageError, match="says that freevocab wrote it"):
        family("llama").save(tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").is_file()


def test_ids_and_masks_that_do_not_fit():
    lm = family("gpt2")
    for ids, mask, problem in (
        (np.zeros((1, 33), int), None, "33 positions; this model has 32"),
        (np.full((1, 4), 40), None, r"\[0, 40\)"),
        (np.zeros(4, int), None, r"\[B, L\]"),
        (np.zeros((1, 4), int), np.ones((1, 3)), "the mask is"),
    ):
        with pytest.raises(UsageError, match=problem):
            lm.logits(ids, mask)


VARIANTS = {
    "llama": {},
    "qwen3": {"qk_norm": True, "num_kv_heads": 1},
    "mistral": {"window": 4},
    "qwen2": {"qkv_bias": True},
}


@pytest.mark.parametrize(
    ("name", "tied"), [("llama", False), ("qwen3", True), ("mistral", False), ("qwen2", True)]
)
def test_a_model_trained_here_becomes_one_of_theirs(name, tied, tmp_path):
    """Its inputs are scaled here, and its tables padded; there they are neither."""
    changes = {"positions": "rotary", "mlp": "gated_silu"} | VARIANTS[name]
    params, config = tiny_model(vocab_size=34, vocabulary=LearnedEmbedding(tied), **changes)
    lm = pretrained.from_language_model(params, config, context=64)
    assert (lm.family, lm.config.rows, lm.context) == (name, 34, 64)
    ids_BxL = np.random.default_rng(0).integers(0, 34, (2, 12))
    wanted = jax.jit(language_model.logits, static_argnums=1)(params, config, ids_BxL)[..., :34]
    np.testing.assert_allclose(lm.logits(ids_BxL), wanted, atol=1e-6)
    lm.save(tmp_path / "folder")
    again = pretrained.load(tmp_path / "folder")
    assert leaves_equal(lm.params, again.params)
    assert (again.config.bos_id, again.config.eos_id) == (config.bos_id, config.eos_id)
    np.testing.assert_array_equal(again.logits(ids_BxL), lm.logits(ids_BxL))


def test_what_no_family_has_is_named():
    params = {"trunk": {}, "vocabulary": {"input_VxD": np.zeros((40, 16), np.float32)}}
    for changes, problem in (
        ({}, "t5 positions"),
        ({"positions": "rotary", "mlp": "gelu"}, "two-matrix mlp gelu"),
        ({"positions": "rotary", "norm": "layer"}, "layer norms"),
    ):
        with pytest.raises(UsageError, match=problem):
            pretrained.from_language_model(params, tiny_config(**changes))
    with pytest.raises(UsageError, match="a qwen2 has other"):
        pretrained.from_language_model(params, tiny_config(positions="rotary"), family="qwen2")


def test_llama_is_a_size_like_any_other():
    config = sizes.size("llama-tiny", scale_inputs=False, dtype="bfloat16")
    assert config == dataclasses.replace(
        sizes.size("tiny", dtype="bfloat16"),
        positions="rotary",
        mlp="gated_silu",
        norm_epsilon=1e-5,
        scale_inputs=False,
    )
