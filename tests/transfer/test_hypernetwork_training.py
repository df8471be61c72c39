"""The hypernetwork around a tiny language model: losses, freezing, parallelism, resumption."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from research.codecs.codec_tokenizer import CodecTokenizer
from research.errors import UsageError
from research.models import language_model
from research.testing.tiny import TinyCodec, tiny_corpus, tiny_model
from research.training.compile import compile_step
from research.training.config import OptimizerConfig, ParallelismConfig, TrainConfig
from research.training.parallelism import DataShard
from research.transfer import methods
from research.transfer.hypernet import training
from research.transfer.hypernet.batches import HypernetBatches
from research.transfer.hypernet.loss import HypernetLossConfig, make_loss_fn
from research.transfer.methods.auxiliary import Auxiliary
from research.transfer.methods.hypernetwork import Network
from research.transfer.sampling import (
    FixedBatches,
    SampledBatches,
    Sampling,
    TextWindows,
    byte_store,
)
from research.transfer.source_model import SourceModel, network_for

LENGTH, ROWS = 16, 8
LM = HypernetLossConfig()
KINDS = {
    "single": ParallelismConfig(),
    "8x1": ParallelismConfig("mesh"),
    "4x2": ParallelismConfig("mesh", data=4, model=2),
    "pmap": ParallelismConfig("pmap"),
}


def source_model(seed=0, **changes):
    tokenizer = CodecTokenizer(TinyCodec())
    changes = {"num_heads": 4, "head_dim": 4, "num_layers": 1, **changes}
    params, config = tiny_model(seed, vocab_size=tokenizer.vocab_size, **changes)
    return SourceModel(params, config, tokenizer)


@functools.cache
def documents():
    return tuple(tiny_corpus(20_000).documents("train"))


@functools.cache
def draws(special=("bos", "eos"), vocab_size=300):
    windows = TextWindows(byte_store(documents()), rows=ROWS, size=256)
    sampling = Sampling(vocab_size=vocab_size, queue=2, special=special)
    return SampledBatches(sampling, [(windows, 1.0)], length=LENGTH, seed=0)


def network(source, **options):
    return network_for(source, **{"num_layers": 1, "num_heads": 2, "max_slots": 3, **options})


def config(steps=3, kind="single", **optimizer):
    optimizer = {"learning_rate": 1e-2, "schedule": "constant", **optimizer}
    return TrainConfig(
        steps=steps, log_every=1, optimizer=OptimizerConfig(**optimizer), parallelism=KINDS[kind]
    )


def run(source, objective=LM, workdir=None, drawn=None, steps=3, kind="single", **more):
    return training.train(
        source,
        drawn or draws(),
        network(source),
        objective,
        config(steps, kind),
        workdir,
        log=str,
        **more,
    )


def losses(trained, name="loss"):
    return [line[name] for line in trained.history]


def predictor(network):
    return methods.make("hypernetwork", Auxiliary(hypernetwork=network))


def test_untrained_it_is_the_model_with_fvt_s_table():
    """The loss of the first step, by hand: rows in the tokenizer's order, the real softmax."""
    source, step = source_model(), 0
    drawn = draws().at(step)
    net = network(source)
    params = training.parameters(source, net, HypernetLossConfig(auxiliary=0), 0)
    batches = HypernetBatches(source.tokenizer, HypernetLossConfig(auxiliary=0))
    layout = training.find_layout(batches, draws(), net, 1, 0.1)
    batch = batches.make(drawn, step, layout)
    loss = jax.jit(make_loss_fn(source.config, net, layout, HypernetLossConfig(auxiliary=0)))
    total, sums = loss(params, batch)
    predict = predictor(Network(params["hypernetwork"], net))
    table = predict(source.table, source.tokenizer, drawn.tokenizer)
    pieces = source.tokenizer.decompose(drawn.tokenizer.match_bytes())
    for id_ in np.flatnonzero(~drawn.tokenizer.special_V)[::17]:
        own = pieces.ids_N[pieces.start_T[id_] : pieces.start_T[id_ + 1]]
        mean = np.asarray(source.table.input_VxD)[own].mean(axis=0)
        np.testing.assert_allclose(table.input_VxD[id_], mean, rtol=1e-5, atol=1e-6)
    # Ids that the sampled tokenizer has no token for are no entries of the softmax.
    real = np.flatnonzero(~drawn.tokenizer.special_V).tolist() + [
        drawn.tokenizer.roles[role] for role in ("bos", "eos")
    ]
    place = np.full(drawn.tokenizer.vocab_size, -1)
    place[real] = np.arange(len(real))
    by_hand = dataclasses.replace(source.config, vocab_size=len(real), padded_vocab_size=len(real))
    text = {name: place[drawn.batch[name]] for name in ("inputs_BxL", "targets_BxL")}
    text["weights_BxL"] = drawn.batch["weights_BxL"]
    small = jax.tree.map(lambda rows: rows[np.array(real)], table)
    loss = jax.jit(functools.partial(language_model.loss, config=by_hand))
    expected, _ = loss(source.params, batch=text, table=small)
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    assert sums["tokens"] == drawn.batch["weights_BxL"].sum()


