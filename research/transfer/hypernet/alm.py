"""Distillation between tokenizers by approximate likelihood matching (ALM, arXiv 2503.20083).

The teacher and the student read the same text in different tokens. Where tokens of both end at the
same byte a chunk ends, and what the two models say of a chunk can be compared, P_T with P_S:

    a = P_T^(1/tau), b = P_S^(1/tau),   a ln(a/b) + (1 - a) ln((1 - a)/(1 - b)),

the divergence of two coins, mean over chunks.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

TAU = 100.0
_NEARLY_CERTAIN = -1e-9  # ln of the largest coin, so that its complement has a logarithm
_JOINT = b"\x00"  # stands for EOS between documents, which both sides have


def log1mexp(x: jax.Array) -> jax.Array:
    """ln(1 - e^x) for x < 0, accurate at both ends."""
    large = x > -0.6931472
    inside_large = jnp.where(large, x, -0.5)  # the branch not taken must not give NaN gradients
    inside_small = jnp.where(large, -1.0, x)
    return jnp.where(large, jnp.log(-jnp.expm1(inside_large)), jnp.log1p(-jnp.exp(inside_small)))


def divergence(log_teacher: jax.Array, log_student: jax.Array, tau: float = TAU) -> jax.Array:
    """The divergence of each chunk, any shape; no gradient goes to the teacher.

    Args:
      log_teacher, log_student: ln P of chunks, float32, at most 0.
    """
    a = jnp.minimum(jax.lax.stop_gradient(log_teacher) / tau, _NEARLY_CERTAIN)
    b = jnp.minimum(log_student / tau, _NEARLY_CERTAIN)
    rest_a = -jnp.expm1(a)
    return jnp.exp(a) * (a - b) + rest_a * (log1mexp(a) - log1mexp(b))


def chunk_sums(values_BxL: jax.Array, chunks_BxL: jax.Array, count: int) -> jax.Array:
    """[B, count]: the sum over the positions of each chunk; a position with chunk -1 is in none."""

    def sums(values_L: jax.Array, chunks_L: jax.Array) -> jax.Array:
        place_L = jnp.where(chunks_L < 0, count, chunks_L)
        return jax.ops.segment_sum(values_L, place_L, num_segments=count + 1)[:count]

    return jax.vmap(sums)(values_BxL, chunks_BxL)


def chunk_losses(
    teacher_BxS: jax.Array,
    student_BxL: jax.Array,
    teacher_chunks_BxS: jax.Array,
    student_chunks_BxL: jax.Array,
    tau: float = TAU,
) -> tuple[jax.Array, jax.Array]:
    """(sum of the divergences of all chunks, number of chunks), float32 scalars.

    Args:
      teacher_BxS, student_BxL: ln p of each token.
      teacher_chunks_BxS, student_chunks_BxL: int32, from `align`.
    """
    count = min(student_BxL.shape[1], teacher_BxS.shape[1])
    log_teacher = chunk_sums(teacher_BxS, teacher_chunks_BxS, count)
    log_student = chunk_sums(student_BxL, student_chunks_BxL, count)
    real = jnp.arange(count)[None] <= jnp.max(student_chunks_BxL, axis=1, keepdims=True)
    each = divergence(log_teacher, log_student, tau)
    return jnp.sum(jnp.where(real, each, 0.0)), jnp.sum(real.astype(jnp.float32))


def align(ends_L: np.ndarray, ends_S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The chunk of each token of two tokenizations of one text, int32; -1: in none.

    Args:
      ends_L, ends_S: byte after each token, ascending, from `byte_ends`.
    """
    common_C = np.intersect1d(ends_L, ends_S)

    def chunks(ends: np.ndarray) -> np.ndarray:
        index = np.searchsorted(common_C, ends)
        return np.where(index < len(common_C), index, -1).astype(np.int32)

    return chunks(ends_L), chunks(ends_S)


def byte_ends(strings: Sequence[bytes | None], parts: Sequence[bytes]) -> np.ndarray | None:
    """Where each token ends in a row of texts, int64; EOS between texts counts as one byte.

    Args:
      strings: of the tokens, in order, perhaps only of the first ones; None: EOS.
      parts: the texts.

    Returns:
      None if the tokens do not spell the texts: a normaliser changed them. A space that a tokenizer
      puts before every text is taken off.
    """
    strings = [_JOINT if string is None else string for string in strings]
    row = _JOINT.join(parts)
    if not row.startswith(b"".join(strings)):
        new_text = True
        for index, string in enumerate(strings):
            if new_text and string.startswith(b" "):
                strings[index] = string[1:]
            new_text = string == _JOINT
        if not row.startswith(b"".join(strings)):
            return None
    return np.cumsum([len(string) for string in strings], dtype=np.int64)
