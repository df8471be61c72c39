import json

import jax
import numpy as np
import pytest

from research.codecs.codec_tokenizer import CodecTokenizer
from research.errors import FreevocabError, UsageError
from research.testing.tiny import TinyCodec, tiny_model
from research.transfer.hypernet import hypernetwork_file, task_vectors
from research.transfer.source_model import SourceModel, network_for
from research.vocabularies import hypernetwork
from research.vocabularies.protocol import EmbeddingTable


@pytest.fixture(scope="module")
def source():
    tokenizer = CodecTokenizer(TinyCodec())
    params, config = tiny_model(vocab_size=tokenizer.vocab_size)
    return SourceModel(params, config, tokenizer)


@pytest.fixture
def folder(source, tmp_path):
    config = network_for(source, num_layers=1, num_heads=2)
    params = hypernetwork.init(jax.random.key(1), config, source.table)
    hypernetwork_file.save(
        tmp_path / "hn", params, config, source, {"steps": 3}, trunk=source.params["trunk"]
    )
    return tmp_path / "hn", params, config


def test_what_is_saved_is_loaded(source, folder):
    path, params, config = folder
    saved = hypernetwork_file.load(path)
    assert saved.config == config and saved.meta["steps"] == 3
    jax.tree.map(np.testing.assert_array_equal, saved.params, params)
    trunk = hypernetwork_file.load_trunk(path)
    jax.tree.map(np.testing.assert_array_equal, trunk, source.params["trunk"])
    assert hypernetwork_file.check(saved, source.table, source.tokenizer)
    table = source.table
    variant = EmbeddingTable(table.input_VxD + 0.01, table.output_VxD)
    assert not hypernetwork_file.check(saved, variant, source.tokenizer)


def test_it_refuses_tables_and_ids_of_other_models(source, folder):
    saved, table = hypernetwork_file.load(folder[0]), source.table
    for other in (
        EmbeddingTable(table.input_VxD),
        EmbeddingTable(table.input_VxD[:-1], table.output_VxD[:-1]),
        EmbeddingTable(table.input_VxD[:, :8], table.output_VxD[:, :8]),
    ):
        with pytest.raises(UsageError, match="train one for this model") as caught:
            hypernetwork_file.check(saved, other, source.tokenizer)
        assert "\n" not in str(caught.value)
    strings = [b"the", b"and", b"ing", b"th", b"er", b"in", b"e ", b", "]
    with pytest.raises(UsageError, match="pieces of the tokenizer"):
        hypernetwork_file.check(saved, table, CodecTokenizer(TinyCodec(strings)))


def test_damage_gets_one_line(folder, tmp_path):
    path = folder[0]
    description = json.loads((path / "hypernetwork.json").read_text())
    weights = (path / "params.safetensors").read_bytes()

    def fails(error, match):
        with pytest.raises(error, match=match) as caught:
            hypernetwork_file.load(path)
        assert "\n" not in str(caught.value)

    def describe(**changes):
        (path / "hypernetwork.json").write_text(json.dumps(description | changes))

    (path / "params.safetensors").write_bytes(weights[:-4] + b"abcd")
    fails(FreevocabError, "damaged")
    (path / "params.safetensors").write_bytes(weights)
    describe(version=2)
    fails(FreevocabError, "version 2")
    describe(format="other")
    fails(UsageError, "does not describe")
    describe(config={**description["config"], "num_layers": 2})
    fails(FreevocabError, "layer_1/.* is missing")
    describe(config={"d_model": 16})
    fails(FreevocabError, "hypernetwork.json is damaged")
    describe(meta={"languages": 7})
    fails(FreevocabError, "hypernetwork.json is damaged")
    describe(source={})
    fails(FreevocabError, "hypernetwork.json is damaged")
    (path / "hypernetwork.json").write_text("{")
    fails(FreevocabError, "damaged")
    describe()
    (path / "params.safetensors").unlink()
    fails(FreevocabError, "missing")
    with pytest.raises(UsageError, match="no hypernetwork folder"):
        hypernetwork_file.load(tmp_path)


def test_task_vectors_are_added_leaf_by_leaf(source):
    before = source.params["trunk"]
    after = jax.tree.map(lambda leaf: leaf + 1.0, before)
    variant = jax.tree.map(lambda leaf: leaf * 2.0, before)
    added = task_vectors.add(variant, before, after, 0.5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b + 0.5, rtol=1e-6), added, variant)
    assert task_vectors.add(variant, before, after, 0.0) is variant
    smaller = {**before, "final_norm": {"scale": before["final_norm"]["scale"][:3]}}
    with pytest.raises(UsageError, match="of another model: final_norm/scale"):
        task_vectors.add(variant, smaller, after, 0.5)
    with pytest.raises(UsageError, match="of another model"):
        task_vectors.add(variant, {"final_norm": before["final_norm"]}, after, 0.5)
