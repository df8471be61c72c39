import functools
import re
import types

import jax
import numpy as np
import optax
import pytest

from research.errors import UsageError
from research.training import loop, parallelism
from research.training.compile import compile_step
from research.training.config import OptimizerConfig, ParallelismConfig, TrainConfig

KINDS = {
    "single": ParallelismConfig(),
    "8x1": ParallelismConfig("mesh"),
    "4x2": ParallelismConfig("mesh", data=4, model=2),
    "pmap": ParallelismConfig("pmap"),
}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ParallelismConfig("mesh", data=3, model=2), "3 x 2 does not fit 8 devices"),
        (ParallelismConfig("mesh", model=3), r"\? x 3 does not fit 8 devices"),
        (ParallelismConfig("mesh", model=16), r"\? x 16 does not fit 8 devices"),
        (ParallelismConfig("pmap", data=4), "4 x 1 does not fit 8 devices"),
        (ParallelismConfig("pmap", model=2), "data parallel only"),
        (ParallelismConfig("single", data=2), "single has one device"),
        (ParallelismConfig("mesh", model=0), "at least 1"),
    ],
)
def test_devices_that_do_not_fit_get_one_line(config, message):
    with pytest.raises(UsageError, match=message) as caught:
        parallelism.make_mesh(config)
    assert "\n" not in str(caught.value)


def test_mesh_shapes():
    shapes = {name: tuple(parallelism.make_mesh(c).shape.values()) for name, c in KINDS.items()}
    assert shapes == {"single": (1, 1), "8x1": (8, 1), "4x2": (4, 2), "pmap": (8, 1)}


def test_each_process_builds_the_rows_of_its_devices(monkeypatch):
    def fake_mesh(process_of_device):
        devices = np.array(
            [[types.SimpleNamespace(process_index=p) for p in row] for row in process_of_device],
            object,
        )
        return types.SimpleNamespace(devices=devices)

    shares = {}
    for name, grid in {
        "two hosts, data": [[0], [0], [1], [1]],
        "four hosts, data": [[0, 0], [1, 1], [2, 2], [3, 3]],
        "model across hosts": [[0, 1], [2, 3]],
    }.items():
        shares[name] = []
        for process in range(1 + max(map(max, grid))):
            monkeypatch.setattr(jax, "process_index", lambda process=process: process)
            shares[name].append(parallelism.data_shard(fake_mesh(grid)))
    assert shares["two hosts, data"] == [(0, 2), (1, 2)]
    assert shares["four hosts, data"] == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert shares["model across hosts"] == [(0, 2), (0, 2), (1, 2), (1, 2)]


@pytest.mark.parametrize("name", KINDS)
def test_a_batch_is_split_over_data(name, bigram):
    config = KINDS[name]
    mesh = parallelism.make_mesh(config)
    batch = bigram.batch(0)
    placed = parallelism.put_batch(config, mesh, batch)
    for key, array in placed.items():
        whole = np.asarray(array).reshape(batch[key].shape)
        np.testing.assert_array_equal(whole, batch[key])
        shards = {shard.data.size for shard in array.addressable_shards}
        assert shards == {batch[key].size // mesh.shape["data"]}


def test_a_batch_that_does_not_divide_gets_one_line():
    config = KINDS["8x1"]
    with pytest.raises(UsageError, match="batch of 12 .* 8 devices along 'data'"):
        parallelism.put_batch(config, parallelism.make_mesh(config), {"x": np.zeros((12, 2))})


@pytest.fixture(scope="module")
def compiled(transformer):
    """A compiled step of a real model for each kind."""

    @functools.cache
    def make(name):
        config = TrainConfig(
            steps=5,
            log_every=1,
            optimizer=OptimizerConfig(learning_rate=1e-3, schedule="constant", weight_decay=0.1),
            parallelism=KINDS[name],
        )
        return compile_step(transformer.loss, transformer.init, transformer.batch(0), config)

    return make


@pytest.mark.slow
def test_every_kind_trains_the_same(transformer, compiled, compare):
    """Five AdamW steps in float32; each device has another number of counted tokens."""
    results = {}
    for name in KINDS:
        results[name] = loop.train(
            transformer.loss,
            transformer.init,
            transformer.batch,
            compiled(name).config,
            None,
            compiled=compiled(name),
            log=str,
        )
    base = results.pop("single")
    assert len(base.history) == 5
    for name, other in results.items():
        for ours, theirs in zip(base.history, other.history, strict=True):
            for key in ("loss", "grad_norm"):
                np.testing.assert_allclose(theirs[key], ours[key], rtol=1e-5, err_msg=name)
        assert compare.largest_difference(base.params, other.params) < 1e-5, name


@pytest.mark.slow
def test_devices_hold_their_share(compiled):
    """Bytes of real arrays: tables 1 / model, kernels and all optimizer state 1 / devices."""
    state = compiled("4x2").init(0)
    for leaf in jax.tree.leaves(state.params["vocabulary"]):
        assert leaf.addressable_shards[0].data.nbytes * 2 == leaf.nbytes
    adam = optax.tree.get(state.opt_state, "mu")
    for name in ("input_VxD", "output_VxD"):
        leaf = adam["vocabulary"][name]
        assert leaf.addressable_shards[0].data.nbytes * 8 == leaf.nbytes
    for tree in (state.params, adam, optax.tree.get(state.opt_state, "nu")):
        leaf = tree["trunk"]["layers"]["mlp"]["down"]["kernel"]
        assert leaf.addressable_shards[0].data.nbytes * 8 == leaf.nbytes


def gathered_shapes(compiled):
    """Shapes of all all-gather results in a compiled program."""
    text = compiled.as_text()
    found = re.findall(r"= \(?(\w+\[[\d,]*\][^=]*?) all-gather(?:-start)?\(", text)
    shapes = re.findall(r"\w+\[([\d,]*)\]", " ".join(found))
    return [tuple(int(n) for n in shape.split(",") if n) for shape in shapes]


@pytest.mark.slow
def test_compiled_code_never_gathers_a_table(compiled):
    """[V, D] = [64, 16] split on V over 'model': looked up, read out and updated in parts.

    Neither is the batch gathered where a kernel's split over 'data' could suggest it: the fsdp
    gathers are of one layer's kernels.
    """
    gathered = gathered_shapes(compiled("4x2").step)
    assert gathered  # fsdp gathers kernels; none found would mean that the pattern is wrong
    for shape in gathered:
        assert 64 not in shape, gathered
    # Without a second model shard every device has the table; only its update, computed in
    # parts as the optimizer's state is, comes together: once for each of the two tables.
    gathered = gathered_shapes(compiled("8x1").step)
    assert sum(sorted(shape) == [16, 64] for shape in gathered) <= 2
