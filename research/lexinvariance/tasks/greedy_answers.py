"""What a language model answers: the likeliest id after each prompt of `tasks`."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research import vocabularies
from research.lexinvariance.tasks.tasks import Predict
from research.models import language_model
from research.models.language_model import LanguageModelConfig


def predictor(
    params: dict[str, Any],
    config: LanguageModelConfig,
    *,
    length: int,
    batch_size: int,
    seed: int = 0,
) -> Predict:
    """The argmax over all ids but BOS, which is never a target; ties go to the smallest id.

    Prompts shorter than `length` are padded at the end, which a causal model does not see, so
    that prompts of several lengths share one compiled pass.

    Args:
      length: L of the compiled pass, at least that of any prompt.
      batch_size: prompts that run together.
      seed: decides the table of each prompt where the vocabulary draws; a prompt has the same
        table for all of its answers.
    """

    def predict(ids_NxL: np.ndarray, at: int) -> np.ndarray:
        count, used = ids_NxL.shape
        rows = -(-count // batch_size) * batch_size
        padded = np.zeros((rows, length), np.int32)
        padded[:count, :used] = ids_NxL
        padded[:count, at:] = ids_NxL[:, :1]  # nothing from `at` on is looked at
        padded[count:] = padded[0]
        keys_Nx2 = vocabularies.sequence_keys(seed, rows)
        found = []
        for start in range(0, rows, batch_size):
            part = slice(start, start + batch_size)
            found.append(_best(params, config, padded[part], keys_Nx2[part], np.int32(at - 1)))
        return np.concatenate(jax.device_get(found))[:count]

    return predict


@functools.partial(jax.jit, static_argnames=("config",))
def _best(params, config, ids_BxL, keys_Bx2, at):
    """Int32 [B]: the likeliest id after position `at`."""
    logits_BxLxV = language_model.logits(params, config, ids_BxL, keys_Bx2=keys_Bx2)
    logits_BxV = jax.lax.dynamic_index_in_dim(logits_BxLxV, at, axis=1, keepdims=False)
    ids_V = jnp.arange(logits_BxV.shape[-1])
    logits_BxV = jnp.where(ids_V[None] == config.bos_id, -jnp.inf, logits_BxV)
    return jnp.argmax(logits_BxV, axis=-1).astype(jnp.int32)
