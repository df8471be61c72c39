"""Softmax cross-entropy over a large vocabulary, a few positions at a time.

For V = 65,536 the logits of a batch, [B, L, V], are far larger than the model. Here the readout is
taken in chunks of L, so that only [B, chunk, V] ever exists. The batch axis stays whole and V is
only reduced over, never indexed, so a batch sharded on B and a table sharded on V stay where they
are: the partitioner adds sums of [B, chunk] (and the gradient of x, [B, chunk, D]) over the shards
of V; no device ever holds [V, D].

`token_losses` gives every position's loss and can be differentiated in any way: it computes the
logits of a chunk again in the backward pass. `summed_loss` is for training: only the sum is
differentiated, and its gradient is linear in the sum's cotangent, so it is computed in the forward
pass while the logits are there: three matrix products of the readout's size, not four.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.vocabularies.protocol import EmbeddingTable, TokenLosses, readout, weighted

# Logits in a chunk when nothing is said: 256 MiB of float32, on a CPU what its caches can hold
# (measured: 1.7 times the speed), but never fewer than 256 positions in all.
_CHUNK_ELEMENTS = 2**26
_CHUNK_ELEMENTS_ON_CPU = 2**21
_LEAST_POSITIONS = 256


def default_chunk_size(batch: int, length: int, rows: int) -> int:
    """Positions of each sequence in a chunk; it changes speed and memory, not the result."""
    on_cpu = jax.default_backend() == "cpu"
    elements = _CHUNK_ELEMENTS_ON_CPU if on_cpu else _CHUNK_ELEMENTS
    positions = max(_LEAST_POSITIONS, elements // rows)
    return max(1, min(length, positions // max(1, batch)))


def token_losses(
    table: EmbeddingTable,
    x_BxLxD: jax.Array,
    targets_BxL: jax.Array,
    *,
    vocab_size: int | jax.Array,
    chunk_size: int | None = None,
    softcap: float | None = None,
) -> TokenLosses:
    """Cross-entropy of every position, differentiable in the table and in x.

    Args:
      table: its readout rows, [V, D] or [B, V, D]; ids from `vocab_size` on are padding with
        probability zero.
      x_BxLxD: readout inputs; products are in their dtype with float32 sums.
      targets_BxL: int ids below `vocab_size`.
      vocab_size: number of real ids; may be traced, so that one compiled step serves several.
      chunk_size: positions of each sequence at once; None: `default_chunk_size`.
      softcap: see `masked_logits`.
    """
    return chunked_losses(
        lambda x_BxCxD: masked_logits(table, x_BxCxD, vocab_size, softcap),
        x_BxLxD,
        targets_BxL,
        rows=table.readout_VxD.shape[-2],
        chunk_size=chunk_size,
    )


def chunked_losses(
    logits_of: Callable[[jax.Array], jax.Array],
    x_BxLxD: jax.Array,
    targets_BxL: jax.Array,
    *,
    rows: int,
    chunk_size: int | None = None,
) -> TokenLosses:
    """`token_losses` of any readout: logits_of takes [B, C, D] to float32 [B, C, rows]."""
    chunks = _Chunks(x_BxLxD.shape, rows, chunk_size)

    # What logits_of reads is closed over, not carried: a carry would be kept once per chunk.
    def body(_, piece):
        x_BxCxD, targets_BxC = piece
        return None, _chunk_losses(logits_of(x_BxCxD), targets_BxC)

    pieces = (chunks.split(x_BxLxD), chunks.split(targets_BxL))
    _, losses = jax.lax.scan(jax.checkpoint(body, prevent_cse=False), None, pieces)
    return TokenLosses(*map(chunks.join, losses))


def masked_logits(
    table: EmbeddingTable,
    x_BxCxD: jax.Array,
    vocab_size: int | jax.Array,
    softcap: float | None = None,
) -> jax.Array:
    """Float32 logits [..., V], -inf for the ids from `vocab_size` on.

    softcap: c, with which logits x become c tanh(x / c); None: as they are.
    """
    logits = readout(table, x_BxCxD)
    if softcap is not None:
        logits = softcap * jnp.tanh(logits / softcap)
    return jnp.where(_ids(logits) < vocab_size, logits, -jnp.inf)


def summed_loss(
    table: EmbeddingTable,
    x_BxLxD: jax.Array,
    targets_BxL: jax.Array,
    weights_BxL: jax.Array,
    *,
    vocab_size: int | jax.Array,
    z_loss: float = 0.0,
    chunk_size: int | None = None,
    data_shards: int = 1,
    softcap: float | None = None,
) -> tuple[jax.Array, TokenLosses]:
    """The sum over positions of weight * (nats + z_loss * log(Z)^2), and `token_losses`.

    Only the sum is differentiable, in the table (readout rows [V, D] and bias) and in x.

    Args:
      data_shards: devices among which B is divided (must divide B). Each adds up its own gradient
        of the table over the chunks, and they are added once at the end; with 1 the partitioner
        would add [V, D] over the devices in every chunk.
      The rest as for `token_losses`; weights are float32.
    """
    if x_BxLxD.shape[0] % data_shards:
        raise ValueError(f"data_shards={data_shards} must divide the batch {x_BxLxD.shape[0]}")
    chunks = _Chunks(x_BxLxD.shape, table.readout_VxD.shape[0], chunk_size)
    rows = EmbeddingTable(table.readout_VxD, None, table.bias_V)
    return _summed(
        (chunks, float(z_loss), data_shards, softcap),
        rows,
        x_BxLxD,
        targets_BxL,
        weights_BxL.astype(jnp.float32),
        jnp.asarray(vocab_size, jnp.int32),
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _summed(static, rows, x_BxLxD, targets_BxL, weights_BxL, vocab_size):
    chunks, z_loss, _, softcap = static
    losses = token_losses(
        rows, x_BxLxD, targets_BxL, vocab_size=vocab_size, chunk_size=chunks.size, softcap=softcap
    )
    return weighted(losses, weights_BxL, z_loss)


def _summed_forward(static, rows, x_BxLxD, targets_BxL, weights_BxL, vocab_size):
    """The losses, and the gradient of their sum as residuals."""
    chunks, z_loss, shards, softcap = static
    batch, _, width = x_BxLxD.shape
    kernel_VxD = rows.input_VxD.astype(x_BxLxD.dtype)

    def body(sums, piece):
        x_BxCxD, targets_BxC, weights_BxC = piece
        logits = masked_logits(rows, x_BxCxD, vocab_size, softcap)
        losses = _chunk_losses(logits, targets_BxC)
        share = jnp.exp(logits - losses.log_z_BxL[:, :, None])
        scale_BxC = weights_BxC * (1.0 + 2.0 * z_loss * losses.log_z_BxL)
        here = (_ids(logits) == targets_BxC[:, :, None]).astype(jnp.float32)
        slope = share * scale_BxC[:, :, None] - here * weights_BxC[:, :, None]
        if softcap is not None:  # d tanh; where padding makes a logit -inf its slope is zero
            finite = jnp.where(jnp.isfinite(logits), logits, 0.0)
            slope *= 1.0 - jnp.square(finite / softcap)
        narrow = slope.astype(x_BxCxD.dtype)
        x_slope = jnp.einsum("bcv,vd->bcd", narrow, kernel_VxD, preferred_element_type=jnp.float32)
        # g: which device's part of the batch; summed over only after the last chunk.
        grouped = (shards, batch // shards, chunks.size)
        kernel_sum, bias_sum = sums
        # D before V: the order that needs no transpose in every chunk.
        kernel_sum += jnp.einsum(
            "gbcd,gbcv->gdv",
            x_BxCxD.reshape(*grouped, width),
            narrow.reshape(*grouped, -1),
            preferred_element_type=jnp.float32,
        )
        if bias_sum is not None:
            bias_sum += jnp.sum(slope.reshape(*grouped, -1), axis=(1, 2))
        return (kernel_sum, bias_sum), (losses, x_slope.astype(x_BxCxD.dtype))

    zeros = jnp.zeros((shards, *rows.input_VxD.shape[::-1]), jnp.float32)
    sums = (zeros, None if rows.bias_V is None else zeros[:, 0])
    pieces = tuple(map(chunks.split, (x_BxLxD, targets_BxL, weights_BxL)))
    (kernel_sum, bias_sum), (losses, x_slope) = jax.lax.scan(body, sums, pieces)
    losses = TokenLosses(*map(chunks.join, losses))
    kernel_slope = jnp.sum(kernel_sum, axis=0).T.astype(rows.input_VxD.dtype)
    bias_slope = None
    if bias_sum is not None and rows.bias_V is not None:
        bias_slope = jnp.sum(bias_sum, axis=0).astype(rows.bias_V.dtype)
    residuals = (EmbeddingTable(kernel_slope, None, bias_slope), chunks.join(x_slope))
    return weighted(losses, weights_BxL, z_loss), residuals


def _summed_backward(static, residuals, cotangents):
    slope = cotangents[0]
    rows, x_slope = jax.tree.map(lambda array: (array * slope).astype(array.dtype), residuals)
    return rows, x_slope, None, None, None


_summed.defvjp(_summed_forward, _summed_backward)


class _Chunks(NamedTuple):
    """How [B, L, ...] is cut along L; hashable."""

    shape: tuple[int, ...]
    rows: int
    chunk_size: int | None

    @property
    def size(self) -> int:
        batch, length = self.shape[:2]
        return min(self.chunk_size or default_chunk_size(batch, length, self.rows), length)

    @property
    def count(self) -> int:
        return -(-self.shape[1] // self.size)

    def split(self, array: jax.Array) -> jax.Array:
        """[B, L, ...] -> [chunks, B, size, ...], padded with zeros (weight zero, id zero)."""
        batch, length = array.shape[:2]
        padding = [(0, 0), (0, self.count * self.size - length)] + [(0, 0)] * (array.ndim - 2)
        array = jnp.pad(array, padding).reshape(batch, self.count, self.size, *array.shape[2:])
        return jnp.moveaxis(array, 1, 0)

    def join(self, array: jax.Array) -> jax.Array:
        """The inverse of `split`."""
        array = jnp.moveaxis(array, 0, 1)
        batch, length = self.shape[:2]
        return array.reshape(batch, self.count * self.size, *array.shape[3:])[:, :length]


def _ids(logits: jax.Array) -> jax.Array:
    return jax.lax.broadcasted_iota(jnp.int32, logits.shape, logits.ndim - 1)


def _chunk_losses(logits: jax.Array, targets_BxC: jax.Array) -> TokenLosses:
    # A reduction instead of an index: the target's logit comes from whichever shard has it.
    here = _ids(logits) == targets_BxC[:, :, None]
    target = jnp.sum(jnp.where(here, logits, 0.0), axis=-1)
    top = jax.lax.stop_gradient(jnp.max(logits, axis=-1))
    log_z = top + jnp.log(jnp.sum(jnp.exp(logits - top[:, :, None]), axis=-1))
    return TokenLosses(log_z - target, log_z, (target >= top).astype(jnp.float32))
