"""Where activations live when a step is spread over a mesh.

Functions here read the mesh that the training step traces under (`jax.sharding.get_abstract_mesh`)
and do nothing where there is none, so a model neither takes a mesh nor knows what it is run on.
Without them the partitioner may follow a kernel split over 'data' and gather the batch instead.
"""

import jax
from jax.sharding import AxisType, PartitionSpec


def split_batch(x: jax.Array) -> jax.Array:
    """The same array [B, ...], held split over the mesh axis 'data' and whole otherwise."""
    mesh = jax.sharding.get_abstract_mesh()
    types = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    if types.get("data") is not AxisType.Auto or x.shape[0] % mesh.shape["data"]:
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec("data"))
