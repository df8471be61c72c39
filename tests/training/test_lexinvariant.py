"""Models whose vocabulary is drawn or numbered train alike everywhere, and can be kept."""

import functools

import jax
import numpy as np
import pytest

from research import vocabularies
from research.cli import evaluate, generate, train
from research.cli.evaluate import Evaluate
from research.cli.generate import Generate
from research.cli.train import TrainLexinvariant
from research.codecs import lm_folder
from research.errors import UsageError
from research.models import language_model, sizes
from research.testing.tiny import tiny_config, tiny_trunk_config
from research.training import parallelism
from research.training.compile import compile_step
from research.training.config import OptimizerConfig, ParallelismConfig, TrainConfig
from research.training.data import batches
from research.training.parallelism import DataShard

KINDS = {
    "single": ParallelismConfig(),
    "4x2": ParallelismConfig("mesh", data=4, model=2),
    "pmap": ParallelismConfig("pmap"),
}


def five_steps(vocabulary, parallel, make_batch):
    config = tiny_config(
        vocab_size=60,
        d_model=64 if vocabulary.kind == "orthogonal" else 16,
        num_heads=4,
        head_dim=4,
        num_layers=1,
        vocabulary=vocabulary,
    )

    def batch_fn(number):
        return batches.with_keys(make_batch(number), 3, number)

    # Of a wide model's many entries some have hardly a gradient: AdamW's usual epsilon would
    # magnify its rounding to steps of the whole learning rate.
    epsilon = 1e-5 if vocabulary.kind == "orthogonal" else 1e-8
    optimizer = OptimizerConfig(learning_rate=1e-2, epsilon=epsilon)
    compiled = compile_step(
        lambda params, batch: language_model.loss(params, config, batch, z_loss=1e-4),
        functools.partial(language_model.init, config=config),
        batch_fn(0),
        TrainConfig(steps=5, optimizer=optimizer, parallelism=parallel),
    )
    state, losses = compiled.init(0), []
    for number in range(5):
        placed = parallelism.put_batch(parallel, compiled.mesh, batch_fn(number))
        state, metrics = compiled.step(state, placed)
        losses.append(float(metrics["nats"]) / float(metrics["tokens"]))
    return losses, jax.device_get(state.params)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "parallel"),
    [
        ("gaussian", ("4x2", "pmap")),
        ("orthogonal", ("4x2", "pmap")),
        ("canonical", ("4x2",)),
        ("permuted", ("pmap",)),
    ],
)
def test_one_and_eight_devices_train_alike(kind, parallel, bigram):
    vocabulary = vocabularies.make(kind)
    losses, params = five_steps(vocabulary, KINDS["single"], bigram.batch)
    assert losses[-1] < losses[0]
    for name in parallel:
        others, moved = five_steps(vocabulary, KINDS[name], bigram.batch)
        np.testing.assert_allclose(others, losses, rtol=1e-5)
        jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-5), moved, params)


def test_a_bound_trains_as_the_exact_loss_does(bigram):
    """With no table held: the objective is an upper bound, and steps lower the exact loss too."""
    lazy = vocabularies.make("gaussian", dense_limit=0)
    config = tiny_config(vocab_size=60, num_layers=1, vocabulary=lazy)
    loss = functools.partial(language_model.loss, config=config)
    exact = functools.partial(language_model.exact_loss, config=config)
    compiled = compile_step(
        lambda params, batch: loss(params, batch=batch),
        functools.partial(language_model.init, config=config),
        batches.with_keys(bigram.batch(0), 0, 0),
        TrainConfig(steps=30, optimizer=OptimizerConfig(learning_rate=1e-2)),
    )
    state = compiled.init(0)
    held_out = batches.with_keys(bigram.batch(999), 1, 0)
    before = float(exact(jax.device_get(state.params), batch=held_out)[0])
    for number in range(30):
        state, _ = compiled.step(state, batches.with_keys(bigram.batch(number), 0, number))
    assert float(exact(jax.device_get(state.params), batch=held_out)[0]) < before


def test_each_process_draws_the_rows_of_its_sequences(bigram):
    whole = batches.with_keys(bigram.batch(0), 5, 2)["keys_Bx2"]
    half = {name: value[:8] for name, value in bigram.batch(0).items()}
    parts = [batches.with_keys(half, 5, 2, DataShard(index, 2))["keys_Bx2"] for index in range(2)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("vocabulary", ["gaussian", "canonical", "partial"])
def test_the_command_trains_saves_and_evaluates(vocabulary, tmp_path, monkeypatch):
    monkeypatch.setitem(sizes.SIZES, "tiny", tiny_trunk_config())
    options = TrainLexinvariant(
        corpus="synthetic:40000",
        size="tiny",
        vocabulary=vocabulary,
        length=16,
        batch_size=8,
        steps=2,
        valid_bytes=1500,
        out=str(tmp_path / "model"),
        optimizer=OptimizerConfig(learning_rate=1e-2),
    )
    lines = []
    sums = train.train_m2(options, lines.append)
    params, config, codec, meta = lm_folder.load(options.out)
    assert (codec.name, meta["length"]) == ("characters", 16)
    assert config.vocabulary.kind == ("learned" if vocabulary == "partial" else vocabulary)
    again = evaluate.run(
        Evaluate(
            options.out,
            corpus=options.corpus,
            max_bytes=1500,
            batch_size=8,
            stores=str(tmp_path / "stores"),
        ),
        lines.append,
    )
    np.testing.assert_allclose(again.nats, sums.nats, rtol=1e-5)
    if vocabulary != "partial":
        with pytest.raises(UsageError, match="needs a learned vocabulary"):
            generate.run(Generate(options.out, max_tokens=2))
