import json
import shutil

import jax
import numpy as np
import pytest

from research import codecs, tokenizers
from research.artifact import flatten, unflatten
from research.codecs import lm_folder
from research.codecs.basic import BytesCodec
from research.errors import FreevocabError, UsageError
from research.testing.tiny import tiny_model
from research.testing.tokenizers import tokenizer_json


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    params, config = tiny_model(vocab_size=258, tied=True, positions="rotary", num_kv_heads=1)
    path = tmp_path_factory.mktemp("models") / "tiny"
    lm_folder.save(path, params, config, codecs.load("bytes"), {"steps": 3, "note": "é"})
    return path, params, config


def test_round_trip(folder):
    path, params, config = folder
    again, same_config, codec, meta = lm_folder.load(path)
    jax.tree.map(np.testing.assert_array_equal, params, again)
    assert same_config == config and meta == {"steps": 3, "note": "é"}
    assert codec.fingerprint() == codecs.load("bytes").fingerprint()
    assert sorted(child.name for child in path.iterdir()) == [
        ".freevocab.json",
        "codec",
        "model.json",
        "params.safetensors",
    ]


def test_saving_again_replaces_the_folder(folder, tmp_path):
    path, params, config = folder
    copy = shutil.copytree(path, tmp_path / "model")
    lm_folder.save(copy, params, config, codecs.load("bytes"))
    assert lm_folder.load(copy)[3] == {}
    assert [child.name for child in tmp_path.iterdir()] == ["model"]


def test_a_failed_save_leaves_nothing(folder, tmp_path):
    _, params, config = folder

    class Broken(BytesCodec):
        def save(self, directory):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        lm_folder.save(tmp_path / "model", params, config, Broken())
    assert list(tmp_path.iterdir()) == []
    params, small = tiny_model()
    with pytest.raises(FreevocabError, match="34 ids"):
        lm_folder.save(tmp_path / "model", params, small, codecs.load("bytes"))


def test_a_codec_without_a_folder_format_is_left_out_or_an_error(tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(tokenizer_json("wordpiece"))
    codec = tokenizers.load(tmp_path / "tokenizer.json")
    params, config = tiny_model(vocab_size=codec.vocab_size + 2)
    with pytest.raises(FreevocabError, match="with_codec=False"):
        lm_folder.save(tmp_path / "model", params, config, codec)
    assert not (tmp_path / "model").exists()
    lm_folder.save(tmp_path / "model", params, config, codec, with_codec=False)
    jax.tree.map(
        np.testing.assert_array_equal, params, lm_folder.load(tmp_path / "model", codec)[0]
    )


def edit(path, **changes):
    description = json.loads((path / "model.json").read_text())
    (path / "model.json").write_text(json.dumps(description | changes))


def cut(path):
    data = (path / "params.safetensors").read_bytes()
    (path / "params.safetensors").write_bytes(data[: len(data) // 2])


def reshape(path):
    config = json.loads((path / "model.json").read_text())["config"]
    config["trunk"]["mlp_dim"] = 48
    edit(path, config=config)


def untie(path):
    config = json.loads((path / "model.json").read_text())["config"]
    edit(path, config=config | {"vocabulary": {"kind": "learned", "tied": False}})


def rotate_off(path):
    config = json.loads((path / "model.json").read_text())["config"]
    config["trunk"]["qk_norm"] = True
    edit(path, config=config)


def flip(path):
    params = path / "params.safetensors"
    content = bytearray(params.read_bytes())
    content[-5] ^= 1
    params.write_bytes(content)


DAMAGE = {
    "one bit of a weight": (flip, "is damaged"),
    "no model.json": (lambda path: (path / "model.json").unlink(), "no model folder"),
    "half a json": (lambda path: (path / "model.json").write_text('{"fo'), "is damaged"),
    "not an object": (lambda path: (path / "model.json").write_text("[]"), "does not describe"),
    "not text": (lambda path: (path / "model.json").write_bytes(b"\xff\xfe"), "is damaged"),
    "foreign": (lambda path: edit(path, format="gpt2"), "does not describe"),
    "newer": (lambda path: edit(path, version=2), "update freevocab"),
    "no config": (lambda path: edit(path, config=None), "no usable config"),
    "unknown field": (lambda path: edit(path, config={"trunk": {"depth": 3}}), "no usable config"),
    "meta of another kind": (lambda path: edit(path, meta=[1]), "its meta is"),
    "length of another kind": (lambda path: edit(path, meta={"length": "x"}), "its meta is"),
    "cut parameters": (cut, "is damaged"),
    "no parameters": (lambda path: (path / "params.safetensors").unlink(), "is missing"),
    "other shapes": (reshape, "mlp/down/kernel is float32"),
    "missing array": (untie, "output_VxD is missing"),
    "norms missing": (rotate_off, "key_norm/scale is missing"),
    "other codec": (lambda path: edit(path, codec="0" * 64), "is not the codec"),
    "no codec": (lambda path: shutil.rmtree(path / "codec"), "codec"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_one_clear_line(folder, tmp_path, kind):
    copy = shutil.copytree(folder[0], tmp_path / "model")
    break_it, words = DAMAGE[kind]
    break_it(copy)
    with pytest.raises(FreevocabError, match=words) as caught:
        lm_folder.load(copy)
    assert "\n" not in str(caught.value)


def test_everyone_may_read_what_they_may_read_beside_it(folder):
    modes = {path.stat().st_mode & 0o777 for path in folder[0].iterdir() if path.is_file()}
    assert len(modes) == 1


def test_a_full_disk_is_one_line_and_leaves_nothing(folder, tmp_path, monkeypatch):
    from safetensors import SafetensorError
    from safetensors import numpy as safetensors

    def full(arrays, path):
        raise SafetensorError("No space left on device")

    monkeypatch.setattr(safetensors, "save_file", full)
    _, params, config = folder
    with pytest.raises(FreevocabError, match="cannot write .*model: No space left"):
        lm_folder.save(tmp_path / "model", params, config, codecs.load("bytes"))
    assert not list(tmp_path.iterdir())


def test_no_folder(tmp_path):
    with pytest.raises(UsageError, match="no model folder"):
        lm_folder.load(tmp_path / "nowhere")


def test_flatten_and_back(folder):
    _, params, _ = folder
    flat = flatten(params)
    assert "trunk/layers/attention/query/kernel" in flat and list(flat) == sorted(flat)
    assert jax.tree.structure(unflatten(flat)) == jax.tree.structure(params)
