"""Vocabularies whose rows are drawn for every sequence: gaussian, sphere, hypercube, dual.

The row of id v in a sequence with key k is made of jax.random.normal(fold_in(k, v)): a function of
the sequence's key and the id alone. So a row drawn by itself, in a block of ids or in a whole table
has the same bits.

Memory. While B x V x D entries are at most `dense_limit`, the batch's tables are drawn once, as
[B, V, D]. Above it no such array exists, whatever V is:

    embed       rows of the positions only: [B, L, D] drawn
    loss        rows of the types in the sequence: [B, 2 L, D] drawn; the undrawn types enter the
                normaliser by the logarithm of their expected sum, an upper bound on the expected
                loss (Jensen), so the trained loss is a bound
    losses      exact: all V rows in blocks, [B, block, D] at a time; draws B V D numbers
    readout     exact, in blocks; holds [B, L, V], because that is its result
"""

import dataclasses

import jax
import jax.numpy as jnp

from research.vocabularies import cross_entropy
from research.vocabularies.cross_entropy import TokenLosses
from research.vocabularies.protocol import (
    SPECIALS,
    Array,
    LossConfig,
    Params,
    Size,
    specials,
    typed_keys,
    weighted,
)

DISTRIBUTIONS = ("gaussian", "sphere", "hypercube")
_BLOCK_ELEMENTS = 2**24  # of a block of rows, [B, block, D]


def random_row(distribution: str, key: jax.Array, id_: jax.Array, width: int) -> jax.Array:
    """One row [width], entries of variance 1/width, float32.

    gaussian: N(0, 1/width), the paper's N(0, I) over sqrt(width) (section 2.3). sphere: uniform on
    the unit sphere. hypercube: a uniform corner of {-1, 1}^width / sqrt(width).
    """
    normal_D = jax.random.normal(jax.random.fold_in(key, id_), (width,), jnp.float32)
    if distribution == "gaussian":
        return normal_D * width**-0.5
    if distribution == "sphere":
        return normal_D / jnp.linalg.norm(normal_D)
    if distribution == "hypercube":
        return jnp.where(normal_D < 0, -1.0, 1.0) * width**-0.5
    raise ValueError(f"distribution must be one of {', '.join(DISTRIBUTIONS)}")


def random_rows(distribution: str, keys_B: jax.Array, ids_BxN: jax.Array, width: int) -> jax.Array:
    """Rows [B, N, width] of ids [B, N], each sequence's from its own key."""

    def of_sequence(key, ids_N):
        return jax.vmap(lambda id_: random_row(distribution, key, id_, width))(ids_N)

    return jax.lax.stop_gradient(jax.vmap(of_sequence)(keys_B, ids_BxN))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class DrawnTable:
    """What decides the rows of a batch."""

    params: dict[str, jax.Array]
    """See the vocabulary."""
    keys_B: jax.Array
    """Typed keys, one for each sequence."""
    rows_BxVxD: jax.Array | None
    """What was drawn for every id, where that is little enough; else None."""
    first_special: jax.Array
    """Id of BOS; EOS follows."""
    inputs_BxL: jax.Array
    """The trunk's ids."""
    num_rows: int = dataclasses.field(metadata={"static": True})
    """V."""


