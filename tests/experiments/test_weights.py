"""The weights in the repository: small, whole, and as good as their records say."""

import dataclasses
import importlib
import json

import pytest

from experiments.compressed_text import m2, m2_pipeline
from experiments.lexinvariant import deciphering, mixture
from experiments.shared import compressors, language_models, weights
from experiments.shared.tables import slug
from experiments.tokenizer_transfer import base_models, hypernetworks
from research.cli import catalog
from research.codecs import lm_folder
from research.errors import FreevocabError
from research.lexinvariance.tasks import mixtures
from research.reporting import results
from research.transfer.hypernet import hypernetwork_file

FOLDERS = sorted(path.parent for path in results.COMMITTED.glob("*/weights/*/record.json"))
TRANSFERRED = [folder for folder in FOLDERS if folder.parts[-3] == "tokenizer_transfer"]
LEXINVARIANT = [folder for folder in FOLDERS if folder.parts[-3] == "lexinvariant"]
COMPRESSED = [folder for folder in FOLDERS if folder.parts[-3] == "compressed_text"]


def name(folder) -> str:
    return "/".join((folder.parts[-3], folder.name))


def record_of(folder) -> dict:
    return json.loads((folder / weights.RECORD).read_text(encoding="utf-8"))


def test_all_weights_fit_a_clone():
    sizes = {
        folder: sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
        for folder in FOLDERS
    }
    assert all(0 < size <= 8 * 2**20 for size in sizes.values()), sizes
    everything = [p for f in results.COMMITTED.glob("*/weights") for p in f.rglob("*")]
    assert sum(path.stat().st_size for path in everything) <= 90 * 2**20


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_a_record_says_how_to_train_them_again(folder):
    record = record_of(folder)
    assert not record["commit"].endswith("+dirty") and record["seconds"] > 0
    assert record["trained"].keys() <= record["loaded"].keys()
    for key, value in record["trained"].items():  # rounding to bfloat16 is no loss to speak of
        assert record["loaded"][key] == pytest.approx(value, rel=0.01, abs=0.01)
    command, table = record["command"].split()[:3], record["command"].split()[2]
    assert command[:2] == ["freevocab", "reproduce"] and "--retrain" in record["command"]
    assert table in {each.path for each in catalog.tables()}


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Where what several models share (byte models, tokenizers) is built once."""
    return tmp_path_factory.mktemp("weights")


@pytest.mark.parametrize("folder", COMPRESSED, ids=name)
def test_a_few_batches_give_what_the_record_says(folder, workdir):
    record = record_of(folder)
    table = record["command"].split()[2].split("/")[1]
    config = importlib.import_module(f"configs.compressed_text.{table}").hours()
    (codec_config,) = (c for c in config.codecs if compressors.folder(c) == folder.name)
    config = dataclasses.replace(config, codecs=(codec_config,))
    corpus = compressors.load_corpus(config.corpus)
    (codec,) = m2_pipeline.build_codecs(config, corpus, workdir, lambda line: None).values()
    described = m2_pipeline.described(codec, codec_config, config, corpus)
    assert results.plain(described) == record["settings"]
    model = m2.model_config(config.m2, codec.vocab_size + 2)
    params = weights.language_model(model, codec).load(folder)
    for key, value in m2_pipeline.beginning(codec, corpus, config, workdir, params).items():
        assert value == pytest.approx(record["loaded"][f"{key} of the beginning"], rel=1e-3)


@pytest.mark.parametrize("folder", TRANSFERRED, ids=name)
def test_a_little_text_gives_what_a_transfers_record_says(folder, tmp_path):
    config = importlib.import_module("configs.tokenizer_transfer.zero_shot").hours()
    if folder.name.startswith("hypernetwork"):
        base = base_models.trained(config, config.seeds[0], tmp_path, str)
        params, network, _ = hypernetwork_file.load(folder)
        found = hypernetworks.beginning(config, base, params, network, tmp_path, str)
    else:
        params, model, codec, _ = lm_folder.load(folder)
        stored = base_models.StoredModel(params, model, codec)
        found = base_models.beginning(config, config.model, stored, tmp_path)
    for key, value in found.items():
        assert value == pytest.approx(record_of(folder)["loaded"][key], rel=1e-3)


@pytest.mark.parametrize("folder", LEXINVARIANT, ids=name)
def test_lexinvariant_weights_give_what_their_record_says(folder, workdir, monkeypatch):
    records, obtain = {}, weights.obtain

    def noted(place, *arguments):
        model, records[place.name] = obtain(place, *arguments)
        return model, records[place.name]

    monkeypatch.setattr(weights, "obtain", noted)
    quiet = {"workdir": workdir, "log": lambda line: None}
    table = record_of(folder)["command"].split()[2].split("/")[1]
    config = importlib.import_module(f"configs.lexinvariant.{table}").hours()
    kind = {"mixture": "chain-", "deciphering": "probe-"}.get(table, "")
    (model,) = (m for m in config.models if kind + slug(m.label) == folder.name)
    if table == "mixture":
        chain = mixtures.random_chain(config.seed, config.alphabet, config.concentration)
        mixture.trained(config, chain, model, run=workdir, **quiet)
    else:
        text = config.text if table == "deciphering" else config.texts[0]
        found = language_models.trained_or_left_out(model, text, config, **quiet)
        if table == "deciphering":
            deciphering.probed(config, model, found, **quiet)
    record = records[folder.name]
    assert record["figures"].keys() == record["loaded"].keys()
    for key, value in record["figures"].items():
        assert value == pytest.approx(record["loaded"][key], rel=1e-3)


class Toy:
    """A model that is a number; it says how often it was trained."""

    def __init__(self, folder):
        self.trained = 0
        self.form = weights.Format(
            lambda path, value: (path.mkdir(parents=True), (path / "n").write_text(str(value))),
            lambda path: float((path / "n").read_text()),
        )
        self.folder = folder

    def obtain(self, source, **settings):
        place = weights.Place("paper", "toy", "table", source, self.folder)
        return weights.obtain(
            place, settings or {"a": 1}, self.form, self._train, lambda n: {"n": n}, str
        )

    def _train(self):
        self.trained += 1
        return 2.5, {"ids": 10, "seconds": 3.0}


def test_retrained_weights_are_kept_and_opened(tmp_path):
    toy = Toy(tmp_path)
    model, record = toy.obtain("retrain")
    assert (model, record["ids"], record["seconds"]) == (2.5, 10, 3.0)
    assert record["figures"] == {"n": 2.5}
    again, second = toy.obtain("retrain")
    assert again == model and toy.trained == 1 and second["loaded"] == {"n": 2.5}
    assert toy.obtain("")[0] == 2.5 and toy.trained == 2


def test_other_settings_and_missing_weights_are_one_line(tmp_path, monkeypatch):
    toy = Toy(tmp_path)
    toy.obtain("retrain")
    with pytest.raises(FreevocabError, match=r"\(a is 2, was 1\).*--retrain"):
        toy.obtain("retrain", a=2)
    monkeypatch.setattr(results, "COMMITTED", tmp_path / "committed")
    with pytest.raises(weights.MissingWeights, match="freevocab reproduce paper/table --scale"):
        toy.obtain("committed")


def test_weights_of_changed_code_are_not_committed(tmp_path):
    Toy(tmp_path).obtain("retrain")
    path = tmp_path / "weights" / "toy" / weights.RECORD
    for commit in ("abc+dirty", None):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"commit": commit}))
        with pytest.raises(FreevocabError, match="not committed"):
            results.keep_weights(tmp_path / "weights", tmp_path / "kept")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"commit": "abc"}))
    results.keep_weights(tmp_path / "weights", tmp_path / "kept")
    assert (tmp_path / "kept/toy/n").read_text() == "2.5"
