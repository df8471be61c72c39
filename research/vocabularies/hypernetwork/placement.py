"""Where packed tokens and predicted rows live when a step is spread over a mesh.

Both read the mesh that a training step traces under and do nothing where there is none.
"""

import jax
from jax.sharding import AxisType, PartitionSpec


def split_groups(x: jax.Array) -> jax.Array:
    """The same array [G, ...], each device having groups of its own if there are enough.

    'model' comes first, so that bringing rows together over 'data' leaves them split on 'model'.
    """
    sizes = _sizes()
    devices = sizes.get("data", 1) * sizes.get("model", 1)
    if not sizes or x.shape[0] % devices:
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec(("model", "data")))


def split_rows(x: jax.Array) -> jax.Array:
    """The same array [V, ...], split over 'model' and whole over 'data', as tables are."""
    sizes = _sizes()
    if not sizes or x.shape[0] % sizes["model"]:
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec("model"))


def _sizes() -> dict[str, int]:
    mesh = jax.sharding.get_abstract_mesh()
    types = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    if types.get("data") is not AxisType.Auto or types.get("model") is not AxisType.Auto:
        return {}
    return {name: mesh.shape[name] for name in ("data", "model")}
