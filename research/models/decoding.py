"""Generating ids one by one with a KV cache: fixed shapes, compiled once."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research.errors import UsageError
from research.models import trunk
from research.models.batch_invariant import one_by_one
from research.models.cache import Cache
from research.models.language_model import LanguageModelConfig
from research.models.sampling import sample
from research.vocabularies import learned
from research.vocabularies.cross_entropy import masked_logits
from research.vocabularies.protocol import embed

LARGEST = 2**31 - 1  # steps and top_k are int32 on the device


def step_logits(
    params: dict[str, Any], config: LanguageModelConfig, ids_B: jax.Array, cache: Cache
) -> tuple[jax.Array, Cache]:
    """One more id for every row: float32 logits [B, V] of the one after it, and the cache.

    With `config.trunk.row_invariant` a row's logits are the same bits in every batch.
    """
    table = learned.table(params["vocabulary"])
    trunk_config = dataclasses.replace(config.trunk, row_invariant=False)

    def step(ids_B, cache):
        y_BxD, cache = trunk.decode_step(params["trunk"], trunk_config, embed(table, ids_B), cache)
        return _readout(config, table, y_BxD), cache

    return one_by_one(step, ids_B, cache) if config.trunk.row_invariant else step(ids_B, cache)


def prompt_logits(
    params: dict[str, Any],
    config: LanguageModelConfig,
    ids_BxL: jax.Array,
    length_B: jax.Array,
    cache_length: int,
) -> tuple[jax.Array, Cache]:
    """Prompts padded at the end: logits [B, V] after each one's last id, and the filled cache."""
    table = learned.table(params["vocabulary"])
    y_BxLxD, cache = trunk.prefill(
        params["trunk"], config.trunk, embed(table, ids_BxL), length_B, cache_length
    )
    last_BxD = jnp.take_along_axis(y_BxLxD, (length_B - 1)[:, None, None], axis=1)[:, 0]
    return _readout(config, table, last_BxD), cache


def _readout(config, table, x_BxD):
    softcap = getattr(config.vocabulary, "softcap", None)
    return masked_logits(table, x_BxD, config.vocab_size, softcap)


@functools.partial(jax.jit, static_argnames=("config", "cache_length"))
def _start(params, config, ids_BxL, length_B, cache_length, key, settings):
    logits, cache = prompt_logits(params, config, ids_BxL, length_B, cache_length)
    return _choose(config, logits, key, 0, settings), cache


@functools.partial(jax.jit, static_argnames=("config",), donate_argnames=("cache",))
def _advance(params, config, ids_B, cache, key, step, settings):
    logits, cache = step_logits(params, config, ids_B, cache)
    return _choose(config, logits, key, step, settings), cache


def _choose(config, logits_BxV, key, step, settings):
    # BOS is never a target, so what the model thinks of it means nothing; unless it is EOS too.
    if config.bos_id != config.eos_id:
        ids = jnp.arange(logits_BxV.shape[-1])[None]
        logits_BxV = jnp.where(ids == config.bos_id, -jnp.inf, logits_BxV)
    return sample(jax.random.fold_in(key, step), logits_BxV, *settings)


def generate(
    params: dict[str, Any],
    config: LanguageModelConfig,
    prompt_ids: Sequence[int],
    *,
    key: jax.Array,
    max_tokens: int,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    context: int | None = None,
) -> Iterator[int]:
    """Yields codec ids as they are drawn, until EOS or `max_tokens`.

    BOS is put before the prompt; neither BOS nor EOS is ever yielded. One prompt pass and one step
    are compiled; prompts are padded to a power of two, so another prompt seldom compiles again.

    Args:
      prompt_ids: codec ids, may be empty.
      key: typed PRNG key; the same key, prompt and settings give the same ids.
      temperature, top_k, top_p: see `sampling.sample`.
      context: positions that attention looks back (e.g. the training length); None: everything.
        Of a longer prompt the end is used.

    Raises:
      UsageError: if an id or a setting is out of range (at the call, not at the first id), or the
        vocabulary is not a learned one.
    """
    if config.vocabulary.kind != "learned":
        raise UsageError(
            f"generation needs a learned vocabulary; this model's is {config.vocabulary.kind}"
        )
    prompt = np.asarray(prompt_ids, np.int64).reshape(-1)
    if prompt.size and not (0 <= prompt.min() and prompt.max() < config.bos_id):
        raise UsageError(f"prompt ids must lie in [0, {config.bos_id})")
    counts = 0 <= max_tokens <= LARGEST and 0 <= top_k <= LARGEST
    if not (counts and temperature >= 0 and 0 < top_p <= 1):  # so that NaN fails
        raise UsageError(
            "generation needs max_tokens >= 0, temperature >= 0, top_k >= 0 and 0 < top_p <= 1,"
            f" counts at most {LARGEST}"
        )
    if context is not None and context < 2:
        raise UsageError(f"context must be at least 2, not {context}")
    ids = np.concatenate([[config.bos_id], prompt]).astype(np.int32)
    slots = context or _power_of_two(len(ids) + max_tokens)
    ids = ids[-slots:]
    padded = np.zeros((1, min(slots, _power_of_two(len(ids)))), np.int32)
    padded[0, : len(ids)] = ids
    settings = (np.float32(temperature), np.int32(top_k), np.float32(top_p))
    lengths = np.asarray([len(ids)], np.int32)
    return _stream(params, config, padded, lengths, slots, key, settings, max_tokens)


def _stream(params, config, ids_BxL, length_B, slots, key, settings, max_tokens):
    if max_tokens == 0:
        return
    ids_B, cache = _start(params, config, ids_BxL, length_B, slots, key, settings)
    for step in range(1, max_tokens + 1):
        drawn = ids_B
        if step < max_tokens:  # runs while the caller looks at the last id
            ids_B, cache = _advance(params, config, drawn, cache, key, np.int32(step), settings)
        last = int(drawn[0])
        if last == config.eos_id:
            return
        yield last


def _power_of_two(number: int) -> int:
    """The smallest power of two that is at least `number` and 16."""
    return max(16, 1 << (number - 1).bit_length())
