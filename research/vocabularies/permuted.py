"""One table, and a permutation of the ids for each sequence: the cheap way to many symbols."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.vocabularies import learned
from research.vocabularies.cross_entropy import TokenLosses
from research.vocabularies.learned import Learned
from research.vocabularies.protocol import Readout, specials, typed_keys
from research.vocabularies.table import Table


class PermutedTable(NamedTuple):
    """A shared table and where each sequence finds its ids in it, int32 [B, V]."""

    table: Table
    image_BxV: jax.Array


@dataclasses.dataclass(frozen=True)
class Permuted:
    """Ids of a sequence are permuted before they meet one shared table.

    Lexinvariant in distribution, as a table drawn anew for every sequence is, but nothing of
    [B, V, D] exists: a sequence costs [V] integers and one sort of them. With V far above the
    number of types in a sequence, frozen rows that are nearly orthogonal serve as well as learned
    ones.

    Attributes:
      tied: the readout uses the input table.
      frozen: the table stays as it was initialised.
    """

    tied: bool = True
    frozen: bool = False
    kind: str = dataclasses.field(default="permuted", init=False)
    draws: bool = dataclasses.field(default=True, init=False)

    @property
    def _plain(self) -> Learned:
        return Learned(self.tied)

    def init(self, key, rows, d_model):
        """The parameters of `Learned`."""
        return learned.init(key, rows, d_model, tied=self.tied)

    def table(self, params, ids_BxL, keys_Bx2, *, rows, vocab_size) -> PermutedTable:
        """One uniform permutation of the ordinary ids for each sequence."""
        params = jax.lax.stop_gradient(params) if self.frozen else params

        def image(key):
            everything_V = jnp.ones((rows,), bool)
            return permutation(key, everything_V, vocab_size)

        return PermutedTable(learned.table(params), jax.vmap(image)(typed_keys(keys_Bx2)))

    def embed(self, table: PermutedTable, ids_BxL):
        """Rows of the images."""
        return self._plain.embed(table.table, images(table.image_BxV, ids_BxL))

    def readout(self, table: PermutedTable, x_BxLxD, vocab_size):
        """Logits of the images, in the order of the ids."""
        logits_BxLxV = self._plain.readout(table.table, x_BxLxD, vocab_size)
        return jnp.take_along_axis(logits_BxLxV, table.image_BxV[:, None], axis=-1)

    def losses(self, table: PermutedTable, x_BxLxD, targets_BxL, how: Readout) -> TokenLosses:
        """Those of the images."""
        targets_BxL = images(table.image_BxV, targets_BxL)
        return self._plain.losses(table.table, x_BxLxD, targets_BxL, how)

    def objective(self, table: PermutedTable, x_BxLxD, targets_BxL, weights_BxL, how: Readout):
        """Those of the images."""
        targets_BxL = images(table.image_BxV, targets_BxL)
        return self._plain.objective(table.table, x_BxLxD, targets_BxL, weights_BxL, how)


def permutation(
    key: jax.Array, chosen_V: jax.Array, vocab_size: int | jax.Array
) -> jax.Array:
    """A uniform permutation of the chosen ordinary ids, int32 [V]; all others stay."""
    ids_V = jnp.arange(len(chosen_V), dtype=jnp.int32)
    chosen_V = chosen_V & (ids_V < vocab_size) & ~specials(ids_V, vocab_size)
    order_V = jax.random.permutation(key, ids_V)
    # The chosen ones first, in their own order and in a random one; the rest alike in both.
    places_V = jnp.argsort(jnp.where(chosen_V, 0, 1), stable=True)
    shuffled_V = jnp.argsort(jnp.where(chosen_V, order_V, len(ids_V) + ids_V))
    return jnp.zeros_like(ids_V).at[places_V].set(shuffled_V.astype(jnp.int32))


def images(image_BxV: jax.Array, ids_BxL: jax.Array) -> jax.Array:
    """What a map of the ids, one for each sequence, makes of them: [B, L]."""
    return jnp.take_along_axis(image_BxV, ids_BxL, axis=1)
