"""Decoding whose numbers for a row do not depend on the rest of the batch.

A matrix product may add in another order when the batch has another size, and by nothing that a
library promises even when a row stands elsewhere in a batch of one size. Measured on x86-64 CPUs
(jaxlib 0.10.2, float32 and bfloat16, D = 64 to 256, 1 to 1024 rows): at one batch size a row's
logits are the same bits wherever it stands and whatever the others are; between batch sizes they
differ in the last bits. Where even that is too little, rows are run one by one.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from research.models.cache import Cache

Step = Callable[[jax.Array, Cache], tuple[jax.Array, Cache]]


def one_by_one(step: Step, inputs_Bx: jax.Array, cache: Cache) -> tuple[jax.Array, Cache]:
    """`step(inputs, cache)` with every row as a batch of one, in one compiled loop.

    Args:
      step: maps [B, ...] and a cache to outputs [B, ...] and the new cache.
      inputs_Bx: [B, ...].
    """

    def row(piece):
        inputs, keys, values, length = piece
        single = Cache(keys[:, None], values[:, None], length[None])
        outputs_1x, single = step(inputs[None], single)
        return outputs_1x[0], single.keys[:, 0], single.values[:, 0], single.length_B[0]

    by_row = (jnp.moveaxis(cache.keys, 1, 0), jnp.moveaxis(cache.values, 1, 0), cache.length_B)
    pieces = (inputs_Bx, *by_row)
    # A loop of one turn is no loop to XLA, which then fuses its body otherwise (jaxlib 0.12).
    alone = len(inputs_Bx) == 1
    if alone:
        pieces = jax.tree.map(lambda piece: jnp.concatenate([piece, piece]), pieces)
    done = jax.lax.map(row, pieces)
    outputs_Bx, keys, values, length_B = jax.tree.map(lambda x: x[:1], done) if alone else done
    return outputs_Bx, Cache(jnp.moveaxis(keys, 0, 1), jnp.moveaxis(values, 0, 1), length_B)
