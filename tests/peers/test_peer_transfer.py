"""transformers opens what `freevocab transfer` wrote: the old model behind the new ids."""

import json

import numpy as np
import pytest
import torch
import transformers

from research import tokenizers
from research.models import pretrained
from research.models import safetensors_shards as shards
from research.transfer import matching
from tests.transfer import hf_folders

SHARED = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
              max_position_embeddings=64)  # fmt: skip
GROUPED = SHARED | dict(num_key_value_heads=2, head_dim=8)
FAMILIES = {
    "gpt2": dict(n_embd=32, n_layer=2, n_head=4, n_positions=64),
    "llama": GROUPED,
    "llama, tied": GROUPED | dict(tie_word_embeddings=True),
    "mistral": GROUPED | dict(sliding_window=8),
    "qwen2": GROUPED,
    "qwen3": GROUPED,
    "gemma2": GROUPED | dict(sliding_window=8, query_pre_attn_scalar=8),
    "roberta": SHARED,
    "xlm-roberta": SHARED,
}
MASKED = ("roberta", "xlm-roberta")
NAMES = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
IDS = dict(bos_token_id=0, pad_token_id=1, eos_token_id=2)


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    roles = dict(zip(("bos", "pad", "eos", "unk", "mask"), NAMES, strict=True))
    return hf_folders.bpe(tmp_path_factory.mktemp("old") / "old", 420, NAMES, **roles)


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    names = ("[EOS]", "[BOS]", "[PAD]", "[MASK]")
    roles = dict(zip(("eos", "bos", "pad", "mask"), names, strict=True))
    path = tmp_path_factory.mktemp("new") / "new"
    hf_folders.bpe(path, 600, names, False, **roles)
    # A class that would build its own pre-tokenizer around these entries.
    config = hf_folders.config_of(path, "tokenizer_config.json")
    config |= {"tokenizer_class": "LlamaTokenizerFast", "model_max_length": 64}
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    return path


def auto(kind):
    masked = kind in MASKED
    return transformers.AutoModelForMaskedLM if masked else transformers.AutoModelForCausalLM


@pytest.fixture(scope="module", params=FAMILIES)
def moved(request, old, new, tmp_path_factory):
    """(family, the original's folder, that of the model after its transfer)."""
    kind, path = request.param.split(",")[0], tmp_path_factory.mktemp("models")
    config = transformers.AutoConfig.for_model(
        kind, vocab_size=432, **IDS, **FAMILIES[request.param]
    )
    torch.manual_seed(0)
    model = auto(kind).from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(path / "old")
    transformers.PreTrainedTokenizerFast.from_pretrained(old).save_pretrained(path / "old")
    hf_folders.transfer(path / "old", new, path / "out")
    return kind, path / "old", path / "out"


def logits(kind, folder, ids_BxL):
    model, info = auto(kind).from_pretrained(folder, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.no_grad():
        return model.eval()(torch.tensor(ids_BxL)).logits.numpy()


def test_the_tokenizer_is_the_one_that_was_asked_for(moved, new, tmp_path, monkeypatch):
    _, _, out = moved
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path))
    ours, roles = tokenizers.load(out), ("bos", "eos", "pad", "mask")
    text = hf_folders.text(20_000) + " naïve 大象 \n\n\t x"
    (ids,) = ours.encode([text])
    np.testing.assert_array_equal(ids, tokenizers.load(new).encode([text])[0])
    for options in ({}, {"trust_remote_code": True}):
        theirs = transformers.AutoTokenizer.from_pretrained(out, **options)
        assert theirs(text, add_special_tokens=False)["input_ids"] == ids.tolist()
        assert theirs.decode(ids) == text and theirs.model_max_length == 64
        assert [getattr(theirs, f"{role}_token_id") for role in roles] == [
            ours.roles[role] for role in roles
        ]
    config = transformers.AutoConfig.from_pretrained(out)
    assert config.vocab_size == len(theirs) == 604
    assert (config.bos_token_id, config.eos_token_id) == (601, 600)


def test_entries_in_common_get_the_originals_logits(moved):
    """A text of such entries is the same vectors to the trunk, so the same logits come out."""
    kind, old, out = moved
    match = matching.match(tokenizers.load(old), tokenizers.load(out))
    rng = np.random.default_rng(0)
    at_BxL = rng.integers(0, len(match.overlap_target_N), (2, 24))
    before = logits(kind, old, match.overlap_source_N[at_BxL].astype(int))
    after = logits(kind, out, match.overlap_target_N[at_BxL].astype(int))
    assert after.shape[-1] == 604
    np.testing.assert_allclose(
        after[..., match.overlap_target_N], before[..., match.overlap_source_N], atol=2e-5
    )
    special = before[..., match.special_source_S]
    np.testing.assert_allclose(after[..., match.special_target_S], special, atol=2e-5)


def test_it_gives_our_logits(moved):
    kind, _, out = moved
    ids = np.random.default_rng(1).integers(0, 600, (2, 24))
    ours = pretrained.load(out).logits(ids)
    np.testing.assert_allclose(ours, logits(kind, out, ids), atol=1e-4)


def test_it_generates_from_text(moved):
    kind, _, out = moved
    if kind in MASKED:
        fill = transformers.pipeline("fill-mask", str(out))
        assert len(fill("The [MASK] is")) == 5
        return
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    model = transformers.AutoModelForCausalLM.from_pretrained(out)
    given = tokenizer(["The first", "A"], return_tensors="pt", padding=True)
    made = model.generate(**given, max_new_tokens=4, do_sample=False)
    assert made.shape[1] == given["input_ids"].shape[1] + 4 or 600 in made


def test_shards_and_bfloat16_open(moved, tmp_path):
    kind, _, out = moved
    source = shards.open_checkpoint(out)
    for file in out.glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    entries = [tensor.entry() for tensor in source.values()]
    names = shards.write_checkpoint(tmp_path, entries, max_shard_bytes=40_000)
    assert len(names) > 2
    ids = np.arange(20)[None]
    np.testing.assert_array_equal(logits(kind, tmp_path, ids), logits(kind, out, ids))
