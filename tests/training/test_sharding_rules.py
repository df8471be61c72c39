import re

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from research.errors import FreevocabError, UsageError
from research.models import language_model
from research.testing.tiny import tiny_config
from research.training import optimizers, parallelism, sharding_rules, step
from research.training.compile import device_bytes
from research.training.config import OptimizerConfig, ParallelismConfig
from research.training.sharding_rules import LANGUAGE_MODEL_RULES, Rule

MESH_4X2 = ParallelismConfig("mesh", data=4, model=2)
MATRIX = r"(kernel|_VxD)(/full)?$"
VARIANTS = (
    {},
    {"tied": True},
    {"mlp": "relu"},
    {"positions": "rotary", "qk_norm": True},
    {"positions": "none", "scan_layers": False, "num_kv_heads": 1},
)


def shapes_of(**variant):
    config = tiny_config(vocab_size=60, **variant)
    return jax.eval_shape(lambda key: language_model.init(key, config), jax.random.key(0))


def abstract_state(optimizer_config, params):
    optimizer = optimizers.make_optimizer(optimizer_config, 10)
    return jax.eval_shape(lambda: step.TrainState(0, params, optimizer.init(params)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_of_every_trunk_has_exactly_one_rule(variant):
    params = shapes_of(**variant)
    matched = sharding_rules.match(params)
    assert jax.tree.structure(matched) == jax.tree.structure(params)


def test_all_parameters_without_a_rule_are_listed():
    params = shapes_of()
    params["trunk"] |= {"new": np.zeros(3), "newer": np.zeros((2, 2))}
    params["vocabulary"]["extra"] = np.zeros(4)
    with pytest.raises(FreevocabError) as caught:
        sharding_rules.match(params)
    message = str(caught.value)
    for name in ("trunk/new matches 0", "trunk/newer matches 0", "vocabulary/extra matches 0"):
        assert name in message
    assert "final_norm" not in message
    assert "\n" not in message


def test_two_rules_or_other_axes_are_errors():
    params = {"table": np.zeros((4, 2))}
    rule = Rule("table", ("in", "out"))
    assert sharding_rules.match(params, (rule,)) == {"table": rule}
    with pytest.raises(FreevocabError, match="table matches 2 rules"):
        sharding_rules.match(params, (rule, Rule("ta.*", ("in", "out"))))
    with pytest.raises(FreevocabError, match="table has 2 axes, its rule 1"):
        sharding_rules.match(params, (Rule("table", ("in",)),))


def test_heads_width_and_rows_are_split_over_model_and_kernels_over_data():
    mesh = parallelism.make_mesh(MESH_4X2)
    specs = jax.tree.map(
        lambda sharding: sharding.spec,
        sharding_rules.param_shardings(shapes_of(), mesh, LANGUAGE_MODEL_RULES, fsdp=True),
    )
    layers = specs["trunk"]["layers"]
    assert layers["attention"]["query"]["kernel"] == P(None, "data", "model", None)
    assert layers["attention"]["out"]["kernel"] == P(None, "model", None, "data")
    assert layers["attention"]["position_bias"] == P(None, "model", None)
    assert layers["mlp"]["up"]["kernel"] == P(None, "data", "model")
    assert layers["mlp"]["down"]["kernel"] == P(None, "model", "data")
    assert specs["vocabulary"]["input_VxD"] == P("model", None)
    assert specs["trunk"]["final_norm"]["scale"] == P(None)


@pytest.mark.parametrize(
    "optimizer",
    [
        OptimizerConfig(),
        OptimizerConfig.paper_adafactor(),
        OptimizerConfig(name="adafactor", min_factored=8),
        OptimizerConfig(name="muon"),
    ],
    ids=["adamw", "adafactor-whole", "adafactor-factored", "muon"],
)
def test_optimizer_state_is_one_device_s_share_under_fsdp(optimizer):
    """Matrices' states: exactly 1 / devices. Adafactor's factors keep the splits they can."""
    mesh = parallelism.make_mesh(MESH_4X2)
    params = shapes_of()
    state = abstract_state(optimizer, params)
    shardings = step.state_shardings(state, MESH_4X2, mesh, LANGUAGE_MODEL_RULES)
    factored = optimizer.name == "adafactor" and optimizer.min_factored == 8
    flat, _ = jax.tree_util.tree_flatten_with_path(state.opt_state)
    places = jax.tree.leaves(shardings.opt_state)
    seen = 0
    for (path, leaf), place in zip(flat, places, strict=True):
        name = sharding_rules.name_of(path)
        share = int(np.prod(leaf.shape)) / int(np.prod(place.shard_shape(leaf.shape)))
        if factored and name.endswith("input_VxD/row"):
            assert share == 2  # [V]
        elif factored and name.endswith("input_VxD/col"):
            assert share == 4  # [D]
        elif not factored and re.search(MATRIX, name):
            assert share == 8, name
        else:
            continue
        seen += 1
    assert seen >= 2
    if not factored:
        whole = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state.opt_state))
        mine = device_bytes(state.opt_state, shardings.opt_state)
        assert mine <= whole / 8 * 1.25  # norms and biases are whole on every device


def test_tables_take_one_over_model_of_their_bytes():
    for model in (1, 2, 4):
        mesh = parallelism.make_mesh(ParallelismConfig("mesh", model=model))
        table = {"vocabulary": shapes_of()["vocabulary"]}
        shardings = sharding_rules.param_shardings(table, mesh, LANGUAGE_MODEL_RULES, fsdp=True)
        whole = 2 * 64 * 16 * 4
        assert device_bytes(table, shardings) * model == whole


def test_axes_that_do_not_divide():
    mesh = parallelism.make_mesh(MESH_4X2)
    rule = Rule("kernel", ("in/data", "out/model"))
    assert sharding_rules.spec(rule, (6, 4), mesh, fsdp=True) == P(None, "model")
    assert sharding_rules.spec(rule, (8, 4), mesh, fsdp=False) == P(None, "model")
    with pytest.raises(UsageError, match="model=2 does not divide an axis of 3"):
        sharding_rules.spec(rule, (8, 3), mesh, fsdp=True)


def test_state_of_no_parameter_is_an_error():
    mesh = parallelism.make_mesh(MESH_4X2)
    params = {"vocabulary": shapes_of()["vocabulary"]}
    state = {"mu": params, "stray": np.zeros((2, 2))}
    with pytest.raises(FreevocabError, match=r"stray \(2, 2\) belongs to no parameter"):
        sharding_rules.state_shardings(state, params, mesh, LANGUAGE_MODEL_RULES, fsdp=True)
    wrong = {"mu": {"vocabulary": {**params["vocabulary"], "input_VxD": np.zeros((3, 16))}}}
    with pytest.raises(FreevocabError, match=r"input_VxD is \(3, 16\), not \(64, 16\)"):
        sharding_rules.state_shardings(wrong, params, mesh, LANGUAGE_MODEL_RULES, fsdp=True)
