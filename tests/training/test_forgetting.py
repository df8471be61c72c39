"""Resets of a vocabulary's rows: nothing else changes, and AdamW counts each row's own steps."""

import math
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.errors import FreevocabError, UsageError
from research.training import forgetting, loop, optimizers
from research.training.compile import compile_step
from research.training.config import (
    ForgettingConfig,
    OptimizerConfig,
    ParallelismConfig,
    TrainConfig,
)
from research.training.forgetting import PerRowAdamState
from research.training.sharding_rules import LANGUAGE_MODEL_RULES, Rule
from research.training.step import TrainState

ROWS, KEEP = 64, (62, 63)
# A parameter beside the tables, so that there is something to leave alone.
RULES = (*LANGUAGE_MODEL_RULES, Rule("trunk/kernel", ("in", "out"), kernel=True))
FAST = OptimizerConfig(learning_rate=0.1, schedule="constant", weight_decay=0.1)
OFTEN = ForgettingConfig(every=2, until=4, share=0.5, keep=KEEP)
KINDS = {
    "single": ParallelismConfig(),
    "4x2": ParallelismConfig("mesh", data=4, model=2),
    "pmap": ParallelismConfig("pmap"),
}


@pytest.fixture(scope="module")
def model(bigram):
    """The bigram model with a matrix between its tables."""

    def init(key):
        return {**bigram.init(key), "trunk": {"kernel": jnp.eye(8)}}

    def loss(params, batch):
        table = params["vocabulary"]
        inner = {**table, "input_VxD": table["input_VxD"] @ params["trunk"]["kernel"]}
        return bigram.loss({"vocabulary": inner}, batch)

    return bigram._replace(init=init, loss=loss)


@pytest.fixture(scope="module")
def compiled(model):
    """One compiled step for a kind of parallelism, whatever the schedule."""
    made = {}

    def get(kind):
        if kind not in made:
            config = train_config(kind=kind)
            made[kind] = compile_step(model.loss, model.init, model.batch(0), config, rules=RULES)
        return made[kind]

    return get


def train_config(forgets=OFTEN, *, kind="single", steps=7, **options):
    options = {"optimizer": FAST, "log_every": 1} | options
    return TrainConfig(steps, parallelism=KINDS[kind], forgetting=forgets, **options)


@pytest.fixture
def train(model, compiled):
    def run(config, workdir=None, batch=None):
        kind = {value: name for name, value in KINDS.items()}[config.parallelism]
        return loop.train(
            model.loss,
            model.init,
            batch or model.batch,
            config,
            workdir,
            rules=RULES,
            compiled=compiled(kind),
            log=str,
        )

    return run


@pytest.fixture(scope="module")
def trained(model, compiled):
    """A state after three updates."""
    state = compiled("single").init(0)
    for number in range(3):
        state, _ = compiled("single").step(state, model.batch(number))
    return jax.device_get(state)


def adam(state):
    """Every AdamW state in a train state."""
    nodes = jax.tree.leaves(state.opt_state, is_leaf=lambda node: isinstance(node, PerRowAdamState))
    return [node for node in nodes if isinstance(node, PerRowAdamState)]


def reset_rows(before, after):
    """Ids whose row differs, in both tables alike."""
    old, new = before.params["vocabulary"], after.params["vocabulary"]
    changed = [np.any(old[name] != new[name], axis=1) for name in ("input_VxD", "output_VxD")]
    np.testing.assert_array_equal(*changed)
    return changed[0]


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_only_the_chosen_rows_change(model, trained, compare, share):
    forget = jax.jit(lambda state: forgetting.forget(state, model.init, 5, share, KEEP))
    after = jax.device_get(forget(trained))
    assert compare.bit_equal(after, jax.device_get(forget(trained)))
    chosen = reset_rows(trained, after)
    assert not chosen[list(KEEP)].any()
    assert chosen.sum() == ROWS - len(KEEP) if share == 1.0 else 0 < chosen.sum() < ROWS - 2
    (old,), (new,) = adam(trained), adam(after)
    for name in ("input_VxD", "output_VxD"):
        for trees in ((old.mu, new.mu), (old.nu, new.nu)):
            first, second = (tree["vocabulary"][name] for tree in trees)
            assert first[chosen].any() and not second[chosen].any()
            np.testing.assert_array_equal(first[~chosen], second[~chosen])
        counts = new.rows["vocabulary"][name]["row"]
        np.testing.assert_array_equal(counts, np.where(chosen, 0, 3))
    # Put back what may change; all the rest has the same bits.
    undone = after._replace(
        params={**after.params, "vocabulary": trained.params["vocabulary"]},
        opt_state=jax.tree.map(
            lambda node: old if isinstance(node, PerRowAdamState) else node,
            after.opt_state,
            is_leaf=lambda node: isinstance(node, PerRowAdamState),
        ),
    )
    assert compare.bit_equal(undone, trained)
    same = (new.count, new.mu["trunk"], new.nu["trunk"])
    assert compare.bit_equal(same, (old.count, old.mu["trunk"], old.nu["trunk"]))


def test_rows_come_from_the_initial_distribution(model, trained):
    """N(0, 1) here: 1,000 rows of 8 entries, beside trained rows that are not."""
    draws = []
    for step in range(8):
        state = trained._replace(step=np.int32(step))
        draws.append(forgetting.forget(state, model.init, 0, 1.0).params["vocabulary"])
    entries = np.stack([table["input_VxD"] for table in draws]).ravel()
    error = 1 / math.sqrt(entries.size)
    assert abs(entries.mean()) < 4 * error
    assert abs((entries**2).mean() - 1) < 4 * math.sqrt(2) * error
    assert len(np.unique(entries)) > 0.99 * entries.size  # another draw at every step
    far = trained.params["vocabulary"]["output_VxD"].ravel() * 2
    assert abs((far**2).mean() - 1) > 4 * math.sqrt(2 / far.size)


