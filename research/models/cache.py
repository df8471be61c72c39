"""The key-value cache: a ring buffer with a length of its own for every row."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.models.sizes import TrunkConfig


class Cache(NamedTuple):
    """What attention remembers of the past.

    Attributes:
      keys, values: [layers, B, S, kv heads, K] in the config's dtype. Position p of a row lies in
        slot p mod S, so a row sees its last S positions and never runs out.
      length_B: int32, positions each row has seen since it was reset; it goes on past S.
    """

    keys: jax.Array
    values: jax.Array
    length_B: jax.Array


def init_cache(config: TrunkConfig, batch: int, length: int) -> Cache:
    """An empty cache for `batch` rows that remembers the last `length` positions."""
    shape = (config.num_layers, batch, length, config.kv_heads, config.head_dim)
    zeros = jnp.zeros(shape, jnp.dtype(config.dtype))
    return Cache(zeros, zeros, jnp.zeros((batch,), jnp.int32))


def reset_rows(cache: Cache, reset_B: jax.Array) -> Cache:
    """Empties the rows where `reset_B` (bool) is true; the others go on undisturbed."""
    return cache._replace(length_B=jnp.where(reset_B, 0, cache.length_B))


def slot_distances(cache: Cache) -> tuple[jax.Array, jax.Array]:
    """How far each slot lies back once the next position is written: int32 [B, S], bool [B, S].

    The second array says which slots hold a position of the row's present life (a reset row
    still holds old numbers, which count as empty).
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
