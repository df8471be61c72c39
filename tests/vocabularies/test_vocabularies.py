"""Every kind of vocabulary: one meaning of readout, losses and objective; memory; draws."""

import dataclasses
import importlib
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from research import cli, vocabularies
from research.errors import UsageError
from research.models import language_model
from research.testing.tiny import tiny_model
from research.training import sharding_rules
from research.vocabularies import drawn as drawn_rows
from research.vocabularies import orthogonal, permuted
from research.vocabularies.protocol import LossConfig, typed_keys

VOCAB, ROWS = 34, 40
KEYS = vocabularies.sequence_keys(7, 2)
EXACT = (
    "learned", "gaussian", "sphere", "hypercube", "orthogonal", "dual", "permuted", "canonical"
)  # fmt: skip
WIDTH = 32  # as many dimensions as symbols


def batch_of(seed=0, length=12):
    ids = np.random.default_rng(seed).integers(0, VOCAB - 2, (2, length)).astype(np.int32)
    ids[0, 5] = ids[0, 2]  # something known and something special among the targets
    ids[1, 7] = VOCAB - 1
    inputs = np.concatenate([np.full((2, 1), VOCAB - 2, np.int32), ids[:, :-1]], axis=1)
    return {"inputs_BxL": inputs, "targets_BxL": ids, "keys_Bx2": KEYS}


def model(kind, **options):
    width = WIDTH if kind == "orthogonal" else 16
    return tiny_model(vocabulary=vocabularies.make(kind, **options), d_model=width)


def opened(kind, **options):
    """A vocabulary, its parameters and its table for the inputs of `batch_of`."""
    vocabulary = vocabularies.make(kind, **options)
    params = vocabulary.init(jax.random.key(1), ROWS, WIDTH if kind == "orthogonal" else 16)
    sharding_rules.match({"vocabulary": params})
    ids = batch_of()["inputs_BxL"]
    return vocabulary, vocabulary.table(params, ids, KEYS, rows=ROWS, vocab_size=VOCAB)


Y_BxLxD = jax.random.normal(jax.random.key(2), (2, 12, 16))


@pytest.mark.parametrize("kind", EXACT)
def test_losses_are_those_of_the_readout(kind):
    vocabulary, table = opened(kind)
    targets = batch_of()["targets_BxL"]
    y_BxLxD = jnp.tile(Y_BxLxD, 2) if kind == "orthogonal" else Y_BxLxD
    logits = np.asarray(vocabulary.readout(table, y_BxLxD, VOCAB))
    assert logits.shape == (2, 12, ROWS) and np.isneginf(logits[:, :, VOCAB:]).all()
    log_p = np.asarray(jax.nn.log_softmax(logits))
    want = -np.take_along_axis(log_p, targets[:, :, None], -1)[:, :, 0]
    losses = vocabulary.losses(table, y_BxLxD, targets, LossConfig(VOCAB))
    np.testing.assert_allclose(losses.nats_BxL, want, atol=2e-5)
    target = np.take_along_axis(logits, targets[:, :, None], -1)[:, :, 0]
    np.testing.assert_array_equal(losses.correct_BxL, target >= logits.max(-1))
    weights = np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 12)
    total, _ = vocabulary.loss(table, y_BxLxD, targets, weights, LossConfig(VOCAB))
    np.testing.assert_allclose(total, (weights * want).sum(), rtol=1e-5)


@pytest.mark.parametrize("kind", ["gaussian", "orthogonal", "canonical", "permuted"])
def test_the_future_changes_nothing(kind):
    params, config = model(kind)
    ids = batch_of()["inputs_BxL"]
    other = ids.copy()
    other[:, 8:] = (other[:, 8:] + 11) % (VOCAB - 2)
    both = np.concatenate([ids, other])
    logits = language_model.logits(params, config, both, keys_Bx2=np.concatenate([KEYS, KEYS]))
    np.testing.assert_allclose(logits[:2, :8], logits[2:, :8], atol=1e-6)
    assert not np.allclose(logits[:2, 8:], logits[2:, 8:], atol=1e-2)


@pytest.mark.parametrize("kind", ["gaussian", "sphere", "hypercube", "dual"])
def test_rows_drawn_when_needed_are_the_rows_of_the_whole_table(kind):
    (vocabulary, whole), (lazy, drawn) = opened(kind), opened(kind, dense_limit=0)
    assert whole.rows_BxVxD.shape[:2] == (2, ROWS) and drawn.rows_BxVxD is None
    batch = batch_of()
    embedded = [v.embed(t, batch["inputs_BxL"]) for v, t in ((vocabulary, whole), (lazy, drawn))]
    if kind == "dual":  # what is drawn is the same; the parts are put together in another order
        np.testing.assert_allclose(*embedded, rtol=1e-6)
    else:
        np.testing.assert_array_equal(*embedded)
    logits = [v.readout(t, Y_BxLxD, VOCAB) for v, t in ((vocabulary, whole), (lazy, drawn))]
    np.testing.assert_allclose(*logits, atol=1e-5)
    loss_config = LossConfig(VOCAB)
    exact = [
        v.losses(t, Y_BxLxD, batch["targets_BxL"], loss_config)
        for v, t in ((vocabulary, whole), (lazy, drawn))
    ]
    for dense, blocks in zip(*exact, strict=True):
        np.testing.assert_allclose(dense, blocks, atol=1e-5)


