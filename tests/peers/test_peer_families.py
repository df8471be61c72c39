"""Whole models of each family against transformers' PyTorch: small, random, nothing at its default.

Every parameter has N(0, .1) added; sequences are longer than the sliding window and than the length
that rotary scaling starts from.
"""

import functools
import importlib.util
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from research.errors import FreevocabError
from research.models import decoding, language_model, pretrained, tensor_layout
from research.models.families import FAMILIES
from research.testing.tiny import tiny_model
from research.vocabularies.learned import LearnedEmbedding

FIXTURES = Path(__file__).resolve().parents[1] / "models" / "fixtures" / "make_families.py"
spec = importlib.util.spec_from_file_location("make_families", FIXTURES)
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)

LLAMA = fixtures.LLAMA | {"num_hidden_layers": 3}


def scaled(**rope):
    return {"rope_parameters": {"rope_theta": 500.0} | rope}


MODELS = {
    **fixtures.FAMILIES,
    "gpt2, untied, unscaled, inner": (
        transformers.GPT2Config,
        fixtures.FAMILIES["gpt2"][1]
        | {"tie_word_embeddings": False, "scale_attn_weights": False, "n_inner": 20},
    ),
    "llama, tied": (transformers.LlamaConfig, LLAMA | {"tie_word_embeddings": True}),
    "llama, one key head, wide heads": (
        transformers.LlamaConfig,
        LLAMA | {"num_key_value_heads": 1, "head_dim": 10, "rms_norm_eps": 1e-3},
    ),
    "llama, linear": (transformers.LlamaConfig, LLAMA | scaled(rope_type="linear", factor=3.0)),
    "llama, dynamic": (
        transformers.LlamaConfig,
        LLAMA | scaled(rope_type="dynamic", factor=2.0) | {"max_position_embeddings": 16},
    ),
    "llama, past its positions": (transformers.LlamaConfig, LLAMA | {"max_position_embeddings": 9}),
    "mistral, no window": (transformers.MistralConfig, LLAMA | {"sliding_window": None}),
    "qwen2, untied, no window": (transformers.Qwen2Config, LLAMA),
    "qwen3, window, biases": (
        transformers.Qwen3Config,
        LLAMA
        | {"use_sliding_window": True, "sliding_window": 4, "attention_bias": True}
        | {"layer_types": ["full_attention", "sliding_attention", "full_attention"]},
    ),
    "gemma2, no caps": (
        transformers.Gemma2Config,
        LLAMA
        | {"attn_logit_softcapping": None, "final_logit_softcapping": None, "head_dim": 4}
        | {"sliding_window": 6, "attention_bias": True, "tie_word_embeddings": False},
    ),
    "roberta, untied": (
        transformers.RobertaConfig,
        fixtures.ROBERTA | {"tie_word_embeddings": False},
    ),
    "xlm-roberta, other padding": (
        transformers.XLMRobertaConfig,
        fixtures.ROBERTA | {"pad_token_id": 3, "hidden_act": "relu"},
    ),
}
CAUSAL = [name for name in MODELS if "roberta" not in name]


def past(out):
    """The cache of transformers' output, under the name that this version has for it."""
    name = "cache" if "cache" in out else "past_key_values"
    return {name: out[name]}


@functools.cache
def made(name):
    """transformers' model and the folder's worth of it, ours."""
    model = fixtures.model(*MODELS[name])
    if name == "roberta, untied":  # transformers 5 keeps two biases then; 4 has one
        model.lm_head.bias.data = model.lm_head.decoder.bias.data.clone()
    return model


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("families")

    @functools.cache
    def folder(name):
        path = root / name.replace(", ", "-").replace(" ", "-")
        made(name).save_pretrained(path)
        return path

    return folder


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_logits(name, left, folders):
    theirs, lm = made(name), pretrained.load(folders(name))
    padding_id = getattr(theirs.config, "pad_token_id", None) or 1
    ids, mask, positions = fixtures.batch(seed=1, left=left, padding_id=padding_id)
    wanted = fixtures.logits(theirs, ids, mask, positions)
    text = mask.astype(bool)
    found = np.asarray(lm.logits(ids, mask))
    np.testing.assert_allclose(found[text], wanted[text], atol=1e-4)
    if left:
        whole = fixtures.logits(theirs, ids[:1])
        np.testing.assert_allclose(lm.logits(ids[:1]), whole, atol=1e-4)
        assert np.std(whole) > 0.1


