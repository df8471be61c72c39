"""`freevocab transfer` as it is typed: what it prints, its exit codes, and what a stop leaves."""

import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from research import codecs, tokenizers
from research.codecs import lm_folder
from research.models import language_model, pretrained, sizes
from research.models import safetensors_shards as shards
from research.testing.tiny import TinyCodec, tiny_model
from tests.one_line import is_one_line
from tests.transfer import hf_folders

NAMES = ("<s>", "</s>")
ROLES = dict(bos="<s>", eos="</s>")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A Llama checkpoint and another tokenizer."""
    path = tmp_path_factory.mktemp("folders")
    old = hf_folders.bpe(path / "old", 400, NAMES, **ROLES)
    new = hf_folders.bpe(path / "new", 500, NAMES, **ROLES)
    return hf_folders.model(path / "model", "llama", 400, tokenizer=old)[0], new


def test_a_folder_is_moved(folders, tmp_path, freevocab):
    model, new = folders
    words = ("transfer", "--model", model, "--tokenizer", new, "--out", tmp_path / "out")
    code, out, err = freevocab(*words, "--dry-run")
    assert (code, err) == (0, "") and "overlap" in out and "writes" in out
    assert list(tmp_path.iterdir()) == []
    code, out, err = freevocab(*words)
    assert (code, err) == (0, "") and out.splitlines()[-1] == f"wrote {tmp_path / 'out'}"
    tables = shards.open_checkpoint(tmp_path / "out")
    assert tables["lm_head.weight"].shape[0] == tables["model.embed_tokens.weight"].shape[0] == 500


def test_errors_are_one_line_and_write_nothing(folders, tmp_path, freevocab):
    model, new = folders
    out = tmp_path / "out"

    def fails(code, *words):
        found, _, err = freevocab("transfer", *words, "--out", out)
        assert found == code and is_one_line(err) and list(tmp_path.iterdir()) == []
        return err

    given = ("--model", model, "--tokenizer", new)
    assert "no folder nowhere" in fails(2, "--model", "nowhere", "--tokenizer", new)
    assert "no file, folder or codec x" in fails(2, "--model", model, "--tokenizer", "x")
    assert "needs --hypernetwork," in fails(2, *given, "--method", "hypernetwork")
    assert "needs --vectors or --aux-text" in fails(2, *given, "--method", "focus")
    assert "--method" in fails(2, *given, "--method", "magic")
    assert "wants SRC=DST" in fails(2, *given, "--map-special", "pad")
    readme = fails(1, "--model", model, "--tokenizer", __file__)
    assert "test_transfer.py" in readme
    assert "would replace --model" in freevocab("transfer", *given, "--out", model)[2]


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_in_the_middle_leaves_nothing(folders, tmp_path, number, code):
    """One tensor takes a minute to read, as from a slow disk."""
    model, new = folders
    slow = tmp_path / "slow"
    slow.mkdir()
    for file in model.iterdir():
        (slow / file.name).write_bytes(file.read_bytes())
    program = (
        "import sys, time\n"
        "from research.models import safetensors_shards as shards\n"
        "from research import cli\n"
        "whole = shards.Tensor.chunks\n"
        "def chunks(self, size=1 << 24):\n"
        "    if 'mlp' in self.name:\n"
        "        print('waiting', flush=True)\n"
        "        time.sleep(60)\n"
        "    return whole(self, size)\n"
        "shards.Tensor.chunks = chunks\n"
        "sys.argv = ['freevocab', *sys.argv[1:]]\n"
        "cli.main()\n"
    )
    words = ["transfer", "--model", str(slow), "--tokenizer", str(new), "--out", "out"]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("waiting"):
            break
    time.sleep(0.2)
    assert len(list(tmp_path.iterdir())) == 2  # a temporary folder stands beside the model
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == code
    assert [path.name for path in tmp_path.iterdir()] == ["slow"]


def test_bits_per_byte_before_and_after(folders, tmp_path, freevocab):
    """Of a working model; with its own tokenizer nothing changes, and the card says what is."""
    _, new = folders
    tokenizer = tokenizers.load(new)
    size, roles = tokenizer.vocab_size, tokenizer.roles
    config = language_model.LanguageModelConfig(
        sizes.size("llama-tiny"), size, size, bos=roles["bos"], eos=roles["eos"]
    )
    params = language_model.init(jax.random.key(0), config)
    pretrained.from_language_model(params, config, tokenizer).save(tmp_path / "model")
    hf_folders.edit(tmp_path / "model" / "config.json", max_position_embeddings=32)
    text = tmp_path / "text.txt"
    text.write_text(hf_folders.text(2000))
    small = hf_folders.bpe(tmp_path / "small", 300, NAMES, **ROLES)
    for target, same in ((new, True), (small, False)):
        out = tmp_path / "out"
        words = ("--model", tmp_path / "model", "--tokenizer", target, "--out", out)
        code, said, err = freevocab("transfer", *words, "--eval-text", text)
        assert (code, err) == (0, "") and "tokens/byte" in said
        scores = hf_folders.config_of(out, "freevocab_transfer.json")["scores"]
        assert (scores["before"] == scores["after"]) is same and scores["bytes"] == 2000
        assert scores["after"]["tokens/byte"] >= scores["before"]["tokens/byte"]
        code, said, _ = freevocab("evaluate", "--model", out, "--text", text,
                                  "--stores", tmp_path / "stores")  # fmt: skip
        assert code == 0 and f"{scores['after']['bits/byte']:.4f}" in said
        assert f"{scores['after']['bits/byte']:.4f}" in (out / "README.md").read_text()


def test_a_model_of_ours_moves_to_another_codec(tmp_path, freevocab):
    params, config = tiny_model(vocab_size=258, positions="rotary")
    lm_folder.save(tmp_path / "old", params, config, codecs.load("bytes"), {"length": 64})
    TinyCodec().save(tmp_path / "codec")
    (tmp_path / "text.txt").write_text(hf_folders.text(3000))
    words = ("transfer", "--model", tmp_path / "old", "--tokenizer", tmp_path / "codec")
    words = (*words, "--out", tmp_path / "new")
    code, out, err = freevocab(*words, "--dry-run")
    assert (code, err) == (0, "") and not (tmp_path / "new").exists()
    assert "258 ids" in out and "266 ids" in out
    code, out, err = freevocab(*words, "--eval-text", tmp_path / "text.txt")
    assert (code, err) == (0, "") and "bits/byte" in out
    moved, new_config, codec, meta = lm_folder.load(tmp_path / "new")
    assert new_config.vocab_size == 266 and codec.vocab_size == 264
    assert meta["length"] == 64 and meta["transfer"]["method"] == "fvt"
    for name in ("input_VxD", "output_VxD"):
        old, new = (np.asarray(one["vocabulary"][name]) for one in (params, moved))
        np.testing.assert_array_equal(new[:256], old[:256])
        np.testing.assert_array_equal(new[264:266], old[256:258])  # BOS and EOS
        the = np.frombuffer(b"the ", np.uint8)
        np.testing.assert_allclose(new[256], old[the].mean(0), rtol=1e-5, atol=1e-7)
    card = (tmp_path / "new" / "README.md").read_text()
    assert "| before |" in card and "| after |" in card
    for word, says in (("nowhere", "give a codec's name or folder"), ("gzip", "no strings")):
        code, _, err = freevocab(*words[:3], "--tokenizer", word, "--out", tmp_path / "x")
        assert code == 2 and says in err and not (tmp_path / "x").exists()
