"""Checkpoints moved with the trunk that n-shot training left, and variants of them."""

import dataclasses
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import tokenizers

from research.codecs import lm_folder
from research.errors import FreevocabError, UsageError
from research.models import pretrained
from research.models import safetensors_shards as shards
from research.models.families import FAMILIES
from research.testing.tiny import TinyCodec, tiny_model
from research.transfer import matching, source_model
from research.transfer.hypernet import hypernetwork_file, task_vectors
from research.vocabularies import hypernetwork
from tests.transfer.hf_folders import config_of, message, rewrite, transfer

FIXTURES = Path(__file__).parent.parent / "models" / "fixtures" / "families"
LETTERS = "abcdefghijklmnopqrstuvwxyz .,'!?-:;()"  # with three special tokens, 40 ids


def tokenizer(path, merges=()):
    """A folder's tokenizer.json of single letters and the merges given."""
    vocab = ["<s>", "</s>", "<mask>", *LETTERS, *(a + b for a, b in merges)]
    made = tokenizers.Tokenizer(
        tokenizers.models.BPE({name: id_ for id_, name in enumerate(vocab)}, list(merges))
    )
    made.add_special_tokens(vocab[:3])
    path.mkdir(exist_ok=True)
    made.save(str(path / "tokenizer.json"))
    roles = {"bos_token": "<s>", "eos_token": "</s>", "mask_token": "<mask>"}
    (path / "tokenizer_config.json").write_text(json.dumps(roles))
    return path