@pytest.mark.parametrize("name", CAUSAL)
def test_cached_decoding(name, folders):
    """Both go on from a prompt of 9 with their caches."""
    theirs, lm = made(name), pretrained.load(folders(name))
    ids = fixtures.batch(seed=2)[0][:1]
    with torch.no_grad():
        out = theirs(input_ids=torch.tensor(ids[:, :9]), use_cache=True)
    logits, cache = jax.jit(decoding.prompt_logits, static_argnums=(1, 4))(
        lm.params, lm.config, ids[:, :9].astype(np.int32), np.asarray([9]), ids.shape[1]
    )
    np.testing.assert_allclose(logits, out.logits[:, -1], atol=1e-4)
    step = jax.jit(decoding.step_logits, static_argnums=1)
    for place in range(9, ids.shape[1]):
        with torch.no_grad():
            out = theirs(
                input_ids=torch.tensor(ids[:, place : place + 1]), use_cache=True, **past(out)
            )
        logits, cache = step(lm.params, lm.config, ids[:, place].astype(np.int32), cache)
        np.testing.assert_allclose(logits, out.logits[:, -1], atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_what_we_save_opens_there_and_gives_our_logits(name, folders, tmp_path):
    lm = pretrained.load(folders(name))
    lm.save(tmp_path / "saved")
    auto = transformers.AutoModelForMaskedLM if lm.masked else transformers.AutoModelForCausalLM
    opened, notes = auto.from_pretrained(
        tmp_path / "saved", attn_implementation="eager", output_loading_info=True
    )
    assert not notes["missing_keys"] and not notes["unexpected_keys"]
    before, after = made(name).state_dict(), opened.state_dict()
    assert before.keys() == after.keys()
    for key, tensor in before.items():
        assert torch.equal(tensor, after[key]), key
    ids = fixtures.batch(seed=3)[0][:1]
    np.testing.assert_allclose(lm.logits(ids), fixtures.logits(opened, ids), atol=1e-4)


@pytest.mark.parametrize("name", fixtures.FAMILIES)
def test_dropping_any_tensor_fails_and_names_it(name, folders, tmp_path):
    weights = load_file(folders(name) / "model.safetensors")
    (tmp_path / "config.json").write_bytes((folders(name) / "config.json").read_bytes())
    for key in weights:
        rest = {other: tensor for other, tensor in weights.items() if other != key}
        save_file(rest, tmp_path / "model.safetensors")
        with pytest.raises(FreevocabError, match=f"{key} is missing"):
            pretrained.load(tmp_path)


def test_old_keys_open_too(folders, tmp_path):
    """A config.json of transformers 4, as it stands beside Llama 3.1."""
    lm = pretrained.load(folders("llama"))
    raw = json.loads((folders("llama") / "config.json").read_text())
    rope = raw.pop("rope_parameters")
    raw["torch_dtype"] = raw.pop("dtype")
    raw["rope_theta"] = rope.pop("rope_theta")
    raw["rope_scaling"] = rope
    (tmp_path / "config.json").write_text(json.dumps(raw))
    weights = folders("llama") / "model.safetensors"
    (tmp_path / "model.safetensors").write_bytes(weights.read_bytes())
    assert pretrained.load(tmp_path).config == lm.config
    theirs = transformers.AutoConfig.from_pretrained(tmp_path)
    lm.save(tmp_path / "saved")
    ours = transformers.AutoConfig.from_pretrained(tmp_path / "saved")
    assert ours.rope_parameters == theirs.rope_parameters


def test_gradients(folders):
    """Of every tensor of one family that has nearly everything: Gemma 2."""
    theirs, lm = made("gemma2"), pretrained.load(folders("gemma2"))
    ids = fixtures.batch(seed=4)[0][:1]
    theirs.zero_grad()
    logits = theirs(input_ids=torch.tensor(ids)).logits
    targets = torch.tensor(np.roll(ids, -1, axis=1))
    torch.nn.functional.cross_entropy(logits[0], targets[0], reduction="sum").backward()
    wanted = {key: one.grad.numpy() for key, one in theirs.named_parameters()}
    batch = {
        "inputs_BxL": ids.astype(np.int32),
        "targets_BxL": np.roll(ids, -1, axis=1).astype(np.int32),
    }
    slopes = jax.jit(jax.grad(lambda p: language_model.loss(p, lm.config, batch)[0]))(lm.params)
    family = FAMILIES["gemma2"]
    found = dict(tensor_layout.tensors_of(slopes, family, lm.config, jnp.dtype("float32")))
    assert found.keys() == wanted.keys()
    for key, slope in wanted.items():
        np.testing.assert_allclose(found[key], slope, atol=1e-4 * max(1, np.abs(slope).max()))
        assert np.abs(slope).max() > 1e-5, key


@pytest.mark.parametrize("changes", [{}, {"qk_norm": True}, {"window": 4}, {"qkv_bias": True}])
def test_a_model_trained_here_opens_there(changes, tmp_path):
    settings = {"positions": "rotary", "mlp": "gated_silu", "num_kv_heads": 1} | changes
    params, config = tiny_model(vocab_size=34, vocabulary=LearnedEmbedding(True), **settings)
    lm = pretrained.from_language_model(params, config, context=32)
    lm.save(tmp_path / "saved")
    opened = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "saved", attn_implementation="eager"
    )
    ids = np.random.default_rng(0).integers(0, 34, (2, 12))
    wanted = language_model.logits(params, config, ids)[..., :34]
    np.testing.assert_allclose(fixtures.logits(opened, ids), wanted, atol=1e-4)
