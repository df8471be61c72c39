"""The vocabulary as an argument: a table of vectors, and how ids and logits use it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Table(NamedTuple):
    """Vectors of V ids.

    Attributes:
      input_VxD: rows that ids are turned into; or [B, V, D], a table of its own per sequence.
      output_VxD: rows that logits are made with, same shape; None: the input's (tied).
      bias_V: added to the logits; None: nothing.
    """

    input_VxD: jax.Array
    output_VxD: jax.Array | None = None
    bias_V: jax.Array | None = None

    @property
    def readout_VxD(self) -> jax.Array:
        """The rows that logits are made with, tied or not."""
        return self.input_VxD if self.output_VxD is None else self.output_VxD


def embed(table: Table, ids_BxL: jax.Array) -> jax.Array:
    """[B, L] (or any shape, for a shared table) -> [B, L, D] in the table's dtype.

    An id outside [0, V) becomes NaN, so that it is noticed. With the table sharded on V the
    partitioner turns this gather into a masked local one and a sum over the shards (a test reads
    the compiled code): no device ever holds [V, D], and a one-hot product is not needed.
    """
    if table.input_VxD.ndim == 3:
        take = jax.vmap(lambda rows, ids: jnp.take(rows, ids, axis=0, mode="fill"))
        return take(table.input_VxD, ids_BxL)
    return jnp.take(table.input_VxD, ids_BxL, axis=0, mode="fill")


def readout(table: Table, x_BxLxD: jax.Array) -> jax.Array:
    """Logits [B, L, V] in float32; rows are cast to the dtype of x, sums are float32.

    Training uses `research.vocabularies.cross_entropy`, which never holds this array.
    """
    rows = table.readout_VxD.astype(x_BxLxD.dtype)
    equation = "bld,bvd->blv" if rows.ndim == 3 else "...d,vd->...v"
    logits = jnp.einsum(equation, x_BxLxD, rows, preferred_element_type=jnp.float32)
    if table.bias_V is not None:
        logits += table.bias_V.reshape((1,) * (logits.ndim - 1) + (-1,))
    return logits