@pytest.mark.parametrize(
    ("objective", "changes"),
    [
        (HypernetLossConfig(), {}),
        (
            HypernetLossConfig("alm", auxiliary=0, copy_overlap=True, sampled_rows=150),
            {"tied": True},
        ),
    ],
    ids=["lm", "alm, tied, copied, sampled"],
)
def test_the_loss_falls_and_the_model_stays(objective, changes):
    source = source_model(**changes)
    before = jax.tree.map(np.array, source.params)
    seen = {}

    def keep(params):
        seen.update(params)
        return {"kept": 1.0}

    found = run(source, objective, steps=12, eval_fn=keep)
    name = "alm" if objective.loss == "alm" else "loss"
    values = [line[name] for line in found.history if name in line]
    assert np.mean(values[-3:]) < np.mean(values[:2])
    jax.tree.map(np.testing.assert_array_equal, before, jax.device_get(seen["model"]))
    fresh = training.parameters(source, network(source), objective, 0)["hypernetwork"]
    np.testing.assert_array_equal(found.params["in_std_I"], fresh["in_std_I"])
    moved = jax.tree.map(lambda a, b: np.abs(a - np.asarray(b)).max(), found.params, fresh)
    assert moved["heads_input"]["projection"]["kernel"] > 0
    assert found.trunk is None


@pytest.mark.slow
def test_every_kind_of_parallelism_trains_the_same():
    source = source_model()
    base, *others = (run(source, HypernetLossConfig("both"), kind=kind) for kind in KINDS)
    for kind, other in zip(list(KINDS)[1:], others, strict=True):
        for name in ("loss", "grad_norm", "auxiliary", "alm"):
            np.testing.assert_allclose(
                losses(other, name), losses(base, name), rtol=1e-5, err_msg=f"{kind} {name}"
            )


def test_a_run_goes_on_to_the_bit(tmp_path):
    source = source_model()
    straight = run(source, workdir=tmp_path / "a", steps=4)
    run(source, workdir=tmp_path / "b", steps=2)
    resumed = run(source, workdir=tmp_path / "b", steps=4)
    jax.tree.map(np.testing.assert_array_equal, straight.params, resumed.params)


def test_n_shot_trains_the_trunk_on_one_tokenizer():
    source = source_model()
    target = CodecTokenizer(TinyCodec([b"an", b"on ", b"the", b"re"]))
    windows = TextWindows(byte_store(documents()), rows=ROWS, size=256)
    objective = HypernetLossConfig("both", train_trunk=True, sampled_rows=200)
    found = run(source, objective, drawn=FixedBatches(target, windows, length=LENGTH), steps=8)
    assert losses(found)[-1] < losses(found)[0]
    moved = jax.tree.map(
        lambda new, old: np.abs(new - np.asarray(old)).max(), found.trunk, source.params["trunk"]
    )
    assert moved["layers"]["mlp"]["up"]["kernel"] > 0


def test_masked_models_are_asked_for_what_is_hidden():
    """At its own position, never seeing it: the loss stays that of the hidden ids alone."""
    source = source_model(causal=False)
    source.tokenizer.roles = {**source.tokenizer.roles, "mask": 5}
    drawn = draws(("bos", "eos", "mask"))
    batches = HypernetBatches(source.tokenizer, HypernetLossConfig(), masked=True)
    layout = training.find_layout(batches, drawn, network(source), 1, 0.1)
    batch = batches.make(drawn.at(0), 0, layout)
    hidden = batch["weights_BxL"] > 0
    assert 0.05 < hidden.mean() < 0.3 and not hidden[:, 0].any()
    assert len(set(batch["inputs_BxL"][hidden].tolist())) == 1
    seen = ~hidden
    np.testing.assert_array_equal(batch["inputs_BxL"][seen], batch["targets_BxL"][seen])
    copied = batch["copies_GxT"].reshape(-1)[batch["inputs_BxL"][hidden][0]]
    assert copied == 5
    found = run(source, drawn=drawn, steps=10)
    assert np.mean(losses(found)[-3:]) < np.mean(losses(found)[:2])
    with pytest.raises(UsageError, match="predict the next id"):
        run(source, HypernetLossConfig("alm"), drawn=drawn)
    with pytest.raises(UsageError, match="no mask token"):
        run(source)