def changed(tree, seed, scale=0.1):
    """The same tree with other numbers."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda one: np.asarray(one + scale * rng.normal(size=one.shape), np.float32), tree
    )


def network(path, source, **facts):
    """A network for a model, saved with its trunk after some training."""
    config = source_model.network_for(source, num_layers=1, num_heads=2)
    params = hypernetwork.init(jax.random.key(0), config, source.table)
    trunk = changed(source.params["trunk"], 1)
    hypernetwork_file.save(path, changed(params, 2), config, source, facts, trunk=trunk)
    hypernetwork_file.save(f"{path}-alone", changed(params, 2), config, source)
    return trunk


@pytest.fixture(params=["llama", "gpt2", "roberta", "gemma2"])
def made(request, tmp_path):
    """(base folder, its variant's, the new tokenizer's, the network's, its trunk)."""
    return make(request.param, tmp_path)


@pytest.fixture
def one_made(tmp_path):
    """The same of one family."""
    return make("gpt2", tmp_path)


def make(family, tmp_path):
    """See `made`."""
    base = tmp_path / "base"
    pretrained.load(FIXTURES / family).save(base, dtype="float32")
    tokenizer(base)
    trunk = network(tmp_path / "hn", source_model.load(base))
    variant = tmp_path / "variant"
    model = pretrained.load(base)
    params = {"trunk": changed(model.params["trunk"], 3), "vocabulary": model.params["vocabulary"]}
    dataclasses.replace(model, params=params).save(variant)
    new = tokenizer(tmp_path / "new", [("t", "h"), ("th", "e"), ("a", "n")])
    return base, variant, new, tmp_path / "hn", trunk


def test_the_models_own_trunk_becomes_what_training_left(made, tmp_path):
    base, _, new, hn, trunk = made
    said = transfer(base, new, tmp_path / "out", "hypernetwork", hypernetwork=str(hn))
    assert "the trunk changes too" in said
    moved = pretrained.load(tmp_path / "out")
    jax.tree.map(np.testing.assert_array_equal, moved.params["trunk"], trunk)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "every other tensor" not in card and "n-shot training in the new tokenizer's" in card
    assert "has seen no text" not in card
    transfer(base, new, tmp_path / "half", "hypernetwork", hypernetwork=str(hn), task_vector=0.5)
    before = pretrained.load(base).params["trunk"]
    half = pretrained.load(tmp_path / "half").params["trunk"]
    jax.tree.map(
        lambda one, a, b: np.testing.assert_allclose(one, (a + b) / 2, atol=1e-6),
        half, before, trunk,
    )  # fmt: skip


def test_a_variant_gets_a_share_of_the_change_and_the_bases_rows(made, tmp_path):
    base, variant, new, hn, trunk = made
    given = dict(hypernetwork=str(hn), base=str(base))
    transfer(variant, new, tmp_path / "out", "hypernetwork", task_vector=0.3, **given)
    transfer(variant, new, tmp_path / "none", "hypernetwork", task_vector=0, **given)
    transfer(base, new, tmp_path / "moved", "hypernetwork", hypernetwork=str(hn))
    own, before = pretrained.load(variant).params, pretrained.load(base).params
    out, none, moved = (pretrained.load(tmp_path / n).params for n in ("out", "none", "moved"))
    jax.tree.map(
        lambda one, own, old, after: np.testing.assert_allclose(
            one, own + 0.3 * (after - old), atol=1e-6
        ),
        out["trunk"], own["trunk"], before["trunk"], trunk,
    )  # fmt: skip
    jax.tree.map(np.testing.assert_array_equal, none["trunk"], own["trunk"])
    source, target = source_model.load(base), source_model.load(tmp_path / "out")
    match = matching.match(source.tokenizer, target.tokenizer)
    for params in (out, none):
        rows = params["vocabulary"]["input_VxD"]
        theirs = moved["vocabulary"]["input_VxD"]
        np.testing.assert_array_equal(rows[match.new_target_M], theirs[match.new_target_M])
        np.testing.assert_array_equal(
            rows[match.special_target_S], own["vocabulary"]["input_VxD"][match.special_source_S]
        )


def test_what_does_not_fit_together_is_refused(one_made, tmp_path):
    base, variant, new, hn, _ = one_made
    given, out = dict(hypernetwork=str(hn)), tmp_path / "out"

    def said(model, **options):
        return message(UsageError, model, new, out, "hypernetwork", **options)

    # The variant's tables are the base's (as after LoRA); only its trunk tells them apart.
    assert "give that one by --base" in said(variant, **given)
    assert "its trunk differs" in said(base, base=str(variant), task_vector=1.0, **given)
    assert "say by --task-vector" in said(variant, base=str(base), **given)
    alone = dict(hypernetwork=f"{hn}-alone")
    assert "has no trunk" in said(base, task_vector=0.5, **alone)
    assert "must be a number" in said(base, task_vector=float("nan"), **given)
    assert "there is no folder" in said(base, base=str(tmp_path / "nowhere"), **given)
    with pytest.raises(UsageError, match="no use for --base, --task-vector"):
        transfer(base, new, out, "fvt", base=str(variant), task_vector=0.0)


def test_a_bare_checkpoint_may_have_a_variant_with_full_names(made, tmp_path):
    """The hub's GPT-2 has no prefix, what transformers saves has one."""
    base, variant, new, hn, _ = made
    tensors = {name: one.read() for name, one in shards.open_checkpoint(base).items()}
    prefix = FAMILIES[config_of(base)["model_type"]].prefix
    bare = {name.removeprefix(prefix): one for name, one in tensors.items()}
    shutil.copytree(base, tmp_path / "bare")
    rewrite(tmp_path / "bare", bare)
    given = dict(hypernetwork=str(hn), task_vector=0.3)
    for where in ("base", "bare"):
        transfer(variant, new, tmp_path / f"of-{where}", "hypernetwork",
                 base=str(tmp_path / where), **given)  # fmt: skip
    one, other = (pretrained.load(tmp_path / f"of-{where}") for where in ("base", "bare"))
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)


