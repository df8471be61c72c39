"""The key-value cache: a ring buffer with a length of its own for every row.

And batch-invariant steps: numbers for a row that do not depend on the rest of the batch. A matrix
product may add in another order when the batch has another size, and no library promises otherwise
even for another place in a batch of one size. Measured on x86-64 CPUs (jaxlib 0.10.2, float32 and
bfloat16, D = 64 to 256, 1 to 1024 rows): at one batch size a row's logits are the same bits
wherever it stands and whatever the others are; between batch sizes they differ in the last bits.
Where even that is too little, `per_row` runs each row by itself.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.models.sizes import TrunkConfig


class Cache(NamedTuple):
    """What attention remembers of the past.

    Position p of a row is in slot p mod S, so a row sees its last S positions and never runs out.
    """

    keys: jax.Array
    """[layers, B, S, kv heads, K] in the config's dtype."""
    values: jax.Array
    """Like keys."""
    length_B: jax.Array
    """int32, positions each row has seen; it grows past S. A row of length 0 starts again."""


Step = Callable[[jax.Array, Cache], tuple[jax.Array, Cache]]


def init_cache(config: TrunkConfig, batch: int, length: int) -> Cache:
    """An empty cache for `batch` rows that remembers the last `length` positions."""
    shape = (config.num_layers, batch, length, config.kv_heads, config.head_dim)
    zeros = jnp.zeros(shape, jnp.dtype(config.dtype))
    return Cache(zeros, zeros, jnp.zeros((batch,), jnp.int32))


def slot_distances(cache: Cache) -> tuple[jax.Array, jax.Array]:
    """How far each slot lies back once the next position is written: int32 [B, S], bool [B, S].

    The second array says which slots hold a position seen since the row's last reset (older
    entries count as empty).
    """
    size = cache.keys.shape[2]
    position_Bx1 = cache.length_B[:, None]
    distance_BxS = (position_Bx1 - jnp.arange(size)[None]) % size
    return distance_BxS, distance_BxS <= position_Bx1


def from_prompt(keys: jax.Array, values: jax.Array, length_B: jax.Array, size: int) -> Cache:
    """A cache of `size` slots from the keys and values of a whole padded prompt.

    Args:
      keys, values: [layers, B, L, kv heads, K] with L <= size.
      length_B: int32, how many of the L positions are real; the rest is overwritten in time.
    """
    padding = [(0, 0), (0, 0), (0, size - keys.shape[2]), (0, 0), (0, 0)]
    return Cache(jnp.pad(keys, padding), jnp.pad(values, padding), length_B)


def per_row(step: Step, inputs_Bx: jax.Array, cache: Cache) -> tuple[jax.Array, Cache]:
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
    # XLA unrolls a loop of one turn and then fuses its body differently (jaxlib 0.12).
    alone = len(inputs_Bx) == 1
    if alone:
        pieces = jax.tree.map(lambda piece: jnp.concatenate([piece, piece]), pieces)
    done = jax.lax.map(row, pieces)
    outputs_Bx, keys, values, length_B = jax.tree.map(lambda x: x[:1], done) if alone else done
    return outputs_Bx, Cache(jnp.moveaxis(keys, 0, 1), jnp.moveaxis(values, 0, 1), length_B)