def bound_and_draws(kind):
    """The training bound [B, L], and the losses of 2,000 draws of the rows that it leaves out."""
    (vocabulary, table), (held, dense) = opened(kind, dense_limit=0), opened(kind)
    batch, loss_config = batch_of(), LossConfig(VOCAB)
    ids = batch["inputs_BxL"]
    bound = vocabulary.bounds(table, Y_BxLxD, batch["targets_BxL"], loss_config)
    drawn = np.zeros((2, ROWS), bool)
    for row in range(2):
        drawn[row, ids[row]] = drawn[row, batch["targets_BxL"][row]] = True

    def nats(key):
        keys = jax.random.split(key, 2)
        everything = jnp.broadcast_to(jnp.arange(ROWS)[None], (2, ROWS))
        fresh = held._random(keys, everything, 16)
        rows = jnp.where(drawn[:, :, None], dense.rows_BxVxD, fresh)
        other = dataclasses.replace(dense, rows_BxVxD=rows)
        return held.losses(other, Y_BxLxD, batch["targets_BxL"], loss_config).nats_BxL

    draws = jax.jit(jax.vmap(nats))(jax.random.split(jax.random.key(2), 2000))
    return np.asarray(bound.nats_BxL), np.asarray(draws, np.float64)


@pytest.mark.parametrize("kind", ["gaussian", "sphere", "hypercube", "dual"])
def test_the_training_bound_lies_above_the_expected_loss(kind):
    """With the drawn rows held, the other rows' draws average to no more than the bound."""
    bound_BxL, draws = bound_and_draws(kind)
    mean, error = np.mean(draws, axis=0), np.std(draws, axis=0) / 2000**0.5
    assert (bound_BxL >= mean - 4 * error).all()


def test_the_training_bound_is_tight_for_gaussian_rows():
    """It replaces the sum of the other rows by its mean, not by its largest value."""
    bound_BxL, draws = bound_and_draws("gaussian")
    assert (bound_BxL <= np.log(np.mean(np.exp(draws), axis=0)) + 0.2).all()


def test_a_large_vocabulary_never_holds_a_table_for_each_sequence():
    vocabulary = vocabularies.make("gaussian")
    batch, length, rows, width = 64, 8, 32_128, 1024
    params = jax.eval_shape(lambda key: vocabulary.init(key, rows, width), jax.random.key(0))
    ids = jax.ShapeDtypeStruct((batch, length), jnp.int32)
    y = jax.ShapeDtypeStruct((batch, length, width), jnp.float32)
    keys = jax.ShapeDtypeStruct((batch, 2), jnp.uint32)

    def step(params, ids, keys, y, which):
        table = vocabulary.table(params, ids, keys, rows=rows, vocab_size=rows - 28)
        embedded = vocabulary.embed(table, ids)
        loss_config = LossConfig(rows - 28)
        if which == "losses":
            return embedded, vocabulary.losses(table, y, ids, loss_config)
        return embedded, vocabulary.loss(table, y, ids, jnp.ones(ids.shape), loss_config)

    for which in ("losses", "loss"):
        jaxpr = jax.make_jaxpr(lambda *a, which=which: step(*a, which))(params, ids, keys, y)
        assert largest(jaxpr.jaxpr) <= 2**24 < batch * rows * width


def largest(jaxpr):
    """Entries of the largest array inside a program."""
    found = [0]
    for equation in jaxpr.eqns:
        found += [np.prod(out.aval.shape, dtype=np.int64) for out in equation.outvars]
        for value in jax.tree.leaves(equation.params, is_leaf=lambda v: hasattr(v, "jaxpr")):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                found.append(largest(inner))
    return max(found)


def test_rows_have_their_distribution():
    keys = typed_keys(vocabularies.sequence_keys(0, 50))
    ids = jnp.broadcast_to(jnp.arange(40)[None], (50, 40))
    drawn = {
        kind: np.asarray(drawn_rows.random_rows(kind, keys, ids, 16))
        for kind in drawn_rows.DISTRIBUTIONS
    }
    assert scipy.stats.kstest(drawn["gaussian"].ravel() * 4, "norm").pvalue > 1e-3
    np.testing.assert_allclose(np.linalg.norm(drawn["sphere"], axis=-1), 1, rtol=1e-5)
    assert set(np.unique(drawn["hypercube"])) == {-0.25, 0.25}
    for rows in drawn.values():
        assert abs(np.mean(rows)) < 0.01 and np.var(rows) == pytest.approx(1 / 16, rel=0.02)