def test_the_past_does_not_see_the_future():
    """Another later input changes no earlier position's loss, whatever the rows."""
    source, net, objective = source_model(), None, HypernetLossConfig(auxiliary=0)
    net = network(source)
    batches = HypernetBatches(source.tokenizer, objective)
    layout = training.find_layout(batches, draws(), net, 1, 0.1)
    batch = batches.make(draws().at(0), 0, layout)
    params = training.parameters(source, net, objective, 0)
    loss = jax.jit(make_loss_fn(source.config, net, layout, objective))
    first = {**batch, "weights_BxL": batch["weights_BxL"] * (np.arange(LENGTH) < 8)}
    later = batch["inputs_BxL"].copy()
    later[:, 8:] = later[:, 7:8]
    other = loss(params, {**first, "inputs_BxL": later})[0]
    np.testing.assert_allclose(loss(params, first)[0], other, rtol=1e-6)


def test_a_sampled_softmax_is_right_in_the_mean():
    """Its normaliser, averaged over draws, is that of the whole vocabulary."""
    source = source_model()
    net = network(source)
    objectives = [HypernetLossConfig(auxiliary=0, sampled_rows=rows) for rows in (0, 180)]
    drawn = draws().at(0)
    offsets = []
    for objective in objectives:
        batches = HypernetBatches(source.tokenizer, objective)
        layout = training.find_layout(batches, draws(), net, 1, 0.5)
        batches = [
            dataclasses.replace(batches, seed=seed).make(drawn, 0, layout) for seed in range(3)
        ]
        offsets.append([np.exp(batch["offsets_GxT"]).sum() for batch in batches])
        for batch in batches:  # what the batch needs has a row
            assert min(batch["inputs_BxL"].min(), batch["targets_BxL"].min()) >= 0
            rows = np.concatenate([batch["inputs_BxL"], batch["targets_BxL"]], axis=None)
            np.testing.assert_array_equal(batch["offsets_GxT"].reshape(-1)[rows], 0.0)
    np.testing.assert_allclose(offsets[0], offsets[1], rtol=1e-5)


def test_processes_share_a_batch_and_lose_no_row():
    batch = {"inputs_BxL": np.arange(12).reshape(6, 2), "ids_GxN": np.arange(9).reshape(3, 3)}
    for array in batch.values():
        parts = [DataShard(index, 3).part(array) for index in range(3)]
        np.testing.assert_array_equal(np.concatenate(parts), array)
    with pytest.raises(UsageError, match="a batch of 6 does not divide among 4 processes"):
        DataShard(0, 4).part(batch["inputs_BxL"])


def test_zett_s_form_learns_the_identity_first():
    source = source_model()
    net = network(source, form="zett")
    found = training.warm_up(source, net, config(60, learning_rate=1e-2), None, log=str)
    assert losses(found)[-1] < 0.5 * losses(found)[0]
    predict = predictor(Network(found.params, net, copy_overlap=True))
    own = predict(source.table, source.tokenizer, source.tokenizer)
    jax.tree.map(np.testing.assert_array_equal, own, jax.tree.map(np.asarray, source.table))


@pytest.mark.slow
def test_rows_stay_split_over_model():
    """Compiled code never brings the predicted table together on one device."""
    import re

    source = source_model()
    net, objective = network(source), HypernetLossConfig(auxiliary=0)
    kind = KINDS["4x2"]
    batches = HypernetBatches(source.tokenizer, objective)
    layout = training.find_layout(batches, draws(), net, 8, 0.1)
    params = training.parameters(source, net, objective, 0)
    compiled = compile_step(
        make_loss_fn(source.config, net, layout, objective, data_shards=4),
        training._zeros_like(params),
        batches.make(draws().at(0), 0, layout),
        dataclasses.replace(config(), parallelism=kind),
        rules=training.TRANSFER_RULES,
    )
    text = compiled.step.as_text()
    found = re.findall(r"= \(?(\w+\[[\d,]*\][^=]*?) all-gather(?:-start)?\(", text)
    shapes = [shape for one in found for shape in re.findall(r"\w+\[([\d,]*)\]", one)]
    assert shapes
    width = net.d_model
    for shape in shapes:
        numbers = [int(n) for n in shape.split(",") if n]
        assert not (width in numbers and layout.rows in numbers), shapes
