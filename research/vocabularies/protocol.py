"""What a vocabulary is: ids to vectors and back, for one batch.

A vocabulary is a frozen dataclass of settings (hashable, so it can be static under `jax.jit`) with
pure methods. What it learns is in a dict of arrays; what it draws is decided by one key for each
sequence. `table` makes both into a table for a batch, which the other methods take:

    params = vocabulary.init(key, rows, d_model)
    table = vocabulary.table(params, ids_BxL, keys_Bx2, rows=rows, vocab_size=vocab_size)
    x_BxLxD = vocabulary.embed(table, ids_BxL)
    logits_BxLxV = vocabulary.readout(table, y_BxLxD)

The last two ids below `vocab_size` are BOS and EOS. They are no symbols of the text: they keep
learned rows of their own and are never permuted, drawn or renumbered.
"""

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

SPECIALS = 2  # BOS and EOS
Array = jax.Array
Params = dict[str, jax.Array]
Size = int | jax.Array  # perhaps traced


class EmbeddingTable(NamedTuple):
    """Vectors of V ids, arrays of JAX or numpy."""

    input_VxD: Any
    """Rows that ids are turned into; or [B, V, D], a table of its own per sequence."""
    output_VxD: Any = None
    """Rows that logits are made with, same shape; None: the input's (tied)."""
    bias_V: Any = None
    """Added to the logits; None: nothing."""

    @property
    def readout_VxD(self) -> Any:
        """The rows that logits are made with, tied or not."""
        return self.input_VxD if self.output_VxD is None else self.output_VxD


class TokenLosses(NamedTuple):
    """Float32 [B, L] each."""

    nats_BxL: jax.Array
    """-ln p(target)."""
    log_z_BxL: jax.Array
    """Log-sum-exp of the logits."""
    correct_BxL: jax.Array
    """1 where no logit exceeds the target's, else 0."""


def embed(table: EmbeddingTable, ids_BxL: jax.Array) -> jax.Array:
    """[B, L] (or any shape, for a shared table) -> [B, L, D] in the table's dtype.

    An id outside [0, V) becomes NaN, so that it is noticed. With the table sharded on V the
    partitioner turns this gather into a masked local one and a sum over the shards (a test reads
    the compiled code): no device ever holds [V, D], and a one-hot product is not needed.
    """
    if table.input_VxD.ndim == 3:
        take = jax.vmap(lambda rows, ids: jnp.take(rows, ids, axis=0, mode="fill"))
        return take(table.input_VxD, ids_BxL)
    return jnp.take(table.input_VxD, ids_BxL, axis=0, mode="fill")


def readout(table: EmbeddingTable, x_BxLxD: jax.Array) -> jax.Array:
    """Logits [B, L, V] in float32; rows are cast to the dtype of x, sums are float32.

    Training uses `research.vocabularies.cross_entropy`, which never holds this array.
    """
    rows = table.readout_VxD.astype(x_BxLxD.dtype)
    equation = "bld,bvd->blv" if rows.ndim == 3 else "...d,vd->...v"
    logits = jnp.einsum(equation, x_BxLxD, rows, preferred_element_type=jnp.float32)
    if table.bias_V is not None:
        logits += table.bias_V.reshape((1,) * (logits.ndim - 1) + (-1,))
    return logits


class LossConfig(NamedTuple):
    """How a loss is to be computed."""

    vocab_size: Any
    """Number of real ids; may be traced."""
    chunk_size: int | None = None
    """Positions of each sequence in the readout at once; None: by memory."""
    z_loss: float = 0.0
    """Weight of log(Z)^2."""
    data_shards: int = 1
    """Devices among which the batch axis is divided; see `cross_entropy.summed_loss`."""


class Vocabulary(Protocol):
    """See the module's docstring."""

    @property
    def kind(self) -> str:
        """Names the class in saved models."""
        ...

    @property
    def draws(self) -> bool:
        """Whether keys are needed."""
        ...

    def init(self, key: jax.Array, rows: int, d_model: int) -> dict[str, jax.Array]:
        """Fresh float32 parameters for tables of `rows` ids."""
        ...

    def table(
        self, params: Params, ids_BxL: Array, keys_Bx2: Array | None, *, rows: int, vocab_size: Size
    ) -> Any:
        """The table for a batch, a pytree.

        Args:
          ids_BxL: the trunk's input ids: what a sequence's table may depend on.
          keys_Bx2: uint32, of `vocabularies.sequence_keys`; None where nothing is drawn.
          rows: V, the padded number of ids.
          vocab_size: number of real ids; may be traced.
        """
        ...

    def embed(self, table: Any, ids_BxL: jax.Array) -> jax.Array:
        """[B, L] -> [B, L, D] with entries of variance about 1/D."""
        ...

    def readout(self, table: Any, x_BxLxD: jax.Array, vocab_size: int | jax.Array) -> jax.Array:
        """Float32 logits [B, L, V], -inf from vocab_size on. For evaluation and drawing: V wide."""
        ...

    def losses(
        self, table: Any, x_BxLxD: jax.Array, targets_BxL: jax.Array, config: LossConfig
    ) -> TokenLosses:
        """Exact losses of every position, [B, L]; [B, L, V] is never held."""
        ...

    def loss(
        self, table: Any, x_BxLxD: Array, targets_BxL: Array, weights_BxL: Array, config: LossConfig
    ) -> tuple[Array, TokenLosses]:
        """What training minimises, summed over positions, and each position's losses."""
        ...


def weighted(
    losses: TokenLosses, weights_BxL: jax.Array, z_loss: float
) -> tuple[jax.Array, TokenLosses]:
    """What training minimises, the sum of weight * (nats + z_loss * log(Z)^2), and the losses."""
    terms_BxL = losses.nats_BxL + z_loss * jnp.square(losses.log_z_BxL)
    return jnp.sum(weights_BxL * terms_BxL), losses


def typed_keys(keys_Bx2: jax.Array | None) -> jax.Array:
    """Typed keys [B] of key data [B, 2].

    Raises:
      ValueError: if there is none.
    """
    if keys_Bx2 is None:
        raise ValueError(
            "this vocabulary draws a table for each sequence: give keys_Bx2 (sequence_keys)"
        )
    return jax.random.wrap_key_data(jnp.asarray(keys_Bx2, jnp.uint32), impl="threefry2x32")


def specials(ids: jax.Array, vocab_size: int | jax.Array) -> jax.Array:
    """Which ids are BOS or EOS, bool of the same shape."""
    return (ids >= vocab_size - SPECIALS) & (ids < vocab_size)
