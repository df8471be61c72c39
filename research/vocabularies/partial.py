"""Learned rows, with some of the ids of each sequence made random.

The paper's lexinvariance regularisation (section 3.6): B_p(x_i, pi) = pi(x_i) with probability p,
else x_i, with one permutation pi for each sequence. Whether the coin is tossed for each type or for
each occurrence the paper leaves open; both are here.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.errors import UsageError
from research.vocabularies import cross_entropy, learned, random_rows
from research.vocabularies.cross_entropy import TokenLosses
from research.vocabularies.learned import Learned
from research.vocabularies.permuted import images, permutation
from research.vocabularies.protocol import Readout, specials, typed_keys, weighted
from research.vocabularies.table import Table, embed


class PartialTable(NamedTuple):
    """A shared table and what is random about each sequence.

    Attributes:
      table: the learned one.
      image_BxV: int32, what each id becomes (base permuted).
      chosen_BxM: bool, the positions whose id is made random, of the L inputs and the target after
        the last (per occurrence); else all true.
      rows_BxVxD: the sequence's rows (base gaussian), or None.
    """

    table: Table
    image_BxV: jax.Array
    chosen_BxM: jax.Array
    rows_BxVxD: jax.Array | None


@dataclasses.dataclass(frozen=True)
class Partial:
    """A learned vocabulary that trains on partly randomised sequences; evaluate with `clean`.

    base 'permuted': ids are replaced by other ids, in inputs and targets alike; costs [B, V]
    integers. Per type the chosen types are permuted among themselves, so that a sequence stays a
    renaming of the text; per occurrence each occurrence is replaced or not, as in the formula.
    base 'gaussian': chosen ids get a random row; per type in the readout too, and [B, V, D] is
    held; per occurrence only the input vectors are random. The paper found that norms diverge in
    this mixture; `match_norms` gives random rows the mean norm of the learned ones.

    Attributes:
      p: probability of being made random.
      per: 'type' or 'occurrence'.
      base: 'permuted' or 'gaussian'.
      keep: ids below which nothing is made random (beside BOS and EOS, which never are).
      tied: the readout uses the input table.
      match_norms: see above.
    """

    p: float = 0.2
    per: str = "type"
    base: str = "permuted"
    keep: int = 0
    tied: bool = True
    match_norms: bool = True
    kind: str = dataclasses.field(default="partial", init=False)
    draws: bool = dataclasses.field(default=True, init=False)

    def __post_init__(self):
        if not 0 <= self.p <= 1:
            raise UsageError(f"p is a probability, not {self.p}")
        if self.per not in ("type", "occurrence") or self.base not in ("permuted", "gaussian"):
            raise UsageError("partial needs per=type|occurrence and base=permuted|gaussian")

    @property
    def clean(self) -> Learned:
        """The vocabulary without randomness, on the same parameters."""
        return Learned(self.tied)

    def init(self, key, rows, d_model):
        """The parameters of `Learned`."""
        return learned.init(key, rows, d_model, tied=self.tied)

    def table(self, params, ids_BxL, keys_Bx2, *, rows, vocab_size) -> PartialTable:
        """Tosses the coins of a batch."""
        plain, length = learned.table(params), ids_BxL.shape[1]
        keys_Bx3 = jax.vmap(lambda key: jax.random.split(key, 3))(typed_keys(keys_Bx2))
        ids_V = jnp.arange(rows, dtype=jnp.int32)
        may_V = (ids_V >= self.keep) & (ids_V < vocab_size) & ~specials(ids_V, vocab_size)
        of_type = self.per == "type"

        def draw(keys):
            chosen_V = may_V & jax.random.bernoulli(keys[0], self.p if of_type else 1.0, (rows,))
            image_V = permutation(keys[1], chosen_V, vocab_size)
            chosen_M = jax.random.bernoulli(keys[2], self.p, (length + 1,)) | of_type
            return chosen_V, image_V, chosen_M

        chosen_BxV, image_BxV, chosen_BxM = jax.vmap(draw)(keys_Bx3)
        drawn = None
        if self.base == "gaussian":
            image_BxV = jnp.broadcast_to(ids_V[None], image_BxV.shape)
            width = plain.input_VxD.shape[1]
            random = random_rows.rows("gaussian", keys_Bx3[:, 1], image_BxV, width)
            if self.match_norms:
                norms_V = jnp.linalg.norm(plain.input_VxD, axis=1)
                total = jnp.sum(jnp.where(may_V, norms_V, 0.0))
                random *= jax.lax.stop_gradient(total / jnp.maximum(jnp.sum(may_V), 1))
            drawn = jnp.where(chosen_BxV[:, :, None], random, plain.input_VxD[None])
        return PartialTable(plain, image_BxV, chosen_BxM, drawn)

    def embed(self, table: PartialTable, ids_BxL):
        """Rows of the randomised ids."""
        if table.rows_BxVxD is None:
            return embed(table.table, self._replaced(table, ids_BxL, 0))
        chosen_BxLx1 = table.chosen_BxM[:, : ids_BxL.shape[1], None]
        random = embed(Table(table.rows_BxVxD), ids_BxL)
        return jnp.where(chosen_BxLx1, random, embed(table.table, ids_BxL))

    def readout(self, table: PartialTable, x_BxLxD, vocab_size):
        """Logits of the ids; per occurrence those of the learned rows, which targets may have."""
        if table.rows_BxVxD is not None and self.per == "type":
            return cross_entropy.masked_logits(self._drawn_rows(table), x_BxLxD, vocab_size)
        logits_BxLxV = self.clean.readout(table.table, x_BxLxD, vocab_size)
        if self.per == "occurrence":
            return logits_BxLxV
        return jnp.take_along_axis(logits_BxLxV, table.image_BxV[:, None], axis=-1)

    def losses(self, table: PartialTable, x_BxLxD, targets_BxL, how: Readout) -> TokenLosses:
        """Those of the randomised targets."""
        if table.rows_BxVxD is not None and self.per == "type":
            return cross_entropy.token_losses(
                self._drawn_rows(table),
                x_BxLxD,
                targets_BxL,
                vocab_size=how.vocab_size,
                chunk_size=how.chunk_size,
            )
        return self.clean.losses(table.table, x_BxLxD, self._replaced(table, targets_BxL, 1), how)

    def objective(self, table: PartialTable, x_BxLxD, targets_BxL, weights_BxL, how: Readout):
        """Those of the randomised targets."""
        if table.rows_BxVxD is not None and self.per == "type":
            return weighted(self.losses(table, x_BxLxD, targets_BxL, how), weights_BxL, how.z_loss)
        targets_BxL = self._replaced(table, targets_BxL, 1)
        return self.clean.objective(table.table, x_BxLxD, targets_BxL, weights_BxL, how)

    def _drawn_rows(self, table: PartialTable) -> Table:
        """[B, V, D] readout rows: the input's where chosen or tied."""
        if table.table.output_VxD is None:
            return Table(table.rows_BxVxD)
        kept = table.rows_BxVxD == table.table.input_VxD[None]
        rows = jnp.where(kept, table.table.output_VxD[None], table.rows_BxVxD)
        return Table(table.rows_BxVxD, rows)

    def _replaced(self, table: PartialTable, ids_BxL, shift: int):
        """The ids that stand in for `ids_BxL`, whose first is position `shift` of the sequence."""
        chosen_BxL = table.chosen_BxM[:, shift : shift + ids_BxL.shape[1]]
        return jnp.where(chosen_BxL, images(table.image_BxV, ids_BxL), ids_BxL)
