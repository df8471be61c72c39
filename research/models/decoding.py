"""Generating ids one by one with a KV cache: fixed shapes, compiled once."""

import functools
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from research.errors import FreevocabError, UsageError
from research.models import transformer
from research.models.cache import Cache, per_row
from research.models.language_model import LanguageModelConfig
from research.shapes import Params
from research.vocabularies import learned
from research.vocabularies.cross_entropy import masked_logits
from research.vocabularies.protocol import embed

_NO_ID = -1  # in place of an id drawn from scores that are not finite
LARGEST = 2**31 - 1  # steps and top_k are int32 on the device


def step_logits(
    params: Params, config: LanguageModelConfig, ids_B: jax.Array, cache: Cache
) -> tuple[jax.Array, Cache]:
    """One more id for every row: float32 logits [B, V] of the one after it, and the cache.

    With `config.trunk.row_invariant` a row's logits are the same bits in every batch.
    """
    table = learned.table(params["vocabulary"])

    def step(ids_B, cache):
        y_BxD, cache = transformer.decode_step(
            params["trunk"], config.trunk, embed(table, ids_B), cache
        )
        return _readout(config, table, y_BxD), cache

    return per_row(step, ids_B, cache) if config.trunk.row_invariant else step(ids_B, cache)


def prompt_logits(
    params: Params,
    config: LanguageModelConfig,
    ids_BxL: jax.Array,
    length_B: jax.Array,
    cache_length: int,
) -> tuple[jax.Array, Cache]:
    """Prompts padded at the end: logits [B, V] after each one's last id, and the filled cache."""
    table = learned.table(params["vocabulary"])
    y_BxLxD, cache = transformer.prefill(
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
    drawn_B = sample(jax.random.fold_in(key, step), logits_BxV, *settings)
    return jnp.where(jnp.isfinite(logits_BxV.max(-1)), drawn_B, _NO_ID)


def generate(
    params: Params,
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
      temperature, top_k, top_p: see `sample`.
      context: positions that attention looks back (e.g. the training length); None: everything.
        Of a longer prompt the end is used.

    Raises:
      UsageError: if an id or a setting is out of range (at the call, not at the first id), or the
        vocabulary is not a learned one.
      FreevocabError: the model's scores are not finite (while ids are drawn).
    """
    if config.vocabulary.kind != "learned":
        raise UsageError(
            f"generation needs a learned vocabulary; this model's is {config.vocabulary.kind}"
        )
    prompt = np.asarray(prompt_ids, np.int64).reshape(-1)
    end = config.bos_id if config.bos is None else config.vocab_size
    if prompt.size and not (0 <= prompt.min() and prompt.max() < end):
        raise UsageError(f"prompt ids must lie in [0, {end})")
    counts = 0 <= max_tokens <= LARGEST and 0 <= top_k <= LARGEST
    if not (counts and temperature >= 0 and 0 < top_p <= 1):  # so that NaN fails
        raise UsageError(
            "generation needs max_tokens >= 0, temperature >= 0, top_k >= 0 and 0 < top_p <= 1,"
            f" counts at most {LARGEST}"
        )
    if context is not None and context < 2:
        raise UsageError(f"context must be at least 2, not {context}")
    ids = np.concatenate([[config.bos_id], prompt]).astype(np.int32)
    slots = context or power_of_two(len(ids) + max_tokens)
    ids = ids[-slots:]
    padded = np.zeros((1, min(slots, power_of_two(len(ids)))), np.int32)
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
        if last == _NO_ID:
            raise FreevocabError(
                "the model's scores are not finite: its weights are damaged, or too large for "
                "their type"
            )
        if last == config.eos_id:
            return
        yield last


def power_of_two(number: int, least: int = 16) -> int:
    """The smallest power of two that is at least `number` and `least`."""
    return max(least, 1 << (number - 1).bit_length())


def sample(
    key: jax.Array,
    logits_BxV: jax.Array,
    temperature: float | jax.Array = 1.0,
    top_k: int | jax.Array = 0,
    top_p: float | jax.Array = 1.0,
) -> jax.Array:
    """Draws one id per row, int32 [B].

    All three settings may be traced scalars, so changing them recompiles nothing. A logit of
    -inf is never drawn as long as the row has a finite one.

    Args:
      key: typed PRNG key; rows draw independently.
      temperature: divides the logits; 0 takes the largest (the first of equals).
      top_k: keep the k largest logits (and what equals the k-th); 0 keeps all.
      top_p: after top-k, keep the most probable ids up to the first at which their sum reaches p;
        at least one. 1 keeps all. (Nucleus sampling, Holtzman et al. 2020.)
    """
    logits_BxV = logits_BxV.astype(jnp.float32)
    temperature = jnp.asarray(temperature, jnp.float32)
    scaled = logits_BxV / jnp.where(temperature > 0, temperature, 1.0)
    masked = jnp.where(scaled >= cutoff(scaled, top_k, top_p)[:, None], scaled, -jnp.inf)
    drawn = jax.random.categorical(key, masked, axis=-1)
    return jnp.where(temperature > 0, drawn, jnp.argmax(logits_BxV, axis=-1)).astype(jnp.int32)


def cutoff(logits_BxV: jax.Array, top_k: int | jax.Array, top_p: float | jax.Array) -> jax.Array:
    """The smallest logit that top-k and top-p keep, [B]; equal logits stand or fall together."""
    size = logits_BxV.shape[-1]
    top_k = jnp.asarray(top_k, jnp.int32)
    top_k = jnp.where((top_k <= 0) | (top_k > size), size, top_k)
    top_p = jnp.asarray(top_p, jnp.float32)
    falling = -jnp.sort(-logits_BxV, axis=-1)
    falling = jnp.where((jnp.arange(size) < top_k)[None], falling, -jnp.inf)
    probabilities = jax.nn.softmax(falling, axis=-1)
    before = jnp.cumsum(probabilities, axis=-1) - probabilities
    # An exact 1 must keep everything, whatever the rounding of the sum.
    in_reach = (before < top_p) | (top_p >= 1.0)
    in_reach = (in_reach & jnp.isfinite(falling)).at[:, 0].set(True)
    return jnp.min(jnp.where(in_reach, falling, jnp.inf), axis=-1)
