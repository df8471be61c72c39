"""Ids permuted or replaced in each sequence, over one learned table.

`PermutedEmbedding` permutes all ids of a sequence: one table of symbols, reused under a permutation
per sequence. `PartialEmbedding` makes some ids of each sequence random, the paper's lexinvariance
regularisation (section 3.6): B_p(x_i, pi) = pi(x_i) with probability p, else x_i, with one
permutation pi for each sequence. Whether the coin is tossed for each type or for each occurrence
the paper leaves open; both are here.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.errors import UsageError
from research.vocabularies import cross_entropy, learned
from research.vocabularies.cross_entropy import TokenLosses
from research.vocabularies.drawn import random_rows
from research.vocabularies.learned import LearnedEmbedding
from research.vocabularies.protocol import (
    Array,
    EmbeddingTable,
    LossConfig,
    Params,
    Size,
    embed,
    specials,
    typed_keys,
    weighted,
)


class PermutedTable(NamedTuple):
    """A shared table and where each sequence finds its ids in it, int32 [B, V]."""

    table: EmbeddingTable
    image_BxV: jax.Array


@dataclasses.dataclass(frozen=True)
class PermutedEmbedding:
    """Ids of a sequence are permuted before they meet one shared table.

    Lexinvariant in distribution, as a table drawn for every sequence is, but nothing of
    [B, V, D] exists: a sequence costs [V] integers and one sort of them. With V far above the
    number of types in a sequence, frozen rows that are nearly orthogonal serve as well as learned
    ones.
    """

    tied: bool = True
    """The readout uses the input table."""
    frozen: bool = False
    """The table stays as it was initialised."""
    kind: str = dataclasses.field(default="permuted", init=False)
    draws: bool = dataclasses.field(default=True, init=False)

    @property
    def _plain(self) -> LearnedEmbedding:
        return LearnedEmbedding(self.tied)

    def init(self, key: Array, rows: int, d_model: int) -> Params:
        """The parameters of `LearnedEmbedding`."""
        return learned.init(key, rows, d_model, tied=self.tied)

    def table(
        self, params: Params, ids_BxL: Array, keys_Bx2: Array | None, *, rows: int, vocab_size: Size
    ) -> PermutedTable:
        """One uniform permutation of the ordinary ids for each sequence."""
        params = jax.lax.stop_gradient(params) if self.frozen else params

        def image(key):
            return permutation(key, jnp.ones((rows,), bool), vocab_size)

        return PermutedTable(learned.table(params), jax.vmap(image)(typed_keys(keys_Bx2)))

    def embed(self, table: PermutedTable, ids_BxL: Array) -> Array:
        """Rows of the images."""
        return self._plain.embed(table.table, images(table.image_BxV, ids_BxL))

    def readout(self, table: PermutedTable, x_BxLxD: Array, vocab_size: Size) -> Array:
        """Logits of the images, in the order of the ids."""
        logits_BxLxV = self._plain.readout(table.table, x_BxLxD, vocab_size)
        return jnp.take_along_axis(logits_BxLxV, table.image_BxV[:, None], axis=-1)

    def losses(
        self, table: PermutedTable, x_BxLxD: Array, targets_BxL: Array, config: LossConfig
    ) -> TokenLosses:
        """Those of the images."""
        targets_BxL = images(table.image_BxV, targets_BxL)
        return self._plain.losses(table.table, x_BxLxD, targets_BxL, config)

    def loss(
        self, table: PermutedTable, x_BxLxD: Array, targets_BxL: Array, weights_BxL: Array,
        config: LossConfig,
    ) -> tuple[Array, TokenLosses]:
        """Those of the images."""
        targets_BxL = images(table.image_BxV, targets_BxL)
        return self._plain.loss(table.table, x_BxLxD, targets_BxL, weights_BxL, config)


def permutation(key: jax.Array, chosen_V: jax.Array, vocab_size: int | jax.Array) -> jax.Array:
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


class PartialTable(NamedTuple):
    """A shared table and what is random about each sequence."""

    table: EmbeddingTable
    """The learned one."""
    image_BxV: jax.Array
    """Int32, what each id becomes (base permuted)."""
    chosen_BxM: jax.Array
    """Bool, the positions whose id is made random, of the L inputs and the target after the last
    (per occurrence); else all true."""
    rows_BxVxD: jax.Array | None
    """The sequence's rows (base gaussian), or None."""


