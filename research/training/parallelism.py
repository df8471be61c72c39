"""One step function on one device, on a mesh, or under pmap.

All three see the same arrays: the state is one global pytree (under pmap too: `in_axes=None` keeps
it replicated and unstacked, so nothing is ever indexed out of a pmapped result, and a checkpoint
of any kind opens in any other), and a batch is a dict of [B, ...] numpy arrays of which each
process holds its share.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from research.errors import UsageError
from research.training.config import ParallelismConfig

AXIS = "data"


class DataShard(NamedTuple):
    """A process builds part `index` of `count` equal parts of each batch, in order."""

    index: int = 0
    count: int = 1

    def rows(self, batch_size: int) -> np.ndarray:
        """The rows of a whole batch that this process builds, int64 [B / count].

        Raises:
          UsageError: if B does not divide by the processes.
        """
        if batch_size < 1 or batch_size % self.count:
            raise UsageError(
                f"a batch of {batch_size} does not divide among {self.count} processes"
            )
        size = batch_size // self.count
        return np.arange(self.index * size, (self.index + 1) * size, dtype=np.int64)

    def part(self, whole: np.ndarray) -> np.ndarray:
        """This process's part of an array [B, ...] that every process has made whole."""
        return whole if self.count == 1 else whole[self.rows(len(whole))]


WHOLE = DataShard()


def make_mesh(config: ParallelismConfig) -> Mesh:
    """The ('data', 'model') mesh of a config; 'single' takes the first device.

    Raises:
      UsageError: if the numbers of devices do not fit, or a kind cannot do what is asked.
    """
    devices = jax.devices()
    if config.kind != "mesh" and jax.process_count() > 1:
        raise UsageError(f"parallelism {config.kind} runs in one process; use parallelism mesh")
    if config.kind == "single":
        if config.data not in (-1, 1) or config.model != 1:
            raise UsageError(
                f"parallelism single has one device, not data={config.data} x model={config.model};"
                " use parallelism mesh"
            )
        devices = devices[:1]
    if config.kind == "pmap" and config.model != 1:
        raise UsageError("pmap is data parallel only: set model=1 or use parallelism mesh")
    if config.model < 1 or (config.data < 1 and config.data != -1):
        raise UsageError("data must be -1 or at least 1, model at least 1")
    data = len(devices) // config.model if config.data == -1 else config.data
    if data * config.model != len(devices) or data < 1:
        shape = f"{'?' if config.data == -1 else data} x {config.model}"
        raise UsageError(
            f"a data x model mesh of {shape} does not fit {len(devices)} devices; their product "
            "must be the number of devices (data=-1 takes what model leaves)"
        )
    grid = np.asarray(devices).reshape(data, config.model)
    return Mesh(grid, (AXIS, "model"), axis_types=(AxisType.Auto, AxisType.Auto))


def data_shard(mesh: Mesh) -> DataShard:
    """Which part of each batch this process builds.

    Processes whose devices lie in the same rows of the mesh ('model' across processes) build the
    same part.
    """
    process = jax.process_index()
    rows = [i for i, row in enumerate(mesh.devices) if any(d.process_index == process for d in row)]
    count = mesh.devices.shape[0] // len(rows)
    return DataShard(rows[0] // len(rows), count)


def _data_mesh(mesh: Mesh) -> Mesh:
    """The one-axis mesh that pmap makes of the same devices."""
    return Mesh(mesh.devices[:, 0], (AXIS,), axis_types=(AxisType.Auto,))


def replicated(config: ParallelismConfig, mesh: Mesh) -> NamedSharding:
    """Whole on every device of the mesh."""
    return NamedSharding(_data_mesh(mesh) if config.kind == "pmap" else mesh, PartitionSpec())


def put_batch(config: ParallelismConfig, mesh: Mesh, batch: dict[str, np.ndarray]) -> Any:
    """This process's share of a batch as global device arrays [B, ...], split over 'data'.

    Under pmap the arrays are [devices, B / devices, ...].

    Raises:
      UsageError: if B does not divide by the devices along 'data'.
    """
    shards = mesh.shape[AXIS] // data_shard(mesh).count
    for size in sorted({len(array) for array in batch.values()}):
        if size % shards == 0:
            continue
        raise UsageError(
            f"a batch of {size} (per process) does not divide over {shards} devices along 'data'; "
            "change the batch size or parallelism.data"
        )
    if config.kind == "pmap":
        mesh = _data_mesh(mesh)
        batch = {k: v.reshape(shards, len(v) // shards, *v.shape[1:]) for k, v in batch.items()}
    sharding = NamedSharding(mesh, PartitionSpec(AXIS))
    return {k: jax.make_array_from_process_local_data(sharding, v) for k, v in batch.items()}


def abstract_batch(mesh: Mesh, batch: dict[str, np.ndarray]) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes of the whole batch [B, ...], of which `batch` is this process's share."""
    count = data_shard(mesh).count
    return {
        name: jax.ShapeDtypeStruct((count * len(array), *array.shape[1:]), array.dtype)
        for name, array in batch.items()
    }


def parallelize(
    function: Callable[..., Any],
    config: ParallelismConfig,
    mesh: Mesh,
    *,
    in_shardings: Any,
    out_shardings: Any,
    donate: bool,
) -> Any:
    """Compiles function(state, batch) -> outputs for the config's kind.

    Args:
      function: under pmap it runs per device with the axis name 'data' and must return what is
        equal on all of them; otherwise it sees the whole batch.
      in_shardings: of the state (mesh and single); the batch is split over 'data'.
      out_shardings: of the outputs (mesh and single).
      donate: the state's memory is reused for the outputs.

    Returns:
      An object with `lower`, as jit and pmap make.
    """
    donated = (0,) if donate else ()
    if config.kind == "pmap":
        return jax.pmap(
            function,
            axis_name=AXIS,
            in_axes=(None, 0),
            out_axes=None,
            devices=list(mesh.devices[:, 0]),
            donate_argnums=donated,
        )

    def traced_with_mesh(state, batch):
        # Lets models pin activations (`layers.split_batch`) without being given a mesh.
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return function(state, batch)

    return jax.jit(
        traced_with_mesh,
        in_shardings=(in_shardings, NamedSharding(mesh, PartitionSpec(AXIS))),
        out_shardings=out_shardings,
        donate_argnums=donated,
    )