def test_a_trunk_of_another_depth_or_with_no_numbers_left_is_refused(one_made, tmp_path):
    base, _, new, hn, _ = one_made
    model = pretrained.load(base)
    trunk, shape = model.params["trunk"], model.config.trunk
    more = jax.tree.map(lambda one: np.concatenate([one, one[:1]]), trunk["layers"])
    shape = dataclasses.replace(shape, num_layers=shape.num_layers + 1)
    deep = dataclasses.replace(
        model,
        params={**model.params, "trunk": {**trunk, "layers": more}},
        config=dataclasses.replace(model.config, trunk=shape),
        raw={**model.raw, "n_layer": shape.num_layers},
    )
    deep.save(tmp_path / "deep")
    given = dict(hypernetwork=str(hn), base=str(base), task_vector=0.5)
    out = tmp_path / "out"
    said = message(UsageError, tmp_path / "deep", new, out, "hypernetwork", **given)
    assert "is of another shape than" in said and "deep" in said
    huge = dict(hypernetwork=str(hn), task_vector=1e39)
    assert "not finite" in message(FreevocabError, base, new, out, "hypernetwork", **huge)


def test_the_card_says_whose_ids_were_trained_on(one_made, tmp_path):
    base, variant, new, hn, _ = one_made
    source = source_model.load(base)
    network(tmp_path / "other", source, target={"name": "WordPiece of Mars", "fingerprint": "-"})
    given = dict(hypernetwork=str(tmp_path / "other"))
    transfer(base, new, tmp_path / "out", "hypernetwork", **given)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "training in the ids of WordPiece of Mars" in card and "has seen no text" in card
    assert "SHA-256 of --hypernetwork: trunk" in card
    given |= dict(base=str(base), task_vector=0.5)
    transfer(variant, new, tmp_path / "of-variant", "hypernetwork", **given)
    card = (tmp_path / "of-variant" / "README.md").read_text()
    assert "did to the base model's trunk was added, 0.5 times" in card
    assert "SHA-256 of --base: config.json" in card


def test_a_bfloat16_checkpoint_keeps_its_type(one_made, tmp_path):
    base, _, new, hn, trunk = one_made
    options = dict(hypernetwork=str(hn), dtype="bfloat16")
    transfer(base, new, tmp_path / "out", "hypernetwork", **options)
    assert config_of(tmp_path / "out")["dtype"] == "bfloat16"
    assert {one.code for one in shards.open_checkpoint(tmp_path / "out").values()} == {"BF16"}
    moved = pretrained.load(tmp_path / "out").params["trunk"]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0.01), moved, trunk)


def test_a_folder_of_ours_too(tmp_path):
    codec, new = TinyCodec(), TinyCodec([b"wo", b"an", b"the"])
    params, config = tiny_model(vocab_size=codec.vocab_size + 2, num_layers=1)
    lm_folder.save(tmp_path / "base", params, config, codec)
    new.save(tmp_path / "new")
    source = source_model.load(tmp_path / "base")
    after = network(tmp_path / "hn", source, target={"name": "another", "fingerprint": "-"})
    tuned = {**params, "trunk": changed(params["trunk"], 3)}
    lm_folder.save(tmp_path / "variant", tuned, config, codec)
    given = dict(hypernetwork=str(tmp_path / "hn"))
    said = transfer(tmp_path / "base", tmp_path / "new", tmp_path / "out", "hypernetwork", **given)
    assert "last trained on one tokenizer, another" in said
    out = lm_folder.load(tmp_path / "out")[0]["trunk"]
    jax.tree.map(np.testing.assert_array_equal, out, after)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "Opens in freevocab" in card and "transformers" not in card
    given |= dict(base=str(tmp_path / "base"), task_vector=0.5)
    transfer(tmp_path / "variant", tmp_path / "new", tmp_path / "v", "hypernetwork", **given)
    wanted = task_vectors.add(tuned["trunk"], params["trunk"], after, 0.5)
    out = lm_folder.load(tmp_path / "v")[0]["trunk"]
    jax.tree.map(np.testing.assert_array_equal, out, wanted)


def test_a_fingerprint_does_not_depend_on_the_layout():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 4)), rng.normal(size=5)
    one = task_vectors.fingerprint([a, b])
    assert one == task_vectors.fingerprint([b, a.T[:, :1], a.T[:, 1:]])
    assert one != task_vectors.fingerprint([a, b + 1e-6])
    assert one != task_vectors.fingerprint([a])