def test_orthogonal_rows_are_orthonormal_and_uniform():
    keys = jax.random.split(jax.random.key(0), 3000)
    frames = np.asarray(jax.vmap(lambda key: orthogonal.frame(key, 3, 5))(keys))
    products = np.einsum("knd,kmd->knm", frames, frames)
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(3), (3000, 3, 3)), atol=1e-5)
    # An entry of a uniform unit vector: its square is Beta(1/2, (D - 1)/2), its sign even.
    for row in range(3):
        for column in range(5):
            entries = frames[:, row, column]
            assert scipy.stats.kstest(entries**2, "beta", (0.5, 2.0)).pvalue > 1e-3
            assert abs(np.mean(entries > 0) - 0.5) < 4 * 0.5 / 3000**0.5
    # Rows can be exchanged: no row is told from another by what follows it.
    first, last = frames[:, 0, 0] + frames[:, 1, 1], frames[:, 2, 0] + frames[:, 0, 1]
    assert scipy.stats.ks_2samp(first, last).pvalue > 1e-3


def test_few_frames_come_in_many_orders():
    """With K frames a table is one of K sets of rows, in any order; without, always a new one."""
    few = opened("orthogonal", frames=2)[0]
    params = few.init(jax.random.key(1), ROWS, WIDTH)
    keys = vocabularies.sequence_keys(0, 40)
    ids = np.zeros((40, 4), np.int32)
    rows = np.asarray(few.table(params, ids, keys, rows=ROWS, vocab_size=VOCAB).rows_BxVxD)
    assert not rows[:, VOCAB - 2 :].any()
    rows = rows[:, : VOCAB - 2]
    sets = {tuple(np.sort(table[:, 0]).tolist()) for table in rows}
    assert len(sets) == 2 and len({tuple(table[:, 0].tolist()) for table in rows}) == 40
    fresh = opened("orthogonal")[0].table(params, ids, keys, rows=ROWS, vocab_size=VOCAB)
    firsts = np.sort(np.asarray(fresh.rows_BxVxD)[:, : VOCAB - 2, 0], axis=1)
    assert len(np.unique(firsts, axis=0)) == 40


def test_frames_lie_in_their_span():
    vocabulary = vocabularies.make("orthogonal", span=34)
    params = vocabulary.init(jax.random.key(1), ROWS, 48)
    ids = batch_of()["inputs_BxL"]
    table = vocabulary.table(params, ids, KEYS, rows=ROWS, vocab_size=VOCAB)
    rows = np.asarray(table.rows_BxVxD)[:, : VOCAB - 2]
    assert not rows[:, :, 34:].any()
    products = np.einsum("bnd,bmd->bnm", rows, rows)
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(32), (2, 32, 32)), atol=1e-5)
    with pytest.raises(UsageError, match="32 symbols have no orthogonal rows of width 31"):
        narrow = vocabularies.make("orthogonal", span=31)
        narrow.table(params, ids, KEYS, rows=ROWS, vocab_size=VOCAB)


def test_more_symbols_than_dimensions_have_no_frame():
    vocabulary = vocabularies.make("orthogonal")
    params = vocabulary.init(jax.random.key(1), ROWS, 31)
    with pytest.raises(UsageError, match="32 symbols have no orthogonal rows of width 31"):
        vocabulary.table(params, batch_of()["inputs_BxL"], KEYS, rows=ROWS, vocab_size=VOCAB)


def test_permutations_are_uniform_and_leave_the_rest_alone():
    chosen = np.zeros(10, bool)
    chosen[[1, 4, 6]] = True
    chosen[8] = True  # BOS of ten ids
    keys = jax.random.split(jax.random.key(0), 3000)
    images = np.asarray(jax.vmap(lambda key: permuted.permutation(key, chosen, 10))(keys))
    still = [0, 2, 3, 5, 7, 8, 9]
    np.testing.assert_array_equal(images[:, still], np.broadcast_to(still, (3000, 7)))
    _, counts = np.unique(images[:, [1, 4, 6]], axis=0, return_counts=True)
    assert len(counts) == 6 and scipy.stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("per", ["type", "occurrence"])
