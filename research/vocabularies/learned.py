"""The ordinary vocabulary: a learned table, tied or not."""

import dataclasses

import jax
import jax.numpy as jnp

from research.vocabularies import cross_entropy
from research.vocabularies.cross_entropy import TokenLosses
from research.vocabularies.protocol import Readout
from research.vocabularies.table import Table, embed


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


def table(params: dict[str, jax.Array]) -> Table:
    """The `Table` of parameters made by `init` (or holding a 'bias_V' as well)."""
    return Table(params["input_VxD"], params.get("output_VxD"), params.get("bias_V"))


@dataclasses.dataclass(frozen=True)
class Learned:
    """One table for all sequences. Memory: [V, D]; the batch's table is the parameters.

    Attributes:
      tied: the readout uses the input table.
      softcap: logits x become c tanh(x / c) (Gemma 2); None: no cap.
      bias: a learned number is added to each logit (RoBERTa).
    """

    tied: bool = False
    softcap: float | None = None
    bias: bool = False
    kind: str = dataclasses.field(default="learned", init=False)
    draws: bool = dataclasses.field(default=False, init=False)

    def init(self, key, rows, d_model):
        """See `learned.init`."""
        return init(key, rows, d_model, tied=self.tied, bias=self.bias)

    def table(self, params, ids_BxL, keys_Bx2, *, rows, vocab_size) -> Table:
        """The parameters as a `Table`."""
        return table(params)

    def embed(self, table: Table, ids_BxL):
        """Rows of the table."""
        return embed(table, ids_BxL)

    def readout(self, table: Table, x_BxLxD, vocab_size):
        """Logits [B, L, V]."""
        return cross_entropy.masked_logits(table, x_BxLxD, vocab_size, self.softcap)

    def losses(self, table: Table, x_BxLxD, targets_BxL, how: Readout) -> TokenLosses:
        """See `cross_entropy.token_losses`."""
        return cross_entropy.token_losses(
            table,
            x_BxLxD,
            targets_BxL,
            vocab_size=how.vocab_size,
            chunk_size=how.chunk_size,
            softcap=self.softcap,
        )

    def objective(self, table: Table, x_BxLxD, targets_BxL, weights_BxL, how: Readout):
        """See `cross_entropy.summed_loss`."""
        return cross_entropy.summed_loss(
            table,
            x_BxLxD,
            targets_BxL,
            weights_BxL,
            vocab_size=how.vocab_size,
            z_loss=how.z_loss,
            chunk_size=how.chunk_size,
            data_shards=how.data_shards,
            softcap=self.softcap,
        )
