import dataclasses
import os
import signal
import sys

import jax
import numpy as np
import pytest

from research import codecs, corpora, interrupts
from research.cli import evaluate, generate, train, train_m1
from research.cli.evaluate import Evaluate
from research.cli.generate import Generate
from research.cli.train import TrainM2
from research.cli.train_m1 import TrainM1
from research.codecs import lm_folder
from research.errors import UsageError
from research.models import language_model, sizes
from research.testing.tiny import TinyCodec, tiny_trunk_config
from research.training import run_folder
from research.training.config import OptimizerConfig, ParallelismConfig
from research.training.prepare import job, run

CORPUS = "synthetic:40000"
VALID_BYTES = 1500
TINY = {
    "corpus": CORPUS,
    "size": "tiny",
    "length": 16,
    "batch_size": 8,
    "steps": 4,
    "log_every": 2,
    "valid_bytes": VALID_BYTES,
    "optimizer": OptimizerConfig(learning_rate=1e-2),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model folder from `train m2`, its sums and what was printed."""
    folder = tmp_path_factory.mktemp("m2")
    TinyCodec().save(folder / "codec")
    lines = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sizes.SIZES, "tiny", tiny_trunk_config())
        options = TrainM2(
            **TINY,
            codec=str(folder / "codec"),
            out=str(folder / "model"),
            parallelism=ParallelismConfig("mesh", data=4, model=2),
        )
        sums = train.train_m2(options, lines.append)
        yield options, sums, lines


def valid_documents():
    left = VALID_BYTES
    for document in corpora.load(CORPUS).documents("valid"):
        if len(document) >= left:
            yield document[:left]
            return
        yield document
        left -= len(document)


def test_train_m2_saves_a_model_and_says_how_good_it_is(trained):
    options, sums, lines = trained
    params, config, codec, meta = lm_folder.load(options.out)
    assert codec.fingerprint() == TinyCodec().fingerprint()
    assert config.vocab_size == codec.vocab_size + 2
    assert meta["length"] == 16 and meta["steps"] == 4 and meta["corpus"] == CORPUS
    assert meta["bits_per_byte"] == sums.bits_per_byte
    assert meta["arguments"]["seed"] == 0
    assert any("FLOPs a step" in line for line in lines)
    assert options.out in lines[-1]
    rows = run_folder.read_metrics(f"{options.out}.work")
    assert rows[0]["settings"]["model"]["vocab_size"] == config.vocab_size
    assert rows[-1]["bits_per_byte"] == sums.bits_per_byte
    # The yardstick: what knowing nothing costs.
    uniform = np.log2(codec.vocab_size) / sums.bytes_per_token
    assert rows[-1]["uniform"] == pytest.approx(uniform)


def test_evaluate_equals_a_plain_sum(trained, tmp_path):
    """Over exact bytes, with documents joined by EOS and sequences begun by BOS."""
    options, sums, _ = trained
    params, config, codec, _ = lm_folder.load(options.out)
    documents = list(valid_documents())
    ids = [id_ for text in codec.encode(documents) for id_ in [*text, config.eos_id]]
    nats = 0.0
    logits = jax.jit(language_model.logits, static_argnums=1)
    for start in range(0, len(ids), 16):
        targets = np.asarray(ids[start : start + 16])
        inputs = np.zeros((1, 16), np.int32)
        inputs[0, : len(targets)] = [config.bos_id, *targets[:-1]]
        scores = np.asarray(logits(params, config, inputs), np.float64)[0, : len(targets)]
        log_z = np.log(np.exp(scores).sum(axis=1))
        nats += float(np.sum(log_z - scores[np.arange(len(targets)), targets]))
    assert sums.tokens == len(ids)
    assert sums.bytes == sum(map(len, documents))
    np.testing.assert_allclose(sums.nats, nats, rtol=1e-5)

    lines = []
    again = evaluate.run(
        Evaluate(options.out, CORPUS, max_bytes=VALID_BYTES, stores=str(tmp_path)), lines.append
    )
    np.testing.assert_allclose(again.nats, nats, rtol=1e-5)
    assert (again.tokens, again.bytes) == (sums.tokens, sums.bytes)
    said = "\n".join(lines)
    assert f"{sums.bytes:,} bytes" in said
    assert f"bits/byte   {nats / np.log(2) / sums.bytes:.4f}" in said
    assert f"tokens/byte {sums.tokens / sums.bytes:.6f}" in said


def test_training_on_takes_the_same_command(trained):
    options, sums, _ = trained
    lines = []
    more = train.train_m2(dataclasses.replace(options, steps=4), lines.append)
    assert any("going on from step 4" in line for line in lines)
    np.testing.assert_allclose(more.nats, sums.nats, rtol=1e-6)


def test_a_prepared_corpus_trains_the_same_model(trained, tmp_path, prepared):
    options, _, _ = trained
    store = prepared(CORPUS, options.codec, tmp_path / "prepared")
    out = tmp_path / "model"
    lines = []
    again = dataclasses.replace(options, out=str(out), store=store, corpus="none")
    train.train_m2(again, lines.append)
    assert f"of {CORPUS} in" in lines[0]
    expected, _, _, _ = lm_folder.load(options.out)
    params, _, _, meta = lm_folder.load(out)
    assert jax.tree.all(jax.tree.map(np.array_equal, params, expected))
    assert meta["corpus"] == CORPUS
    with pytest.raises(UsageError, match="holds ids of tiny-264, not of this bytes: give the --c"):
        train.train_m2(dataclasses.replace(again, codec="bytes", out=str(tmp_path / "other")))


@pytest.fixture
def prepared():
    """Prepares a corpus; the folder."""

    def call(corpus, codec, out):
        corpus = corpora.load(corpus)
        made = job.make(corpus, codec, out, num_shards=3)
        run.prepare(corpus, made, run.one_process, lambda line: None)
        return str(out)

    return call


def test_weights_of_another_codec_are_refused(trained, tmp_path):
    options, _, _ = trained
    wrong = dataclasses.replace(
        options, init_from=options.out, codec="bytes", out=str(tmp_path / "m")
    )
    with pytest.raises(UsageError, match="ids mean something else"):
        train.train_m2(wrong, str)


def test_a_folder_of_other_things_is_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    options = TrainM2(**TINY, codec="bytes", out=str(tmp_path))
    with pytest.raises(UsageError, match="holds thesis.tex, and no .freevocab.json says"):
        train.train_m2(options, str)
    with pytest.raises(UsageError, match="is a file"):
        train_m1.train_m1(TrainM1(**TINY, out=str(tmp_path / "thesis.tex")), str)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def generated(options, capfdbinary):
    generate.run(options)
    sys.stdout.flush()
    return capfdbinary.readouterr().out


def test_generate_streams_text(trained, capfdbinary):
    options, _, _ = trained
    base = Generate(options.out, prompt="and the ", max_tokens=20, seed=1)
    first = generated(base, capfdbinary)
    assert first.startswith(b"and the ") and first.endswith(b"\n")
    first.decode("utf-8")  # whatever was drawn
    assert generated(base, capfdbinary) == first
    assert generated(dataclasses.replace(base, seed=2), capfdbinary) != first
    # The raw bytes are the same text before replacement signs.
    raw = generated(dataclasses.replace(base, raw=True), capfdbinary)
    assert raw.decode("utf-8", "replace") + "\n" == first.decode("utf-8")
    greedy = dataclasses.replace(base, temperature=0.0)
    top_1 = dataclasses.replace(base, top_k=1, seed=9)
    assert generated(greedy, capfdbinary) == generated(top_1, capfdbinary)


@pytest.mark.slow
def test_train_m1_both_ways(tmp_path, monkeypatch):
    from research.codecs.byte_models.transformer import TransformerModel

    monkeypatch.setitem(sizes.SIZES, "tiny", tiny_trunk_config())
    TinyCodec().save(tmp_path / "codec")
    for regime in ("text", "window"):
        out = tmp_path / regime
        options = TrainM1(
            **TINY, out=str(out), regime=regime, codec=str(tmp_path / "codec"), window_bytes=8
        )
        lines = []
        sums = train_m1.train_m1(options, lines.append)
        assert sums.bytes == sum(map(len, valid_documents()))
        assert sums.tokens == sums.bytes + len(list(valid_documents()))
        assert 0 < sums.bits_per_byte < 8.1
        model = codecs.byte_models.load(out)
        assert isinstance(model, TransformerModel)
        frequencies = model.window_frequencies([b"", b"the"])
        assert (frequencies.sum(axis=1) == 2**14).all() and frequencies.min() >= 1
        rows = run_folder.read_metrics(f"{out}.work")
        settings = rows[0]["settings"]
        assert 0 < rows[-1]["window_bits_per_byte"] < 8.1
        assert rows[-1]["bits_per_byte"] == sums.bits_per_byte
        assert settings["regime"] == regime
        assert settings["batch"] == ([8, 16] if regime == "text" else [16, 8])


def test_a_beta_out_of_range_is_refused_before_the_training(tmp_path):
    with pytest.raises(UsageError, match="beta must lie"):
        train_m1.train_m1(TrainM1(out=str(tmp_path / "m1"), beta=17), log=[].append)
    assert not list(tmp_path.iterdir())


def test_regime_window_needs_a_codec(tmp_path):
    with pytest.raises(UsageError, match="needs --codec"):
        train_m1.train_m1(TrainM1(**TINY, out=str(tmp_path / "m"), regime="window"), str)


def test_control_c_saves_the_state_and_leaves_no_model(trained, tmp_path):
    options, sums, _ = trained
    options = dataclasses.replace(options, out=str(tmp_path / "m"))

    def press(line):
        if line.startswith("step 2/4"):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(interrupts.Interrupted, match="the same command goes on from there"):
        train.train_m2(options, press)
    assert not (tmp_path / "m").exists()
    lines = []
    resumed = train.train_m2(options, lines.append)
    assert any("going on from step 2" in line for line in lines)
    np.testing.assert_allclose(resumed.nats, sums.nats, rtol=1e-6)
