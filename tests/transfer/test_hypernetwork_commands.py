"""`freevocab train hypernetwork`: from a folder to a folder."""

import dataclasses

import jax
import numpy as np
import pytest

from research import tokenizers, vocabularies
from research.cli import train_hypernetwork
from research.cli.train_hypernetwork import TrainHypernetwork
from research.codecs import lm_folder
from research.codecs.codec_tokenizer import CodecTokenizer
from research.errors import FreevocabError, UsageError
from research.models import language_model, pretrained, sizes
from research.models import safetensors_shards as shards
from research.models.language_model import LanguageModelConfig
from research.testing.tiny import TinyCodec, tiny_model
from research.training.config import OptimizerConfig
from research.transfer import methods, source_model
from research.transfer.hypernet import hypernetwork_file
from research.transfer.methods.auxiliary import Auxiliary
from research.transfer.methods.hypernetwork import Network
from tests.transfer import hf_folders

TINY = {
    "text": "synthetic:40000",
    "layers": 1,
    "slots": 3,
    "vocab_size": 280,
    "queue": 2,
    "window_bytes": 128,
    "length": 8,
    "batch_size": 8,
    "steps": 2,
    "log_every": 1,
    "optimizer": OptimizerConfig(learning_rate=1e-2, schedule="constant"),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A saved model folder."""
    codec = TinyCodec()
    params, config = tiny_model(vocab_size=codec.vocab_size + 2, num_layers=1)
    directory = tmp_path_factory.mktemp("model") / "model"
    lm_folder.save(directory, params, config, codec)
    return directory


def options(model, out, **changes):
    return TrainHypernetwork(**{"model": str(model), "out": str(out), **TINY, **changes})


def test_it_trains_saves_goes_on_and_starts_another(model, tmp_path):
    lines = []
    train_hypernetwork.run(options(model, tmp_path / "hn"), lines.append)
    text = "\n".join(lines)
    assert "FLOPs a step" in text and "parameters; per device" in text
    assert "saved the hypernetwork" in lines[-1]
    first = hypernetwork_file.load(tmp_path / "hn")
    source = source_model.load(model)
    assert hypernetwork_file.check(first, source.table, source.tokenizer)
    target = CodecTokenizer(TinyCodec([b"wo", b"an", b"the"]))
    network = Auxiliary(hypernetwork=Network(first.params, first.config))
    predict = methods.make("hypernetwork", network)
    table = predict(source.table, source.tokenizer, target)
    assert table.input_VxD.shape == (target.vocab_size, 16)
    # Run again for longer: it goes on.
    train_hypernetwork.run(options(model, tmp_path / "hn", steps=3), lines.append)
    assert any("going on from step 2" in line for line in lines)
    # And it is where another one can start.
    start = options(model, tmp_path / "other", init_from=str(tmp_path / "hn"), steps=1)
    train_hypernetwork.run(start, lines.append)
    with pytest.raises(UsageError, match="another shape"):
        train_hypernetwork.run(dataclasses.replace(start, layers=2), lines.append)


@pytest.mark.slow
def test_a_hugging_face_folder_is_a_model_too(model, tmp_path):
    """n-shot, on a tokenizer from a file; the trained trunk is kept beside the network."""
    trunk = sizes.size("llama-tiny")
    tokenizer = hf_folders.bpe(tmp_path / "tokenizer", 270, bos="<s>", eos="</s>")
    config = LanguageModelConfig(trunk, tokenizers.load(tokenizer).vocab_size)
    params = language_model.init(jax.random.key(0), config)
    pretrained.from_language_model(params, config).save(tmp_path / "hf")
    for file in tokenizer.iterdir():
        (tmp_path / "hf" / file.name).write_bytes(file.read_bytes())
    source = source_model.load(tmp_path / "hf")
    asked = options(
        tmp_path / "hf",
        tmp_path / "hn",
        tokenizer=str(tokenizer),
        train_trunk=True,
        loss="both",
        steps=1,
    )
    done = train_hypernetwork.run(asked, str)
    kept = hypernetwork_file.load_trunk(tmp_path / "hn")
    jax.tree.map(np.testing.assert_array_equal, kept, done.trunk)
    # It goes on with the trunk that the network was trained with, or not at all.
    still = OptimizerConfig(learning_rate=1e-9, schedule="constant")
    again = dataclasses.replace(
        asked, init_from=asked.out, out=str(tmp_path / "again"), optimizer=still
    )
    jax.tree.map(
        lambda one, two: np.testing.assert_allclose(one, two, atol=1e-6),
        train_hypernetwork.run(again, str).trunk, kept,
    )  # fmt: skip
    with pytest.raises(UsageError, match="was trained together with a trunk"):
        alone = dataclasses.replace(again, train_trunk=False, out=str(tmp_path / "alone"))
        train_hypernetwork.run(alone, str)
    tensors = {name: one.read() for name, one in shards.open_checkpoint(tmp_path / "hf").items()}
    hf_folders.rewrite(tmp_path / "hf", tensors | {"model.norm.weight": np.zeros(32, np.float32)})
    with pytest.raises(UsageError, match="trunk of another model"):
        train_hypernetwork.run(again, str)
    with pytest.raises(FreevocabError, match="a run with other settings"):
        train_hypernetwork.run(asked, str)
    assert hypernetwork_file.check(
        hypernetwork_file.load(tmp_path / "hn"), source.table, source.tokenizer
    )


def test_a_network_with_languages_is_told_which(model, tmp_path):
    texts = ("made up=synthetic:40000", "English=builtin:topics")
    asked = options(model, tmp_path / "hn", languages=texts, steps=3, max_bytes=20_000)
    train_hypernetwork.run(asked, str)
    kept = hypernetwork_file.load(tmp_path / "hn")
    assert kept.config.languages == 2 and kept.meta["languages"] == ["made up", "English"]
    new = tmp_path / "new"
    TinyCodec([b"wo", b"an", b"the"]).save(new)
    given = dict(hypernetwork=str(tmp_path / "hn"))
    rows = []
    for language in kept.meta["languages"]:
        out = tmp_path / language
        hf_folders.transfer(model, new, out, "hypernetwork", language=language, **given)
        rows.append(np.asarray(lm_folder.load(out)[0]["vocabulary"]["input_VxD"]))
    assert np.abs(rows[0] - rows[1]).max() > 0
    for wrong in ({}, {"language": "French"}):
        said = hf_folders.message(
            UsageError, model, new, tmp_path / "out", "hypernetwork", **given, **wrong
        )
        assert "has made up, English; name the one" in said
    # n-shot is of one of them.
    again = dataclasses.replace(
        asked, languages=(), init_from=asked.out, out=str(tmp_path / "more"), tokenizer=str(new)
    )
    with pytest.raises(UsageError, match="name one of them"):
        train_hypernetwork.run(again, str)
    train_hypernetwork.run(dataclasses.replace(again, language="English", steps=1), str)
    assert hypernetwork_file.load(tmp_path / "more").meta["languages"] == ["made up", "English"]
    with pytest.raises(UsageError, match="with these names in this order"):
        swapped = dataclasses.replace(again, languages=texts[::-1], tokenizer=None)
        train_hypernetwork.run(swapped, str)


def test_wrong_arguments_get_one_line(model, tmp_path):
    with pytest.raises(UsageError, match="goes with --tokenizer"):
        options(model, tmp_path / "hn", train_trunk=True)
    with pytest.raises(UsageError, match="each name once"):
        options(model, tmp_path / "hn", languages=("a=x.txt", "y.txt"))
    with pytest.raises(UsageError, match="name it by --language"):
        options(model, tmp_path / "hn", languages=("a=x.txt",), tokenizer="new")
    with pytest.raises(UsageError, match="goes with --tokenizer; --languages"):
        options(model, tmp_path / "hn", language="a")
    with pytest.raises(UsageError, match="--form zett"):
        options(model, tmp_path / "hn", warmup_steps=3)
    with pytest.raises(UsageError, match="vocab_size"):
        options(model, tmp_path / "hn", vocab_size=100)
    with pytest.raises(UsageError, match="no model folder"):
        train_hypernetwork.run(options(tmp_path, tmp_path / "hn"), str)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="says that freevocab wrote it"):
        train_hypernetwork.run(options(model, tmp_path / "full"), str)
    drawn, config = tiny_model(
        vocab_size=TinyCodec().vocab_size + 2, vocabulary=vocabularies.make("gaussian")
    )
    lm_folder.save(tmp_path / "drawn", drawn, config, TinyCodec())
    with pytest.raises(UsageError, match="only a learned one"):
        train_hypernetwork.run(options(tmp_path / "drawn", tmp_path / "hn"), str)
