"""`freevocab export`: a folder that opens as a checkpoint with the same logits, or one line."""

import jax
import numpy as np
import pytest

from research import cli
from research.codecs import lm_folder
from research.codecs.basic import BytesCodec
from research.codecs.subword import BPECodec
from research.models import language_model, pretrained, sizes
from research.models.language_model import LanguageModelConfig
from research.testing.tokenizers import english
from tests.one_line import is_one_line


def model(folder, codec, size):
    config = LanguageModelConfig(sizes.size(size), codec.vocab_size + 2)
    params = jax.jit(language_model.init, static_argnums=1)(jax.random.key(0), config)
    lm_folder.save(folder, params, config, codec)
    return params, config


def test_logits_and_ids_are_the_models(tmp_path, capsys):
    codec = BPECodec.train(english(), 300)
    params, config = model(tmp_path / "m2", codec, "llama-tiny")
    arguments = ["--model", str(tmp_path / "m2"), "--out", str(tmp_path / "hf"), "--context", "64"]
    assert cli.call(["export", *arguments]) == 0
    assert "a llama with 302 ids" in capsys.readouterr().out
    found = pretrained.load(tmp_path / "hf")
    (ids_L,) = codec.encode([b"the number of items"])
    assert found.tokenizer.encode([b"the number of items"])[0].tolist() == ids_L.tolist()
    assert found.tokenizer.roles["bos"] == 300 and found.context == 64
    ours = np.asarray(language_model.logits(params, config, ids_L[None]))[..., :302]
    np.testing.assert_allclose(np.asarray(found.logits([ids_L])), ours, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("codec", "size", "said"),
    [("bytes", "llama-tiny", "the codec bytes cannot be written"), ("bpe", "tiny", "t5")],
)
def test_what_no_checkpoint_holds_is_one_line(codec, size, said, tmp_path, capsys):
    codec = BytesCodec() if codec == "bytes" else BPECodec.train(english(), 300)
    model(tmp_path / "m2", codec, size)
    out = tmp_path / "hf"
    assert cli.call(["export", "--model", str(tmp_path / "m2"), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert said in error.lower() and is_one_line(error) and not out.exists()
