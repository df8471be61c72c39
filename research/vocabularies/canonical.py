"""Ids replaced by the order of their first occurrence: exactly lexinvariant.

The first type of a sequence is slot 0, the next new one slot 1, and so on: the recurrence encoding
of Kambhatla et al. (2023). Whatever permutation is applied to the ids, the slots are the same, so
the model's output is the same to the bit. At a position before which k types have been seen, the
readout is a softmax over BOS and EOS, slots 0 to k - 1, and "new"; any particular unseen type has
the probability of "new" over the number of unseen types.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.errors import UsageError
from research.vocabularies import cross_entropy
from research.vocabularies.cross_entropy import TokenLosses
from research.vocabularies.protocol import (
    SPECIALS,
    Array,
    EmbeddingTable,
    LossConfig,
    Params,
    Size,
    embed,
    specials,
    weighted,
)

_NEW = SPECIALS  # rows: BOS, EOS, new, slot 0, slot 1, ...
_FIRST_SLOT = SPECIALS + 1


class SlotTable(NamedTuple):
    """Rows of slots, and which id has which."""

    table: EmbeddingTable
    """[N, D] rows: BOS, EOS, new, then the slots."""
    row_BxV: jax.Array
    """Int32, the row of each id; of an id that does not occur, that of "new"."""
    first_BxV: jax.Array
    """Int32, the position where an id first occurs; L if it does not."""
    seen_BxL: jax.Array
    """Int32, ordinary types in the positions up to and including this one."""
    ordinary: jax.Array
    """Number of ordinary ids."""


@dataclasses.dataclass(frozen=True)
class CanonicalEmbedding:
    """Slots in the order of first occurrence. Memory: [slots, D] rows, [B, V] integers."""

    slots: int = 512
    """Types that a sequence may have; at least its length or the vocabulary's size."""
    tied: bool = False
    """The readout uses the input rows."""
    kind: str = dataclasses.field(default="canonical", init=False)
    draws: bool = dataclasses.field(default=False, init=False)

    def init(self, key: Array, rows: int, d_model: int) -> Params:
        """Parameters 'input_NxD' and, untied, 'output_NxD': N(0, 1/D)."""
        names = ("input_NxD",) if self.tied else ("input_NxD", "output_NxD")
        shape = (_FIRST_SLOT + min(self.slots, rows), d_model)
        keys = jax.random.split(key, len(names))
        normal = jax.nn.initializers.normal(d_model**-0.5)
        return {name: normal(keys[i], shape) for i, name in enumerate(names)}

    def table(
        self, params: Params, ids_BxL: Array, keys_Bx2: Array | None, *, rows: int, vocab_size: Size
    ) -> SlotTable:
        """Numbers the types of each sequence.

        Raises:
          UsageError: if a sequence could have more types than there are slots.
        """
        batch, length = ids_BxL.shape
        slots = params["input_NxD"].shape[0] - _FIRST_SLOT
        if min(length, rows) > slots:
            raise UsageError(
                f"a sequence of {length} may have more types than the {slots} slots; "
                "use shorter sequences or a vocabulary with more slots"
            )
        every_B = jnp.arange(batch)[:, None]
        places_BxL = jnp.broadcast_to(jnp.arange(length, dtype=jnp.int32)[None], ids_BxL.shape)
        first_BxV = jnp.full((batch, rows), length, jnp.int32)
        first_BxV = first_BxV.at[every_B, ids_BxL].min(places_BxL)
        special_BxL = specials(ids_BxL, vocab_size)
        begins_BxL = (first_BxV[every_B, ids_BxL] == places_BxL) & ~special_BxL
        seen_BxL = jnp.cumsum(begins_BxL, axis=1, dtype=jnp.int32)
        # Where a type begins, `seen` counts it already.
        row_BxL = jnp.where(begins_BxL, _FIRST_SLOT + seen_BxL - 1, 0)
        row_BxV = jnp.zeros((batch, rows), jnp.int32).at[every_B, ids_BxL].max(row_BxL)
        ids_1xV = jnp.arange(rows, dtype=jnp.int32)[None]
        row_BxV = jnp.where(row_BxV == 0, _NEW, row_BxV)
        special_1xV = specials(ids_1xV, vocab_size)
        row_BxV = jnp.where(special_1xV, ids_1xV - (vocab_size - SPECIALS), row_BxV)
        table = EmbeddingTable(params["input_NxD"], params.get("output_NxD"))
        ordinary = jnp.asarray(vocab_size - SPECIALS, jnp.int32)
        return SlotTable(table, row_BxV, first_BxV, seen_BxL, ordinary)

    def embed(self, table: SlotTable, ids_BxL: Array) -> Array:
        """Rows of the slots."""
        return embed(table.table, jnp.take_along_axis(table.row_BxV, ids_BxL, axis=1))

    def readout(self, table: SlotTable, x_BxLxD: Array, vocab_size: Size) -> Array:
        """Logits [B, L, V]: an unseen type has its share of "new"."""
        rows_BxLxN = self._slot_logits(table, x_BxLxD)
        places_L = jnp.arange(x_BxLxD.shape[1])[None, :, None]
        ids_V = jnp.arange(table.row_BxV.shape[1])[None, None]
        known_BxLxV = (table.first_BxV[:, None] <= places_L) | specials(ids_V, vocab_size)
        row_BxLxV = jnp.where(known_BxLxV, table.row_BxV[:, None], _NEW)
        logits_BxLxV = jnp.take_along_axis(rows_BxLxN, row_BxLxV, axis=-1)
        share_BxL = -jnp.log(jnp.maximum(table.ordinary - table.seen_BxL, 1).astype(jnp.float32))
        logits_BxLxV += jnp.where(row_BxLxV == _NEW, share_BxL[:, :, None], 0.0)
        return jnp.where(ids_V < vocab_size, logits_BxLxV, -jnp.inf)

    def losses(
        self, table: SlotTable, x_BxLxD: Array, targets_BxL: Array, config: LossConfig
    ) -> TokenLosses:
        """Exact, over the slots; the N = slots + 3 logits of all positions are held."""
        logits_BxLxN = self._slot_logits(table, x_BxLxD)
        places_L = jnp.arange(x_BxLxD.shape[1])[None]
        first_BxL = jnp.take_along_axis(table.first_BxV, targets_BxL, axis=1)
        row_BxL = jnp.take_along_axis(table.row_BxV, targets_BxL, axis=1)
        known_BxL = (first_BxL <= places_L) | specials(targets_BxL, config.vocab_size)
        row_BxL = jnp.where(known_BxL, row_BxL, _NEW)
        unseen_BxL = jnp.maximum(table.ordinary - table.seen_BxL, 1).astype(jnp.float32)
        # "new" is one row for all unseen types: its logit there is that of each of them.
        each_BxLxN = logits_BxLxN.at[:, :, _NEW].add(-jnp.log(unseen_BxL))
        target_BxL = jnp.take_along_axis(each_BxLxN, row_BxL[:, :, None], axis=-1)[:, :, 0]
        log_z_BxL = jax.nn.logsumexp(logits_BxLxN, axis=-1)
        best_BxL = jax.lax.stop_gradient(jnp.max(each_BxLxN, axis=-1))
        correct_BxL = (target_BxL >= best_BxL).astype(jnp.float32)
        return TokenLosses(log_z_BxL - target_BxL, log_z_BxL, correct_BxL)

    def loss(
        self, table: SlotTable, x_BxLxD: Array, targets_BxL: Array, weights_BxL: Array,
        config: LossConfig,
    ) -> tuple[Array, TokenLosses]:
        """The exact losses, summed."""
        losses = self.losses(table, x_BxLxD, targets_BxL, config)
        return weighted(losses, weights_BxL, config.z_loss)

    def _slot_logits(self, table: SlotTable, x_BxLxD):
        """[B, L, N]; slots that no type has yet, and "new" when nothing is, are -inf."""
        rows = table.table.readout_VxD.shape[0]
        logits_BxLxN = cross_entropy.masked_logits(table.table, x_BxLxD, rows)
        row_N = jnp.arange(rows)[None, None]
        seen_BxLx1 = table.seen_BxL[:, :, None]
        open_BxLxN = row_N < _FIRST_SLOT + seen_BxLx1
        open_BxLxN &= (row_N != _NEW) | (seen_BxLx1 < table.ordinary)
        return jnp.where(open_BxLxN, logits_BxLxN, -jnp.inf)
