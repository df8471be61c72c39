import jax
import numpy as np
import pytest

from research.training import loop, sharding_rules
from research.training.compile import compile_step
from research.training.config import OptimizerConfig, ParallelismConfig, TrainConfig
from research.training.sharding_rules import LANGUAGE_MODEL_RULES, Rule, frozen

KINDS = {
    "single": ParallelismConfig(),
    "mesh": ParallelismConfig("mesh", data=4, model=2),
    "pmap": ParallelismConfig("pmap"),
}
RULES = (
    Rule("vocabulary/input_VxD", ("in", "out"), frozen=True),
    Rule("vocabulary/output_VxD", ("in", "out")),
)


def train(bigram, rules, kind="single", workdir=None, steps=4, **optimizer):
    config = TrainConfig(
        steps=steps,
        log_every=1,
        optimizer=OptimizerConfig(schedule="constant", weight_decay=0.1, **optimizer),
        parallelism=KINDS[kind],
    )
    return loop.train(
        bigram.loss, bigram.init, bigram.batch, config, workdir, rules=rules, log=str
    )


@pytest.mark.parametrize(
    ("kind", "name"),
    [*((kind, "adamw") for kind in KINDS), ("single", "adafactor"), ("single", "muon")],
)
def test_what_is_frozen_stays_to_the_bit_and_has_no_state(kind, name, bigram):
    before = bigram.init(jax.random.key(0))["vocabulary"]
    after = train(bigram, RULES, kind, name=name).params["vocabulary"]
    np.testing.assert_array_equal(after["input_VxD"], before["input_VxD"])
    assert np.abs(after["output_VxD"] - before["output_VxD"]).max() > 0
    compiled = compile_step(
        bigram.loss,
        bigram.init,
        bigram.batch(0),
        TrainConfig(steps=1, optimizer=OptimizerConfig(name=name), parallelism=KINDS[kind]),
        rules=RULES,
    )
    names = [
        sharding_rules.name_of(path)
        for path, _ in jax.tree_util.tree_flatten_with_path(compiled.abstract.opt_state)[0]
    ]
    assert any("output_VxD" in state for state in names)
    assert not any("input_VxD" in state for state in names)


def test_freezing_is_training_the_rest_alone(bigram):
    """The frozen part closed over by hand gives the same numbers."""
    whole = bigram.init(jax.random.key(0))["vocabulary"]

    def loss(params, batch):
        table = {**params["vocabulary"], "input_VxD": whole["input_VxD"]}
        return bigram.loss({"vocabulary": table}, batch)

    def init(key):
        return {"vocabulary": {"output_VxD": bigram.init(key)["vocabulary"]["output_VxD"]}}

    alone = bigram._replace(loss=loss, init=init)
    ours = train(bigram, RULES).params["vocabulary"]["output_VxD"]
    theirs = train(alone, RULES[1:]).params["vocabulary"]["output_VxD"]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_a_frozen_run_goes_on_from_its_checkpoint_to_the_bit(bigram, compare, tmp_path):
    straight = train(bigram, RULES, steps=4, workdir=tmp_path / "a")
    train(bigram, RULES, steps=2, workdir=tmp_path / "b")
    resumed = train(bigram, RULES, steps=4, workdir=tmp_path / "b")
    assert compare.bit_equal(straight.params, resumed.params)


def test_rules_are_frozen_below_a_prefix(bigram):
    params = {"model": bigram.init(jax.random.key(0)), **bigram.init(jax.random.key(1))}
    rules = (*frozen(LANGUAGE_MODEL_RULES, "model/"), *LANGUAGE_MODEL_RULES)
    trained, kept = sharding_rules.split(params, rules)
    assert jax.tree.leaves(trained["model"]) == [] == jax.tree.leaves(kept["vocabulary"])
    joined = sharding_rules.join(trained, kept)
    jax.tree.map(np.testing.assert_array_equal, joined, params)


def test_without_frozen_rules_nothing_is_taken_apart(bigram):
    params = bigram.init(jax.random.key(0))
    trained, kept = sharding_rules.split(params, LANGUAGE_MODEL_RULES)
    assert trained is params and kept is None
