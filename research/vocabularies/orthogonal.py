"""A random orthogonal frame for every sequence: rows that do not disturb each other.

Independent rows have cosines of standard deviation 1/sqrt(D), so a mean over k symbols carries
noise of sqrt(k/D) into every readout. Orthogonal ones have none: in-context counts can be read off
a mean of rows exactly. The distribution of a frame is the same under any permutation of its rows,
so a model stays lexinvariant in distribution.
"""

import dataclasses
import functools
from typing import ClassVar

import jax
import jax.core
import jax.numpy as jnp

from research.errors import UsageError
from research.vocabularies.drawn import DrawnEmbedding, DrawnTable
from research.vocabularies.protocol import SPECIALS, Array, Params, Size, typed_keys

_FRAMES = 1_618_033  # seed of the fixed frames


@dataclasses.dataclass(frozen=True)
class OrthogonalEmbedding(DrawnEmbedding):
    """Orthonormal rows, uniform over all frames (Haar), of ordinary ids; V - 2 <= D.

    Parameters, scale and shift, readout and BOS and EOS are those of `DrawnEmbedding`, so weights
    move between this and a gaussian vocabulary. The frames, [B, V, D], are always held.
    """

    kind: str = dataclasses.field(default="orthogonal", init=False)
    frames: int = 0
    """K: only K frames exist, the same for ever; a sequence has one of them with its rows in an
    order of its own. So a model need learn to copy K V vectors only: a beginner's exercise, as
    lexinvariant as the whole. 0: a fresh frame for each sequence."""
    span: int = 0
    """Dimensions that frames span, the first of D; 0: all. What a trunk has learned in few
    dimensions still holds in part when they become more, and need only be continued."""
    dense_limit: ClassVar[int] = 0

    def __post_init__(self):
        for name in ("frames", "span"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} must be at least 0, not {getattr(self, name)}")

    def table(
        self, params: Params, ids_BxL: Array, keys_Bx2: Array | None, *, rows: int, vocab_size: Size
    ) -> DrawnTable:
        """Draws a frame for each sequence.

        Raises:
          UsageError: if there are more symbols than dimensions.
        """
        keys_B, d_model = typed_keys(keys_Bx2), params["specials_SxD"].shape[1]
        # A traced number of ids is known only to be at most the rows.
        count = rows if isinstance(vocab_size, jax.core.Tracer) else int(vocab_size) - SPECIALS
        width = min(d_model, self.span or d_model)
        if count > width:
            raise UsageError(
                f"{count} symbols have no orthogonal rows of width {width}: use a vocabulary "
                "gaussian, fewer symbols or a wider model"
            )
        frames_BxNxW = jax.vmap(lambda key: self._frame(key, count, width))(keys_B)
        padding = ((0, 0), (0, max(0, rows - count)), (0, d_model - width))
        rows_BxVxD = jax.lax.stop_gradient(jnp.pad(frames_BxNxW, padding))
        first = jnp.asarray(vocab_size - SPECIALS, jnp.int32)
        return DrawnTable(params, keys_B, rows_BxVxD, first, ids_BxL, rows)

    def _frame(self, key, count, width):
        """Rows [N, width] of a sequence."""
        if not self.frames:
            return frame(key, count, width)
        which, order = jax.random.split(key)
        number = jax.random.randint(which, (), 0, self.frames)
        fixed = jax.random.fold_in(jax.random.key(_FRAMES, impl="threefry2x32"), number)
        return jax.random.permutation(order, frame(fixed, count, width))


def frame(key: jax.Array, count: int, width: int) -> jax.Array:
    """`count` <= `width` orthonormal rows [N, D], uniform over all such frames, float32.

    Gram-Schmidt on gaussian rows. Not `jnp.linalg.qr`: on a CPU that is a call into LAPACK which
    waits for threads, and with several devices in one process those may be waiting for it.
    """
    draws_NxD = jax.random.normal(key, (count, width), jnp.float32)
    multiply = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)

    def add(rows_NxD, place):
        row_D = draws_NxD[place]
        for _ in range(2):  # once would leave the rounding errors of what was taken away
            row_D -= multiply(multiply(rows_NxD, row_D), rows_NxD)
        return rows_NxD.at[place].set(row_D / jnp.linalg.norm(row_D)), None

    return jax.lax.scan(add, jnp.zeros_like(draws_NxD), jnp.arange(count))[0]
