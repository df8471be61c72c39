"""The ordinary vocabulary: a learned table, tied or not."""

import dataclasses

import jax
import jax.numpy as jnp

from research.vocabularies import cross_entropy
from research.vocabularies.cross_entropy import TokenLosses
from research.vocabularies.protocol import Array, EmbeddingTable, LossConfig, Params, Size, embed


def init(
    key: jax.Array, rows: int, d_model: int, *, tied: bool, bias: bool = False
) -> dict[str, jax.Array]:
    """Parameters {'input_VxD': [V, D]} and, untied, 'output_VxD': [V, D]; float32. With `bias`
    also 'bias_V': [V], zeros.

    Both are N(0, 1/D). Logits then start with variance 1 (the readout's input has mean square
    1), and the trunk's `scale_inputs` brings the input rows to variance 1: the same start as T5's
    N(0, 1) input table, but of entries small enough for AdamW to move at its usual rates.
    """
    names = ("input_VxD",) if tied else ("input_VxD", "output_VxD")
    keys = jax.random.split(key, len(names))
    normal = jax.nn.initializers.normal(d_model**-0.5)
    params = {name: normal(keys[i], (rows, d_model)) for i, name in enumerate(names)}
    return params | ({"bias_V": jnp.zeros(rows, jnp.float32)} if bias else {})


def table(params: dict[str, jax.Array]) -> EmbeddingTable:
    """The `EmbeddingTable` of parameters made by `init` (or holding a 'bias_V' as well)."""
    return EmbeddingTable(params["input_VxD"], params.get("output_VxD"), params.get("bias_V"))


@dataclasses.dataclass(frozen=True)
class LearnedEmbedding:
    """One table for all sequences. Memory: [V, D]; the batch's table is the parameters."""

    tied: bool = False
    """The readout uses the input table."""
    softcap: float | None = None
    """Logits x become c tanh(x / c) (Gemma 2); None: no cap."""
    bias: bool = False
    """A learned number is added to each logit (RoBERTa)."""
    kind: str = dataclasses.field(default="learned", init=False)
    draws: bool = dataclasses.field(default=False, init=False)

    def init(self, key: Array, rows: int, d_model: int) -> Params:
        """See `learned.init`."""
        return init(key, rows, d_model, tied=self.tied, bias=self.bias)

    def table(
        self, params: Params, ids_BxL: Array, keys_Bx2: Array | None, *, rows: int, vocab_size: Size
    ) -> EmbeddingTable:
        """The parameters as a `EmbeddingTable`."""
        return table(params)

    def embed(self, table: EmbeddingTable, ids_BxL: Array) -> Array:
        """Rows of the table."""
        return embed(table, ids_BxL)

    def readout(self, table: EmbeddingTable, x_BxLxD: Array, vocab_size: Size) -> Array:
        """Logits [B, L, V]."""
        return cross_entropy.masked_logits(table, x_BxLxD, vocab_size, self.softcap)

    def losses(
        self, table: EmbeddingTable, x_BxLxD: Array, targets_BxL: Array, config: LossConfig
    ) -> TokenLosses:
        """See `cross_entropy.token_losses`."""
        return cross_entropy.token_losses(
            table,
            x_BxLxD,
            targets_BxL,
            vocab_size=config.vocab_size,
            chunk_size=config.chunk_size,
            softcap=self.softcap,
        )

    def loss(
        self, table: EmbeddingTable, x_BxLxD: Array, targets_BxL: Array, weights_BxL: Array,
        config: LossConfig,
    ) -> tuple[Array, TokenLosses]:
        """See `cross_entropy.summed_loss`."""
        return cross_entropy.summed_loss(
            table,
            x_BxLxD,
            targets_BxL,
            weights_BxL,
            vocab_size=config.vocab_size,
            z_loss=config.z_loss,
            chunk_size=config.chunk_size,
            data_shards=config.data_shards,
            softcap=self.softcap,
        )