@dataclasses.dataclass(frozen=True)
class DrawnEmbedding:
    """E(x) drawn for each sequence, readout tied (arXiv 2305.16349, section 2.3).

    The embedding's output is scaled and shifted by learned vectors [D] (appendix B); the readout
    uses the rows as drawn, and logits are y . E(x) / sqrt(D), by the rows' variance 1/D.
    """

    kind: str = "gaussian"
    """'gaussian', 'sphere' or 'hypercube', the distribution of a row."""
    dense_limit: int = 2**26
    """Entries of [B, V, D] up to which it is held."""
    draws: bool = dataclasses.field(default=True, init=False)

    def init(self, key: Array, rows: int, d_model: int) -> Params:
        """Parameters: specials_SxD, N(0, 1/D); scale_D, ones; bias_D, zeros."""
        return {
            "specials_SxD": jax.random.normal(key, (SPECIALS, d_model)) * d_model**-0.5,
            "scale_D": jnp.ones((d_model,), jnp.float32),
            "bias_D": jnp.zeros((d_model,), jnp.float32),
        }

    def table(
        self, params: Params, ids_BxL: Array, keys_Bx2: Array | None, *, rows: int, vocab_size: Size
    ) -> DrawnTable:
        """Draws the tables, or leaves it to who needs a row."""
        keys_B = typed_keys(keys_Bx2)
        batch, d_model = ids_BxL.shape[0], params["specials_SxD"].shape[1]
        dense = None
        if batch * rows * d_model <= self.dense_limit:
            ids_BxV = jnp.broadcast_to(jnp.arange(rows)[None], (batch, rows))
            dense = self._random(keys_B, ids_BxV, d_model)
        first = jnp.asarray(vocab_size - SPECIALS, jnp.int32)
        return DrawnTable(params, keys_B, dense, first, ids_BxL, rows)

    def embed(self, table: DrawnTable, ids_BxL: Array) -> Array:
        """Scaled and shifted rows."""
        params = table.params
        rows_BxLxD = self._rows(table, ids_BxL)
        return rows_BxLxD * params["scale_D"][None, None] + params["bias_D"][None, None]

    def readout(self, table: DrawnTable, x_BxLxD: Array, vocab_size: Size) -> Array:
        """Exact logits [B, L, V]."""
        if table.rows_BxVxD is not None:
            return self._whole_logits(table, x_BxLxD, vocab_size)
        blocks_NxM = self._blocks(table)
        parts = jax.lax.map(
            lambda ids_M: self._block_logits(table, x_BxLxD, ids_M, vocab_size), blocks_NxM
        )
        logits_BxLxV = jnp.moveaxis(parts, 0, 2).reshape(*x_BxLxD.shape[:2], -1)
        return logits_BxLxV[:, :, : table.num_rows]

    def losses(
        self, table: DrawnTable, x_BxLxD: Array, targets_BxL: Array, config: LossConfig
    ) -> TokenLosses:
        """Exact, from the whole tables or block by block."""
        if table.rows_BxVxD is not None:
            return cross_entropy.chunked_losses(
                lambda x: self._whole_logits(table, x, config.vocab_size),
                x_BxLxD,
                targets_BxL,
                rows=table.num_rows,
                chunk_size=config.chunk_size,
            )
        rows_BxLxD = self._rows(table, targets_BxL)
        target_BxL = self._products("bld,bld->bl", table, x_BxLxD, rows_BxLxD)

        def add(carry, ids_M):
            log_z_BxL, best_BxL = carry
            logits_BxLxM = self._block_logits(table, x_BxLxD, ids_M, config.vocab_size)
            log_z_BxL = jnp.logaddexp(log_z_BxL, jax.nn.logsumexp(logits_BxLxM, axis=-1))
            return (log_z_BxL, jnp.maximum(best_BxL, jnp.max(logits_BxLxM, axis=-1))), None

        start = jnp.full(x_BxLxD.shape[:2], -jnp.inf, jnp.float32)
        (log_z_BxL, best_BxL), _ = jax.lax.scan(
            jax.checkpoint(add), (start, start), self._blocks(table)
        )
        # A block sums in another order than a single product: leave the last bits out.
        correct_BxL = target_BxL >= best_BxL - 1e-5 * (1.0 + jnp.abs(best_BxL))
        return TokenLosses(log_z_BxL - target_BxL, log_z_BxL, correct_BxL.astype(jnp.float32))

    def loss(
        self, table: DrawnTable, x_BxLxD: Array, targets_BxL: Array, weights_BxL: Array,
        config: LossConfig,
    ) -> tuple[Array, TokenLosses]:
        """The exact losses where tables are held, else the bound of the module's docstring."""
        if table.rows_BxVxD is not None:
            losses = self.losses(table, x_BxLxD, targets_BxL, config)
        else:
            losses = self.bounds(table, x_BxLxD, targets_BxL, config)
        return weighted(losses, weights_BxL, config.z_loss)

    def bounds(
        self, table: DrawnTable, x_BxLxD: Array, targets_BxL: Array, config: LossConfig
    ) -> TokenLosses:
        """Losses with the undrawn types' sum replaced by its expectation.

        log Z = logsumexp(logits of the k drawn types, ln(V - k) + log E exp(an undrawn logit));
        for gaussian rows the last is |y|^2 / (2 D). The relative variance of the undrawn sum is
        (exp(|y|^2 / D) - 1) / (V - k). `correct` counts against drawn types alone.
        """
        ids_BxN = jnp.concatenate([table.inputs_BxL, targets_BxL], axis=1)
        length = ids_BxN.shape[1]
        new_BxN = jax.vmap(_first_occurrences)(ids_BxN)
        special_BxN = specials(ids_BxN, table.first_special + SPECIALS)
        # Both specials have columns of their own at the end.
        ordinary_BxN = new_BxN & ~special_BxN
        known_B = jnp.sum(ordinary_BxN, axis=1)
        drawn_BxNxD = self._random(table.keys_B, ids_BxN, x_BxLxD.shape[-1])
        left_B = jnp.maximum(table.first_special - known_B, 0).astype(jnp.float32)

        def logits_of(x_BxCxD):
            drawn = self._drawn_logits(table, x_BxCxD, drawn_BxNxD)
            drawn = jnp.where(ordinary_BxN[:, None], drawn, -jnp.inf)
            rest_BxC = jnp.log(left_B)[:, None] + self._log_mean_exp(table, x_BxCxD)
            special = self._special_logits(table, x_BxCxD)
            return jnp.concatenate([drawn, special, rest_BxC[:, :, None]], axis=-1)

        special_BxL = specials(targets_BxL, table.first_special + SPECIALS)
        where_BxL = jax.vmap(_places)(ids_BxN, targets_BxL)
        where_BxL = jnp.where(special_BxL, length + targets_BxL - table.first_special, where_BxL)
        return cross_entropy.chunked_losses(
            logits_of, x_BxLxD, where_BxL, rows=length + 3, chunk_size=config.chunk_size
        )

    def _random(self, keys_B, ids_BxN, d_model):
        return random_rows(self.kind, keys_B, ids_BxN, d_model)

    def _rows(self, table, ids_BxL):
        """The rows of ids, the specials' learned ones among them."""
        if table.rows_BxVxD is not None:
            drawn = jnp.take_along_axis(table.rows_BxVxD, ids_BxL[:, :, None], axis=1)
        else:
            drawn = self._random(table.keys_B, ids_BxL, table.params["specials_SxD"].shape[1])
        drawn = self._whole(table.params, drawn)
        special_BxL = specials(ids_BxL, table.first_special + SPECIALS)
        place_BxL = jnp.clip(ids_BxL - table.first_special, 0, SPECIALS - 1)
        own = table.params["specials_SxD"][place_BxL]
        return jnp.where(special_BxL[:, :, None], own, drawn)

    def _whole(self, params, drawn):
        """A row of what was drawn for it."""
        return drawn

    def _readout_input(self, table, x):
        return x

    def _products(self, equation, table, x, rows):
        """Float32 logits of rows at positions."""
        x = self._readout_input(table, x)
        return jnp.einsum(equation, x, rows.astype(x.dtype), preferred_element_type=jnp.float32)

    def _drawn_logits(self, table, x_BxCxD, drawn_BxNxD):
        """Logits [B, C, N] of drawn rows."""
        rows_BxNxD = self._whole(table.params, drawn_BxNxD)
        return self._products("bcd,bnd->bcn", table, x_BxCxD, rows_BxNxD)

    def _special_logits(self, table, x_BxCxD):
        return self._products("bcd,sd->bcs", table, x_BxCxD, table.params["specials_SxD"])

    def _log_mean_exp(self, table, x_BxCxD):
        """log E exp(logit of an undrawn type), [B, C]: exact for gaussian rows, from above else."""
        x_BxCxD = x_BxCxD.astype(jnp.float32)
        return jnp.sum(jnp.square(x_BxCxD), axis=-1) / (2 * x_BxCxD.shape[-1])

    def _logits(self, table, drawn_BxNxD, ids_N, x_BxCxD, vocab_size):
        """Logits [B, C, N] of ids whose rows were drawn; BOS and EOS have their own rows."""
        logits = self._drawn_logits(table, x_BxCxD, drawn_BxNxD)
        ids = ids_N[None, None]
        special = self._special_logits(table, x_BxCxD)
        for place in range(SPECIALS):
            here = ids == table.first_special + place
            logits = jnp.where(here, special[:, :, place : place + 1], logits)
        return jnp.where(ids < vocab_size, logits, -jnp.inf)

    def _whole_logits(self, table, x_BxCxD, vocab_size):
        """Logits of all V from tables that are held."""
        ids_V = jnp.arange(table.num_rows)
        return self._logits(table, table.rows_BxVxD, ids_V, x_BxCxD, vocab_size)

    def _blocks(self, table):
        """Ids 0, 1, ... in blocks [N, M]; the last goes on beyond V, where logits are -inf."""
        batch, _ = table.inputs_BxL.shape
        total, d_model = table.num_rows, table.params["specials_SxD"].shape[1]
        size = max(1, min(total, _BLOCK_ELEMENTS // max(1, batch * d_model)))
        count = -(-total // size)
        return jnp.arange(count * size, dtype=jnp.int32).reshape(count, size)

    def _block_logits(self, table, x_BxLxD, ids_M, vocab_size):
        batch = x_BxLxD.shape[0]
        ids_BxM = jnp.broadcast_to(ids_M[None], (batch, len(ids_M)))
        drawn_BxMxD = self._random(table.keys_B, ids_BxM, x_BxLxD.shape[-1])
        return self._logits(table, drawn_BxMxD, ids_M, x_BxLxD, vocab_size)


def _first_occurrences(ids_N):
    """Where an id stands for the first time, bool [N]."""
    order = jnp.argsort(ids_N, stable=True)
    sorted_N = ids_N[order]
    new_N = jnp.concatenate([jnp.ones((1,), bool), sorted_N[1:] != sorted_N[:-1]])
    return jnp.zeros_like(new_N).at[order].set(new_N)


def _places(ids_N, targets_L):
    """The first place in ids_N of each target, int32 [L]; all of them are there."""
    order = jnp.argsort(ids_N, stable=True)
    return order[jnp.searchsorted(ids_N[order], targets_L, side="left")].astype(jnp.int32)


@dataclasses.dataclass(frozen=True)
class DualEmbedding(DrawnEmbedding):
    """A shared learned part and a random one side by side, each normalised, and the whole.

    Interchangeable token embeddings (Isik et al. 2025, arXiv 2410.17161): row = normalise
    [normalise(alpha) ; normalise(beta_v)], alpha learned and the same for all ordinary ids, beta_v
    drawn; logits are cosines times a learned scale of at most 100. Memory as `DrawnEmbedding`.
    """

    kind: str = dataclasses.field(default="dual", init=False)
    share: float = 0.5
    """Of the D entries, those of alpha."""

    def init(self, key: Array, rows: int, d_model: int) -> Params:
        """Those of `DrawnEmbedding`, shared_D (alpha, as many entries as it has) and log_scale."""
        keys = jax.random.split(key)
        size = self._shared_size(d_model)
        return {
            **DrawnEmbedding.init(self, keys[0], rows, d_model),
            "shared_D": jax.random.normal(keys[1], (size,)) * size**-0.5,
            "log_scale": jnp.log(jnp.asarray(d_model**0.5, jnp.float32)),
        }

    def _shared_size(self, d_model):
        return min(d_model - 1, max(1, round(self.share * d_model)))

    def _random(self, keys_B, ids_BxN, d_model):
        return random_rows("sphere", keys_B, ids_BxN, d_model - self._shared_size(d_model))

    def _whole(self, params, drawn):
        shared_D = params["shared_D"] / jnp.linalg.norm(params["shared_D"])
        shared = jnp.broadcast_to(shared_D, (*drawn.shape[:-1], len(shared_D)))
        return jnp.concatenate([shared, drawn], axis=-1) * 0.5**0.5

    def _readout_input(self, table, x):
        scale = jnp.minimum(jnp.exp(table.params["log_scale"]), 100.0)
        wide = x.astype(jnp.float32)
        norm = jnp.sqrt(jnp.sum(jnp.square(wide), axis=-1, keepdims=True) + 1e-12)
        return (wide / norm * scale).astype(x.dtype)

    def _log_mean_exp(self, table, x_BxCxD):
        x_BxCxD = self._readout_input(table, x_BxCxD).astype(jnp.float32) * 0.5**0.5
        shared_D = table.params["shared_D"] / jnp.linalg.norm(table.params["shared_D"])
        size = len(shared_D)
        mean = jnp.einsum("bcd,d->bc", x_BxCxD[:, :, :size], shared_D)
        spread = jnp.sum(jnp.square(x_BxCxD[:, :, size:]), axis=-1)
        return mean + spread / (2 * (x_BxCxD.shape[-1] - size))
