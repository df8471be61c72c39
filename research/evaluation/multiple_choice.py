"""Choosing among answers by their likelihood after a prompt.

A prompt is run once; its key-value cache then serves every option, a step for each further id.
Exact: the nats are those of the whole sequence (a test).
"""

import functools
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research.models import decoding
from research.models.language_model import LanguageModelConfig

_SHORTEST = 64  # prompts are padded to powers of two from here on: few shapes to compile


class Choice(NamedTuple):
    """A prompt and what may follow it; int32 ids, the prompt's BOS included."""

    prompt: np.ndarray
    options: tuple[np.ndarray, ...]


def option_nats(
    params: dict[str, Any],
    config: LanguageModelConfig,
    choices: Sequence[Choice],
    *,
    batch_size: int,
) -> list[np.ndarray]:
    """-ln p(option | prompt), summed over the option's ids: float64 [options] for each choice.

    Args:
      config: of a model whose vocabulary is learned.
      choices: those with equal prompts are run once each all the same; they may differ in length
        and in their number of options.
      batch_size: prompts that run together.
    """
    nats_of_choices = [np.zeros(0)] * len(choices)
    # Alike in shape first, then in their number of options: little is padded.
    shapes = [(*_shape(choice), len(choice.options)) for choice in choices]
    order = sorted(range(len(choices)), key=shapes.__getitem__)
    for (longest, widest), alike in itertools.groupby(order, lambda index: shapes[index][:2]):
        members = list(alike)
        for start in range(0, len(members), batch_size):
            batch = members[start : start + batch_size]
            group = [choices[index] for index in batch]
            nats_BxO = _group_nats(params, config, group, batch_size, longest, widest)
            for index, choice, nats_O in zip(batch, group, nats_BxO, strict=False):
                nats_of_choices[index] = nats_O[: len(choice.options)]
    return nats_of_choices


def _shape(choice: Choice) -> tuple[int, int]:
    """The padded lengths of a choice's prompt and options."""
    widest = max(len(ids) for ids in choice.options)
    return decoding.power_of_two(len(choice.prompt), _SHORTEST), decoding.power_of_two(widest, 2)


def _group_nats(params, config, group, batch_size, longest, widest):
    ids_BxL = np.zeros((batch_size, longest), np.int32)
    length_B = np.ones(batch_size, np.int32)
    for row, choice in enumerate(group):
        ids_BxL[row, : len(choice.prompt)] = choice.prompt
        length_B[row] = len(choice.prompt)
    log_p_BxV, cache = _prompts(params, config, ids_BxL, length_B, longest + widest)
    columns = []
    for option in range(max(len(choice.options) for choice in group)):
        ids_BxT = np.zeros((batch_size, widest), np.int32)
        count_B = np.zeros(batch_size, np.int32)
        for row, choice in enumerate(group):
            if option < len(choice.options):
                count_B[row] = len(choice.options[option])
                ids_BxT[row, : count_B[row]] = choice.options[option]
        columns.append(_option(params, config, log_p_BxV, cache, ids_BxT, count_B))
    return np.stack(jax.device_get(columns), axis=1).astype(np.float64)


@functools.partial(jax.jit, static_argnames=("config", "cache_length"))
def _prompts(params, config, ids_BxL, length_B, cache_length):
    logits, cache = decoding.prompt_logits(params, config, ids_BxL, length_B, cache_length)
    return jax.nn.log_softmax(logits), cache


@functools.partial(jax.jit, static_argnames=("config",))
def _option(params, config, log_p_BxV, cache, ids_BxT, count_B):
    """Nats of one option of every prompt, [B]; ids beyond count_B do not count."""

    def paid(log_p_BxV, ids_B, step):
        picked_B = jnp.take_along_axis(log_p_BxV, ids_B[:, None], axis=1)[:, 0]
        return jnp.where(step < count_B, -picked_B, 0.0)

    def step(carry, piece):
        cache, nats_B = carry
        before_B, ids_B, number = piece
        logits, cache = decoding.step_logits(params, config, before_B, cache)
        return (cache, nats_B + paid(jax.nn.log_softmax(logits), ids_B, number)), None

    ids_TxB = ids_BxT.T
    numbers_T = jnp.arange(1, len(ids_TxB), dtype=jnp.int32)
    first = (cache, paid(log_p_BxV, ids_TxB[0], 0))
    (_, nats_B), _ = jax.lax.scan(step, first, (ids_TxB[:-1], ids_TxB[1:], numbers_T))
    return nats_B
