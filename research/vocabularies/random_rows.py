"""Random rows of a vocabulary, each a function of its sequence's key and its id alone.

Row of id v in a sequence with key k: made of jax.random.normal(fold_in(k, v)). So a row drawn by
itself, in a block of ids or in a whole table has the same bits.
"""

import jax
import jax.numpy as jnp

DISTRIBUTIONS = ("gaussian", "sphere", "hypercube")


def row(distribution: str, key: jax.Array, id_: jax.Array, width: int) -> jax.Array:
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


def rows(distribution: str, keys_B: jax.Array, ids_BxN: jax.Array, width: int) -> jax.Array:
    """Rows [B, N, width] of ids [B, N], each sequence's from its own key."""

    def of_sequence(key, ids_N):
        return jax.vmap(lambda id_: row(distribution, key, id_, width))(ids_N)

    return jax.lax.stop_gradient(jax.vmap(of_sequence)(keys_B, ids_BxN))
