"""A run goes on where it was stopped; two runs never write to the same place."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest

from research.errors import FreevocabError, UsageError
from research.training import loop, run_folder
from research.training.compile import CompiledStep, compile_step
from research.training.config import OptimizerConfig, ParallelismConfig, TrainConfig
from research.training.run_folder import Checkpoints

SINGLE = ParallelismConfig()
MESH_8X1 = ParallelismConfig("mesh")
MESH_4X2 = ParallelismConfig("mesh", data=4, model=2)
PMAP = ParallelismConfig("pmap")


def train(model, workdir, parallel, steps=6, compiled=None, **options):
    config = TrainConfig(
        steps=steps, parallelism=parallel, log_every=1, save_every=2, keep=10, **options
    )
    return loop.train(
        model.loss, model.init, model.batch, config, workdir, compiled=compiled, log=str
    )


def cut_back(source, target, step):
    """A copy of a workdir as it was after `step`."""
    shutil.copytree(source, target)
    for folder in (target / "checkpoints").iterdir():
        if folder.name.isdigit() and int(folder.name) > step:
            shutil.rmtree(folder)
    return target


@pytest.mark.parametrize(
    ("first", "second"),
    [(MESH_4X2, SINGLE), (SINGLE, MESH_4X2), (MESH_8X1, PMAP), (PMAP, MESH_4X2)],
    ids=["8 to 1", "1 to 8", "mesh to pmap", "pmap to mesh"],
)
def test_a_run_goes_on_on_other_devices(first, second, bigram, compare, tmp_path):
    """Saved at step 4 on one kind, finished on another: the same as never having stopped."""
    optimizer = OptimizerConfig(name="adafactor", min_factored=4, learning_rate=0.1)
    straight = train(bigram, tmp_path / "a", first, optimizer=optimizer)
    workdir = cut_back(tmp_path / "a", tmp_path / "b", 4)
    resumed = train(bigram, workdir, second, optimizer=optimizer)
    assert [row["step"] for row in resumed.history] == [1, 2, 3, 4, 5, 6]
    rows = run_folder.read_metrics(workdir)
    assert [row["step"] for row in rows if row["kind"] == "run"] == [0, 4]
    assert compare.largest_difference(straight.params, resumed.params) < 1e-5
    for name in ("loss", "grad_norm"):
        np.testing.assert_allclose(straight.metrics[name], resumed.metrics[name], rtol=1e-5)


@pytest.mark.parametrize(("data", "model"), [(4, 1), (2, 2), (1, 1)])
def test_a_checkpoint_of_eight_devices_opens_on_fewer_to_the_bit(
    data, model, eight, bigram, compare, tmp_path
):
    """Parameters and optimizer, sharded anew; and the training goes on as on eight."""
    workdir = cut_back(eight.workdir, tmp_path / "run", 4)
    devices = np.asarray(jax.devices()[: data * model]).reshape(data, model)
    config = TrainConfig(**eight.options, parallelism=ParallelismConfig("mesh", data, model))
    mesh = jax.sharding.Mesh(devices, eight.compiled.mesh.axis_names)
    compiled = compile_step(bigram.loss, bigram.init, bigram.batch(0), config, mesh=mesh)
    with Checkpoints(workdir / "checkpoints") as saved:
        ours = saved.restore(4, compiled.abstract)
        assert compare.bit_equal(saved.restore(4, eight.compiled.abstract), ours)
    assert {len(leaf.sharding.device_set) for leaf in jax.tree.leaves(ours)} == {data * model}
    resumed = loop.train(
        bigram.loss, bigram.init, bigram.batch, config, workdir, compiled=compiled, log=str
    )
    assert [row["kind"] for row in run_folder.read_metrics(workdir)].count("run") == 2
    assert compare.largest_difference(eight.result.params, resumed.params) < 1e-5


class Eight(NamedTuple):
    options: dict
    compiled: CompiledStep
    result: loop.TrainResult
    workdir: Path


@pytest.fixture(scope="module")
def eight(bigram, tmp_path_factory):
    """Six steps on a 4 x 2 mesh, saved after the fourth."""
    options = dict(steps=6, log_every=1, save_every=2, keep=10)
    config = TrainConfig(**options, parallelism=MESH_4X2)
    compiled = compile_step(bigram.loss, bigram.init, bigram.batch(0), config)
    workdir = tmp_path_factory.mktemp("eight") / "run"
    result = loop.train(
        bigram.loss, bigram.init, bigram.batch, config, workdir, compiled=compiled, log=str
    )
    return Eight(options, compiled, result, workdir)


@pytest.mark.slow
def test_resuming_equals_not_stopping_to_the_bit(transformer, compare, tmp_path):
    """On a real model, sharded both ways; every intermediate checkpoint is as good as the last,
    although the steps after it reused the memory it was saved from."""
    config = OptimizerConfig(learning_rate=1e-3, schedule="constant", weight_decay=0.1)
    full = TrainConfig(steps=6, parallelism=MESH_4X2, optimizer=config)
    compiled = compile_step(transformer.loss, transformer.init, transformer.batch(0), full)
    straight = train(
        transformer, tmp_path / "a", MESH_4X2, compiled=compiled, optimizer=config
    )
    for step in (2, 4):
        workdir = cut_back(tmp_path / "a", tmp_path / str(step), step)
        resumed = train(transformer, workdir, MESH_4X2, compiled=compiled, optimizer=config)
        assert compare.bit_equal(straight.params, resumed.params), step
        with Checkpoints(workdir / "checkpoints") as saved:
            again = saved.restore(6, compiled.abstract)
        with Checkpoints(tmp_path / "a" / "checkpoints") as saved:
            assert compare.bit_equal(saved.restore(6, compiled.abstract), again), step


def test_a_finished_run_is_only_opened(bigram, compare, tmp_path):
    first = train(bigram, tmp_path, SINGLE)
    second = train(bigram, tmp_path, SINGLE)
    assert second.history == first.history
    assert compare.bit_equal(first.params, second.params)


def test_meta_tells_config_versions_and_clock(bigram, tmp_path):
    train(bigram, tmp_path, SINGLE, seed=3)
    with Checkpoints(tmp_path / "checkpoints") as saved:
        assert saved.latest() == 6
        meta = saved.meta(6)
    assert meta["identity"]["seed"] == 3
    assert meta["config"]["steps"] == 6
    assert meta["versions"]["jax"] == jax.__version__
    assert meta["seconds"] > 0


def test_only_so_many_checkpoints_are_kept(bigram, tmp_path):
    config = TrainConfig(steps=5, save_every=1, keep=2)
    loop.train(bigram.loss, bigram.init, bigram.batch, config, tmp_path, log=str)
    kept = {path.name for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit()}
    assert kept == {"4", "5"}


def test_a_damaged_checkpoint_gets_one_line(bigram, tmp_path):
    train(bigram, tmp_path, SINGLE)
    for path in (tmp_path / "checkpoints" / "6" / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(FreevocabError, match="cannot read checkpoint .*6.*delete") as caught:
        train(bigram, tmp_path, SINGLE)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_model_gets_one_line(bigram, tmp_path):
    train(bigram, tmp_path, SINGLE)

    def wider(key):
        return jax.tree.map(lambda leaf: np.float32(0) * leaf[:, :4], bigram.init(key))

    # The settings are the same: only the shapes can tell.
    config = TrainConfig(steps=6, save_every=2)
    with pytest.raises(FreevocabError, match="cannot read checkpoint") as caught:
        loop.train(bigram.loss, wider, bigram.batch, config, tmp_path, log=str)
    assert "\n" not in str(caught.value)


def test_differences_name_the_settings():
    ours = {"seed": 1, "optimizer": {"name": "adamw", "rate": 0.1}, "new": 2}
    theirs = {"seed": 1, "optimizer": {"name": "muon", "rate": 0.1}, "old": 3}
    assert run_folder.differences(ours, theirs) == [
        "new is new",
        "old is gone",
        "optimizer.name is 'adamw', was 'muon'",
    ]
    assert run_folder.differences(ours, ours) == []


def test_a_given_checkpoint_must_exist(tmp_path):
    with pytest.raises(UsageError, match="no checkpoint in"):
        run_folder.open_given(tmp_path / "nothing")
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UsageError, match="no checkpoint in"):
        run_folder.open_given(tmp_path)


def test_a_full_disk_is_said_first():
    long = "RESOURCE_EXHAUSTED: Error writing " + "x" * 400 + ": No space left on device [14]"
    assert run_folder._first_line(ValueError(long)) == "No space left on device"
    assert run_folder._first_line(ValueError("other\nlines")) == "other"


def test_a_second_run_is_refused_until_the_first_ends(tmp_path):
    with run_folder.lock(tmp_path / "run"):
        with pytest.raises(FreevocabError, match="another run is using .*run: wait"):
            with run_folder.lock(tmp_path / "run"):
                raise AssertionError("both are in")
        with run_folder.lock(tmp_path / "other"):
            assert (tmp_path / "other").is_dir()
    with run_folder.lock(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()


def test_a_killed_run_leaves_no_lock(tmp_path):
    program = (
        "import os, pathlib, sys\n"
        "from research.training import run_folder\n"
        "with run_folder.lock(pathlib.Path(sys.argv[1])):\n"
        "    os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)]).returncode == 9
    with run_folder.lock(tmp_path):
        assert (tmp_path / ".lock").exists()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "uint8", "bool"])
def test_any_changed_bit_changes_the_checksum(dtype):
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 2, (3, 4, 5)).astype(dtype)
    before = run_folder.checksums({"a": jax.numpy.asarray(whole)})["a"]
    for place in range(whole.size):
        for bit in range(8 * whole.dtype.itemsize if dtype != "bool" else 1):
            flipped = whole.copy().reshape(-1)
            flipped.view(f"u{whole.dtype.itemsize}")[place] ^= 1 << bit
            changed = {"a": jax.numpy.asarray(flipped.reshape(whole.shape))}
            assert run_folder.checksums(changed)["a"] != before
    swapped = {"a": jax.numpy.asarray(whole[::-1])}
    assert run_folder.checksums(swapped)["a"] != before


def test_a_damaged_checkpoint_is_refused_or_as_it_was(bigram, tmp_path):
    """Whatever bit a disk turns: no other number, and no other description, is ever trained on."""
    train(bigram, tmp_path, SINGLE, steps=2)
    folder = tmp_path / "checkpoints" / "2"
    with Checkpoints(tmp_path / "checkpoints") as saved:
        state = saved._restore(2, state=run_folder.ocp.args.StandardRestore())["state"]
        shapes = jax.eval_shape(lambda: state)
        good, meta = saved.restore(2, shapes), saved.meta(2)
    assert meta["checksums"]
    rng, refused = np.random.default_rng(0), 0
    files = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
    for number in range(60):
        path = files[number % len(files)]
        data = path.read_bytes()
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        with Checkpoints(tmp_path / "checkpoints") as saved:
            try:
                assert saved.meta(2) == meta
                jax.tree.map(np.testing.assert_array_equal, saved.restore(2, shapes), good)
            except FreevocabError as error:
                refused += 1
                assert "delete that folder" in str(error) or "update freevocab" in str(error)
        path.write_bytes(data)
    assert refused
