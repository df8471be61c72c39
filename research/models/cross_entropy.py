"""Softmax cross-entropy over a large vocabulary, a few positions at a time.

For V = 65,536 the logits of a batch, [B, L, V], are far larger than the model. Here positions go
through the readout in chunks of L, in the forward pass and again in the backward pass, so that only
[B, chunk, V] ever exists. The batch axis stays whole and V is only reduced over, never indexed, so
a batch sharded on B and a table sharded on V stay where they are: the partitioner adds sums of
[B, chunk] over the shards and nothing of size [V, D].
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.vocabularies.table import Table, readout

_CHUNK_ELEMENTS = 2**25  # logits per chunk when nothing is said: 128 MiB of float32


class TokenLosses(NamedTuple):
    """Per position, float32 [B, L]: nats = -ln p(target), log_z = log-sum-exp of the logits,
    correct = 1 where no logit exceeds the target's."""

    nats_BxL: jax.Array
    log_z_BxL: jax.Array
    correct_BxL: jax.Array


def default_chunk_size(batch: int, length: int, rows: int) -> int:
    """Positions of each sequence per chunk, such that a chunk has about 2^25 logits."""
    return max(1, min(length, _CHUNK_ELEMENTS // max(1, batch * rows)))


def token_losses(
    table: Table,
    x_BxLxD: jax.Array,
    targets_BxL: jax.Array,
    *,
    vocab_size: int | jax.Array,
    chunk_size: int | None = None,
) -> TokenLosses:
    """Cross-entropy of every position, differentiable in the table and in x.

    Args:
      table: its readout rows, [V, D] or [B, V, D]; ids from `vocab_size` on are padding with
        probability zero.
      x_BxLxD: readout inputs; the product is in their dtype with float32 sums.
      targets_BxL: int ids below `vocab_size`.
      vocab_size: number of real ids; may be traced, so that one compiled step serves several.
      chunk_size: positions of each sequence at once; None: `default_chunk_size`.
    """
    batch, length, _ = x_BxLxD.shape
    rows = table.readout_VxD.shape[-2]
    chunk = min(chunk_size or default_chunk_size(batch, length, rows), length)
    chunks = -(-length // chunk)
    padding = chunks * chunk - length

    def split(array):
        array = jnp.pad(array, [(0, 0), (0, padding)] + [(0, 0)] * (array.ndim - 2))
        array = array.reshape(batch, chunks, chunk, *array.shape[2:])
        return jnp.moveaxis(array, 1, 0)

    def join(array):
        return jnp.moveaxis(array, 0, 1).reshape(batch, chunks * chunk)[:, :length]

    def body(readout: Table, piece):
        return readout, _chunk_losses(readout, *piece, vocab_size)

    readout = Table(table.readout_VxD, None, table.bias_V)
    _, losses = jax.lax.scan(
        jax.checkpoint(body, prevent_cse=False), readout, (split(x_BxLxD), split(targets_BxL))
    )
    return TokenLosses(*map(join, losses))


def masked_logits(table: Table, x_BxCxD: jax.Array, vocab_size: int | jax.Array) -> jax.Array:
    """Float32 logits [B, C, V], -inf for the ids from `vocab_size` on."""
    logits = readout(table, x_BxCxD)
    ids = jax.lax.broadcasted_iota(jnp.int32, logits.shape, logits.ndim - 1)
    return jnp.where(ids < vocab_size, logits, -jnp.inf)


def _chunk_losses(table, x_BxCxD, targets_BxC, vocab_size) -> TokenLosses:
    logits = masked_logits(table, x_BxCxD, vocab_size)
    ids = jax.lax.broadcasted_iota(jnp.int32, logits.shape, 2)
    # A reduction instead of an index: the target's logit comes from whichever shard has it.
    target = jnp.sum(jnp.where(ids == targets_BxC[:, :, None], logits, 0.0), axis=-1)
    top = jax.lax.stop_gradient(jnp.max(logits, axis=-1))
    log_z = top + jnp.log(jnp.sum(jnp.exp(logits - top[:, :, None]), axis=-1))
    return TokenLosses(log_z - target, log_z, (target >= top).astype(jnp.float32))