@dataclasses.dataclass(frozen=True)
class PartialEmbedding:
    """A learned vocabulary that trains on partly randomised sequences; evaluate with `clean`.

    base 'permuted': ids are replaced by other ids, in inputs and targets alike; costs [B, V]
    integers. Per type the chosen types are permuted among themselves, so that a sequence stays a
    renaming of the text; per occurrence each occurrence is replaced or not, as in the formula.
    base 'gaussian': chosen ids get a random row; per type in the readout too, and [B, V, D] is
    held; per occurrence only the input vectors are random. The paper found that norms diverge in
    this mixture; `match_norms` gives random rows the mean norm of the learned ones.
    """

    p: float = 0.2
    """Probability of being made random."""
    per: str = "type"
    """'type' or 'occurrence'."""
    base: str = "permuted"
    """'permuted' or 'gaussian'."""
    keep: int = 0
    """Ids below which nothing is made random (BOS and EOS never are)."""
    tied: bool = True
    """The readout uses the input table."""
    match_norms: bool = True
    """See above."""
    kind: str = dataclasses.field(default="partial", init=False)
    draws: bool = dataclasses.field(default=True, init=False)

    def __post_init__(self):
        if not 0 <= self.p <= 1:
            raise UsageError(f"p is a probability, not {self.p}")
        if self.per not in ("type", "occurrence") or self.base not in ("permuted", "gaussian"):
            raise UsageError("partial needs per=type|occurrence and base=permuted|gaussian")

    @property
    def clean(self) -> LearnedEmbedding:
        """The vocabulary without randomness, on the same parameters."""
        return LearnedEmbedding(self.tied)

    def init(self, key: Array, rows: int, d_model: int) -> Params:
        """The parameters of `LearnedEmbedding`."""
        return learned.init(key, rows, d_model, tied=self.tied)

    def table(
        self, params: Params, ids_BxL: Array, keys_Bx2: Array | None, *, rows: int, vocab_size: Size
    ) -> PartialTable:
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
            random = random_rows("gaussian", keys_Bx3[:, 1], image_BxV, width)
            if self.match_norms:
                norms_V = jnp.linalg.norm(plain.input_VxD, axis=1)
                total = jnp.sum(jnp.where(may_V, norms_V, 0.0))
                random *= jax.lax.stop_gradient(total / jnp.maximum(jnp.sum(may_V), 1))
            drawn = jnp.where(chosen_BxV[:, :, None], random, plain.input_VxD[None])
        return PartialTable(plain, image_BxV, chosen_BxM, drawn)

    def embed(self, table: PartialTable, ids_BxL: Array) -> Array:
        """Rows of the randomised ids."""
        if table.rows_BxVxD is None:
            return embed(table.table, self._replaced(table, ids_BxL, 0))
        chosen_BxLx1 = table.chosen_BxM[:, : ids_BxL.shape[1], None]
        random = embed(EmbeddingTable(table.rows_BxVxD), ids_BxL)
        return jnp.where(chosen_BxLx1, random, embed(table.table, ids_BxL))

    def readout(self, table: PartialTable, x_BxLxD: Array, vocab_size: Size) -> Array:
        """Logits of the ids; per occurrence those of the learned rows, which targets may have."""
        if table.rows_BxVxD is not None and self.per == "type":
            return cross_entropy.masked_logits(self._drawn_rows(table), x_BxLxD, vocab_size)
        logits_BxLxV = self.clean.readout(table.table, x_BxLxD, vocab_size)
        if self.per == "occurrence":
            return logits_BxLxV
        return jnp.take_along_axis(logits_BxLxV, table.image_BxV[:, None], axis=-1)

    def losses(
        self, table: PartialTable, x_BxLxD: Array, targets_BxL: Array, config: LossConfig
    ) -> TokenLosses:
        """Those of the randomised targets."""
        if table.rows_BxVxD is not None and self.per == "type":
            return cross_entropy.token_losses(
                self._drawn_rows(table),
                x_BxLxD,
                targets_BxL,
                vocab_size=config.vocab_size,
                chunk_size=config.chunk_size,
            )
        return self.clean.losses(
            table.table, x_BxLxD, self._replaced(table, targets_BxL, 1), config
        )

    def loss(
        self, table: PartialTable, x_BxLxD: Array, targets_BxL: Array, weights_BxL: Array,
        config: LossConfig,
    ) -> tuple[Array, TokenLosses]:
        """Those of the randomised targets."""
        if table.rows_BxVxD is not None and self.per == "type":
            return weighted(
                self.losses(table, x_BxLxD, targets_BxL, config), weights_BxL, config.z_loss
            )
        targets_BxL = self._replaced(table, targets_BxL, 1)
        return self.clean.loss(table.table, x_BxLxD, targets_BxL, weights_BxL, config)

    def _drawn_rows(self, table: PartialTable) -> EmbeddingTable:
        """[B, V, D] readout rows: the input's where chosen or tied."""
        if table.table.output_VxD is None or table.rows_BxVxD is None:
            return EmbeddingTable(table.rows_BxVxD)
        learned_BxVxD = table.rows_BxVxD == table.table.input_VxD[None]
        rows = jnp.where(learned_BxVxD, table.table.output_VxD[None], table.rows_BxVxD)
        return EmbeddingTable(table.rows_BxVxD, rows)

    def _replaced(self, table: PartialTable, ids_BxL, shift: int):
        """The ids that stand in for `ids_BxL`, whose first is position `shift` of the sequence."""
        chosen_BxL = table.chosen_BxM[:, shift : shift + ids_BxL.shape[1]]
        return jnp.where(chosen_BxL, images(table.image_BxV, ids_BxL), ids_BxL)