def test_a_share_of_the_ids_is_chosen(model, trained):
    counts = []
    for seed in range(40):
        after = forgetting.forget(trained, model.init, seed, 0.1)
        counts.append(reset_rows(trained, jax.device_get(after)).sum())
    mean, spread = 0.1 * ROWS, math.sqrt(0.09 * ROWS)
    assert abs(np.mean(counts) - mean) < 4 * spread / math.sqrt(len(counts))
    assert len(set(counts)) > 3


def test_without_resets_it_is_adamw(model, compare):
    by_row = optimizers.make_optimizer(FAST, 10, RULES, by_row=True)
    plain = optimizers.make_optimizer(FAST, 10, RULES)
    start = model.init(jax.random.key(0))

    @jax.jit
    def steps(grads):
        results = []
        for optimizer in (by_row, plain):
            params, state = start, optimizer.init(start)
            for grad in grads:
                updates, state = optimizer.update(grad, state, params)
                params = optax.apply_updates(params, updates)
            results.append(params)
        return results

    generator = np.random.default_rng(0)
    grads = [jax.tree.map(lambda leaf: generator.normal(size=leaf.shape).astype("f4"), start)]
    grads += [jax.tree.map(lambda leaf: leaf * generator.normal(), grads[0]) for _ in range(4)]
    ours, theirs = steps(grads)
    assert compare.largest_difference(ours, theirs) < 1e-6
    assert compare.largest_difference(ours, start) > 0.1


def test_a_reset_row_moves_as_in_its_first_step(model, trained):
    """A whole learning rate, by the sign of its gradient; the others as they were going.

    With the run's count of steps, zero moments would move it by another amount.
    """
    optimizer = optimizers.make_optimizer(FAST, 10, RULES, by_row=True)
    state = forgetting.forget(trained, model.init, 0, 0.5)
    chosen = reset_rows(trained, jax.device_get(state))
    generator = np.random.default_rng(1)
    grads = jax.tree.map(
        lambda leaf: generator.choice([-1e-3, 1e-3], leaf.shape).astype("f4"), state.params
    )
    updates, _ = optimizer.update(grads, state.opt_state, state.params)
    moved = np.asarray(updates["vocabulary"]["input_VxD"])
    sign = np.sign(grads["vocabulary"]["input_VxD"])
    np.testing.assert_allclose(moved[chosen], -0.1 * sign[chosen], rtol=1e-4)
    assert not np.allclose(moved[~chosen], -0.1 * sign[~chosen], rtol=1e-2)


def test_schedules():
    def resets(**fields):
        return [n for n in range(13) if ForgettingConfig(**fields).due(n)]

    assert resets() == []
    assert resets(every=4) == [4, 8, 12]
    assert resets(every=4, until=8) == [4, 8]
    assert resets(every=4, until=7) == [4]
    for wrong in ({"every": -1}, {"until": -1}, {"share": 1.5}, {"share": -0.1}):
        with pytest.raises(UsageError, match=[*wrong][0]):
            ForgettingConfig(**wrong)


def test_every_kind_forgets_the_same(train, compare):
    results = {kind: train(train_config(kind=kind)) for kind in KINDS}
    base = results.pop("single")
    plain = train(train_config(ForgettingConfig(keep=KEEP)))  # the same compiled step
    assert compare.largest_difference(base.params, plain.params) > 0.5
    for other in results.values():
        assert compare.largest_difference(base.params, other.params) < 1e-5
        for ours, theirs in zip(base.history, other.history, strict=True):
            np.testing.assert_allclose(theirs["loss"], ours["loss"], rtol=1e-5)


def test_resuming_is_bitwise(train, model, compare, tmp_path):
    """Stopped right before a reset (4 done), and after it (5 done)."""
    whole = train(train_config())
    for done in (4, 5):

        def interrupted(step, last=done - 1):
            if step == last:
                os.kill(os.getpid(), signal.SIGINT)
            return model.batch(step)

        with pytest.raises(loop.Interrupted, match=f"stopped at step {done} "):
            train(train_config(), tmp_path / str(done), batch=interrupted)
        resumed = train(train_config(), tmp_path / str(done))
        assert compare.bit_equal(resumed.params, whole.params)


def test_another_schedule_is_another_run(train, tmp_path):
    train(train_config(steps=2), tmp_path)
    with pytest.raises(FreevocabError, match="forgetting.share is 1.0, was 0.5"):
        train(train_config(ForgettingConfig(2, 4, 1.0, KEEP)), tmp_path)


def test_what_cannot_forget_says_so(model):
    config = train_config(optimizer=OptimizerConfig(name="adafactor"))
    with pytest.raises(UsageError, match="forgetting needs the optimizer adamw, not adafactor"):
        compile_step(model.loss, model.init, model.batch(0), config, rules=RULES)
    params = {"trunk": {"kernel": jnp.eye(8)}}
    state = TrainState(jnp.zeros((), jnp.int32), params, ())
    with pytest.raises(UsageError, match="needs a learned vocabulary"):
        forgetting.forget(state, lambda key: params, 0, 1.0)