def test_partial_randomises_its_share(per):
    vocabulary = vocabularies.make("partial", p=0.25, per=per, keep=4)
    params, _ = model("learned", tied=True)
    ids = np.random.default_rng(0).integers(0, VOCAB, (64, 200)).astype(np.int32)
    keys = vocabularies.sequence_keys(0, 64)
    table = vocabulary.table(params["vocabulary"], ids, keys, rows=ROWS, vocab_size=VOCAB)
    inputs, targets = (np.asarray(vocabulary._replaced(table, ids, shift)) for shift in (0, 1))
    kept = (ids < 4) | (ids >= VOCAB - 2)
    np.testing.assert_array_equal(inputs[kept], ids[kept])
    # Input l + 1 and target l are the same occurrence; the map below has no `shift` to hide behind.
    again = np.asarray(vocabulary._replaced(table, ids[:, 1:], 1))
    np.testing.assert_array_equal(again, inputs[:, 1:])
    share = np.mean(inputs[~kept] != ids[~kept])
    # A chosen type may be mapped to itself: in 28 types, one in about 7 (type) or 28 of them.
    assert share == pytest.approx(0.25, abs=0.05)
    np.testing.assert_array_equal(targets[kept], ids[kept])
    assert np.mean(targets[~kept] != ids[~kept]) == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("base", ["permuted", "gaussian"])
@pytest.mark.parametrize("per", ["type", "occurrence"])
def test_partial_with_nothing_chosen_is_learned(base, per):
    params, config = tiny_model(vocabulary=vocabularies.make("partial", p=0.0, base=base, per=per))
    batch = batch_of()
    want = language_model.token_losses(
        params, dataclasses.replace(config, vocabulary=config.vocabulary.clean), batch
    )
    got = language_model.token_losses(params, config, batch)
    np.testing.assert_allclose(got.nats_BxL, want.nats_BxL, atol=1e-5)


def test_random_rows_have_the_norm_of_the_learned_ones():
    vocabulary = vocabularies.make("partial", p=1.0, base="gaussian", per="type")
    params, _ = model("learned", tied=True)
    large = jax.tree.map(lambda rows: 5.0 * rows, params["vocabulary"])
    ids = batch_of()["inputs_BxL"]
    table = vocabulary.table(large, ids, KEYS, rows=ROWS, vocab_size=VOCAB)
    norms = np.linalg.norm(table.rows_BxVxD[:, : VOCAB - 2], axis=-1)
    want = np.linalg.norm(large["input_VxD"][: VOCAB - 2], axis=-1)
    assert norms.mean() == pytest.approx(want.mean(), rel=0.1)


def test_dual_rows_share_a_part():
    vocabulary = vocabularies.make("dual", share=0.25)
    params, _ = tiny_model(vocabulary=vocabulary)
    ids = batch_of()["inputs_BxL"]
    table = vocabulary.table(params["vocabulary"], ids, KEYS, rows=ROWS, vocab_size=VOCAB)
    rows = np.asarray(vocabulary._rows(table, jnp.broadcast_to(jnp.arange(32)[None], (2, 32))))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(rows[:, :, :4], np.broadcast_to(rows[0, 0, :4], (2, 32, 4)))
    np.testing.assert_allclose(np.linalg.norm(rows[:, :, :4], axis=-1), 0.5**0.5, rtol=1e-5)


def test_wrong_kinds_and_options_are_refused():
    with pytest.raises(UsageError, match="unknown vocabulary 'gausian'"):
        vocabularies.make("gausian")
    with pytest.raises(UsageError, match="no option scale; it has slots, tied"):
        vocabularies.make("canonical", scale=2)
    with pytest.raises(UsageError, match="span must be at least 0"):
        vocabularies.make("orthogonal", span=-1)
    with pytest.raises(UsageError, match="frames must be at least 0"):
        vocabularies.make("orthogonal", frames=-1)
    with pytest.raises(UsageError, match="probability"):
        vocabularies.make("partial", p=2.0)
    params, config = model("canonical", slots=4)
    with pytest.raises(UsageError, match="more types than the 4 slots"):
        language_model.logits(params, config, batch_of()["inputs_BxL"])
    for kind in vocabularies.KINDS:
        vocabulary = vocabularies.make(kind)
        assert vocabularies.from_dict(dataclasses.asdict(vocabulary)) == vocabulary
        assert vocabulary.kind == kind


def test_every_kind_is_documented_and_offered():
    rows = [line for line in vocabularies.__doc__.split("\n") if line.startswith("|")][2:]
    listed = ", ".join(row.split("|")[1].strip() for row in rows)
    assert listed.split(", ") == list(vocabularies.KINDS)
    module, _, name = cli.COMMANDS["train lexinvariant"].arguments.partition(":")
    options = getattr(importlib.import_module(f"research.cli.{module}"), name)
    choices = typing.get_args(typing.get_type_hints(options)["vocabulary"])
    assert set(choices) == set(vocabularies.KINDS)
