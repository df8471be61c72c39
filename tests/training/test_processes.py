import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from research.errors import FreevocabError, UsageError
from research.testing.tiny import TinyCodec, tiny_corpus
from research.training import loop, processes, run_folder
from research.training.compile import compile_step
from research.training.config import (
    DistributedConfig,
    OptimizerConfig,
    ParallelismConfig,
    TrainConfig,
)
from research.training.data import batches, token_store

ROOT = Path(__file__).resolve().parents[2]
STEPS = 5

# One of two processes with four devices each. It builds its half of every batch, trains, saves
# checkpoints together with the other, and process 0 writes down what came out. Then process 0 alone
# builds a store, and each writes down which of its ids it looked at for its half of a batch.
WORKER = """
import dataclasses
import sys
from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils
from research.testing.tiny import TinyCodec, tiny_config, tiny_corpus
from research.training import loop, parallelism, processes, runtime
from research.training.compile import compile_step
from research.training.config import DistributedConfig, OptimizerConfig, ParallelismConfig
from research.training.config import TrainConfig
from research.training.lm import LM

jax.config.update("jax_numpy_rank_promotion", "raise")
address, process, data, folder, steps, conftest = sys.argv[1:]
processes.initialize(DistributedConfig(address, 2, int(process)), log=str)
assert jax.process_count() == 2 and jax.local_device_count() == 4
namespace = {"__name__": "models"}
exec(compile(Path(conftest).read_text(), conftest, "exec"), namespace)
model = namespace["transformer_model"]()
parallel = ParallelismConfig("mesh", data=int(data), model=8 // int(data))
mesh = parallelism.make_mesh(parallel)
index, count = parallelism.data_shard(mesh)
assert (index, count) == (int(process), 2)

def share(step):
    whole = model.batch(step)
    size = len(whole["inputs_BxL"]) // count
    return {name: array[index * size : (index + 1) * size] for name, array in whole.items()}

config = TrainConfig(
    steps=int(steps),
    log_every=1,
    save_every=2,
    optimizer=OptimizerConfig(learning_rate=1e-3),
    parallelism=parallel,
)
compiled = compile_step(model.loss, model.init, share(0), config)
# On a busy machine one process may be far ahead here, and gloo does not wait for long.
order = Path(folder, "order")
with processes.process_zero_first("compiled"):
    assert order.exists() == (index == 1)
    order.touch()
result = loop.train(model.loss, model.init, share, config, folder, compiled=compiled)
params = multihost_utils.process_allgather(result.params, tiled=True)
if int(process) == 0:
    rows = [[row["loss"], row["grad_norm"]] for row in result.history]
    leaves = jax.tree.leaves(params)
    np.savez(folder + "/result.npz", rows, *leaves)

class Watched:
    def __init__(self, ids):
        self.ids, self.places = ids, []

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, places):
        self.places.append(places)
        return self.ids[places]

class Counting(TinyCodec):
    encoded = 0

    def encode(self, texts):
        self.encoded += sum(map(len, texts))
        return super().encode(texts)

codec, corpus = Counting(), tiny_corpus()
store = runtime.store_builder(corpus, Path(folder), None, None, str)("train", codec)
assert codec.encoded == (store.num_bytes if index == 0 else 0)
watched = Watched(store.ids)
lm = LM(tiny_config(store.vocab_size), mesh, parallel)
store = dataclasses.replace(store, ids=watched)
batch = lm.training_batches(store, seed=3, batch_size=16, length=32)(7)
assert {len(array) for array in batch.values()} == {8}
np.savez(f"{folder}/read-{process}.npz", np.concatenate(watched.places), **batch)
"""


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (DistributedConfig("host:1"), "need --process-count and --process-id as well"),
        (DistributedConfig("host:1", process_count=2), "need --process-id as well"),
        (DistributedConfig("host:1", 2, 2), "process-id 2 is not within 0 to 1"),
        (DistributedConfig("host", 2, 1), "host is not HOST:PORT"),
        (DistributedConfig("host:x", 2, 1), "host:x is not HOST:PORT"),
        (DistributedConfig("auto", 2, 1), "auto finds the other two itself"),
    ],
)
def test_incomplete_flags_get_one_line(config, message):
    with pytest.raises(UsageError, match=message):
        processes.initialize(config, log=str)


def test_no_flags_mean_one_process():
    processes.initialize(DistributedConfig())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path, transformer):
    """Two gloo processes with four devices each = one process with one device, and the
    checkpoints that the two saved go on in the one."""
    conftest = str(Path(__file__).with_name("conftest.py"))
    address = f"localhost:{free_port()}"
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": "4",
        "PYTHONPATH": str(ROOT),
    }
    workers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WORKER]
            + [address, str(process), "4", str(tmp_path), str(STEPS), conftest],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for process in range(2)
    ]
    try:
        printed = [worker.communicate(timeout=1200)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], "\n".join(printed)
    assert [len(re.findall(rf"step \d/{STEPS} ", text)) for text in printed] == [STEPS, 0]

    config = TrainConfig(
        steps=STEPS,
        log_every=1,
        optimizer=OptimizerConfig(learning_rate=1e-3),
        parallelism=ParallelismConfig(),
    )
    model = transformer
    compiled = compile_step(model.loss, model.init, model.batch(0), config)

    def train(workdir):
        return loop.train(
            model.loss, model.init, model.batch, config, workdir, compiled=compiled, log=str
        )

    alone = train(None)
    with np.load(tmp_path / "result.npz") as result:
        rows, *leaves = (result[name] for name in result.files)
    ours = [[row["loss"], row["grad_norm"]] for row in alone.history]
    np.testing.assert_allclose(rows, ours, rtol=1e-5)
    for theirs, leaf in zip(leaves, jax.tree.leaves(alone.params), strict=True):
        np.testing.assert_allclose(theirs, leaf, atol=1e-5)
    reopened = train(tmp_path)
    # Nothing is trained: what the two processes logged is all.
    found = [[row["loss"], row["grad_norm"]] for row in reopened.history]
    np.testing.assert_array_equal(rows, found)
    for theirs, leaf in zip(leaves, jax.tree.leaves(reopened.params), strict=True):
        np.testing.assert_array_equal(theirs, leaf)
    # The last step is trained again, from what the two saved before it.
    shutil.rmtree(tmp_path / "checkpoints" / str(STEPS))
    for theirs, leaf in zip(leaves, jax.tree.leaves(train(tmp_path).params), strict=True):
        np.testing.assert_allclose(theirs, leaf, atol=1e-5)
    assert run_folder.read_metrics(tmp_path)[-2]["step"] == STEPS - 1

    # Each read the ids of its own rows, which are the one process's in order.
    store = token_store.build(tiny_corpus(), "train", TinyCodec(), tmp_path / "stores")
    batch = batches.sequence_batch(store, seed=3, step=7, batch_size=16, length=32)
    parts = [dict(np.load(tmp_path / f"read-{process}.npz")) for process in range(2)]
    places = [part.pop("arr_0") for part in parts]
    assert not set(places[0].ravel()) & set(places[1].ravel())
    np.testing.assert_array_equal(store.ids[np.concatenate(places)], batch["targets_BxL"])
    for name, whole in batch.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), whole)


def test_a_port_that_is_taken_gets_one_line():
    with socket.create_server(("", 0)) as server:
        address = f"localhost:{server.getsockname()[1]}"
        with pytest.raises(FreevocabError, match="cannot listen at port .*another port") as caught:
            processes.initialize(DistributedConfig(address, 2, 0), log=str)
    assert "\n" not in str(caught.value)
