"""One cached step of a Transformer, laid out for a compiled loop over many rows on a CPU.

The same numbers as `research.models.trunk.decode_step`, up to rounding (a test compares them), and
several times as fast for 64 rows: each layer's keys and values are arrays of their own that are
written in place, where a scan over layers copies the whole cache; keys lie [K, S] and values
[S, K], so that both products of attention run along the last axis without a transpose.

Rows go back and forth on their own: a row's position is an argument, and what lies past it in the
cache is never looked at.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from research.models import positions
from research.models.language_model import LanguageModelConfig
from research.models.sizes import TrunkConfig
from research.vocabularies import learned
from research.vocabularies.cross_entropy import masked_logits
from research.vocabularies.table import embed

_ACTIVATIONS = {"gelu": jax.nn.gelu, "silu": jax.nn.silu, "relu": jax.nn.relu}


class StepCache(NamedTuple):
    """A ring of S positions; position p of a row lies in slot p mod S.

    Attributes:
      keys: an array [B, kv heads, K, S] for each layer.
      values: an array [B, kv heads, S, K] for each layer.
    """

    keys: tuple[jax.Array, ...]
    values: tuple[jax.Array, ...]


def init_cache(config: TrunkConfig, batch: int, size: int) -> StepCache:
    """A cache in which no row has seen anything."""
    heads, width, dtype = config.kv_heads, config.head_dim, jnp.dtype(config.dtype)
    layers = range(config.num_layers)
    return StepCache(
        tuple(jnp.zeros((batch, heads, width, size), dtype) for _ in layers),
        tuple(jnp.zeros((batch, heads, size, width), dtype) for _ in layers),
    )


def step_logits(
    params: dict[str, Any],
    config: LanguageModelConfig,
    ids_B: jax.Array,
    position_B: jax.Array,
    cache: StepCache,
) -> tuple[jax.Array, StepCache]:
    """Runs each row's id at its position: float32 logits [B, V] of the next id, and the cache.

    Args:
      position_B: int32, how many ids the row saw before; earlier positions must be in the cache.
        The row attends to itself and the S - 1 positions before.
    """
    trunk = config.trunk
    table = learned.table(params["vocabulary"])
    x_BxD = embed(table, ids_B).astype(jnp.dtype(trunk.dtype))
    if trunk.scale_inputs:
        x_BxD *= jnp.sqrt(trunk.d_model).astype(x_BxD.dtype)
    size = cache.keys[0].shape[3]
    distance_BxS = (position_B[:, None] - jnp.arange(size)[None]) % size
    seen_BxS = distance_BxS <= position_B[:, None]
    keys, values = [], []
    for layer in range(trunk.num_layers):
        weights = jax.tree.map(lambda array: array[layer], params["trunk"]["layers"])  # noqa: B023
        normed_BxD = _norm(x_BxD, weights["attention_norm"], trunk)
        attended_BxD, layer_keys, layer_values = _attention(
            weights["attention"], trunk, normed_BxD, position_B, distance_BxS, seen_BxS,
            cache.keys[layer], cache.values[layer],
        )  # fmt: skip
        keys.append(layer_keys)
        values.append(layer_values)
        x_BxD += attended_BxD
        x_BxD += _mlp(weights["mlp"], trunk, _norm(x_BxD, weights["mlp_norm"], trunk))
    x_BxD = _norm(x_BxD, params["trunk"]["final_norm"], trunk)
    logits_BxV = masked_logits(table, x_BxD, config.vocab_size)
    return logits_BxV, StepCache(tuple(keys), tuple(values))


def _attention(
    weights, config, x_BxD, position_B, distance_BxS, seen_BxS, keys_BxHxKxS, values_BxHxSxK
):
    """Attention of the new position, [B, D], and the layer's cache with it."""
    query_BxHxK = _project(x_BxD, weights["query"])
    key_BxHxK = _project(x_BxD, weights["key"])
    value_BxHxK = _project(x_BxD, weights["value"])
    if config.qk_norm:
        query_BxHxK = _norm(query_BxHxK, weights["query_norm"], config)
        key_BxHxK = _norm(key_BxHxK, weights["key_norm"], config)
    if config.positions == "rotary":
        where, base = position_B[:, None], config.rotary_base
        query_BxHxK = positions.rotate(query_BxHxK[:, None], where, base)[:, 0]
        key_BxHxK = positions.rotate(key_BxHxK[:, None], where, base)[:, 0]
    batch, kv_heads, head_dim = key_BxHxK.shape
    size = distance_BxS.shape[1]
    # The old arrays are used for nothing but this write, so it happens in place.
    rows, slot_B = jnp.arange(batch), position_B % size
    keys_BxHxKxS = keys_BxHxKxS.at[rows, :, :, slot_B].set(key_BxHxK, unique_indices=True)
    values_BxHxSxK = values_BxHxSxK.at[rows, :, slot_B].set(value_BxHxK, unique_indices=True)
    # G query heads share a key head.
    query_BxHxGxK = query_BxHxK.reshape(batch, kv_heads, -1, head_dim)
    query_BxHxGxK *= jnp.asarray(head_dim**-0.5, query_BxHxGxK.dtype)
    scores_BxHxGxS = jnp.einsum(
        "bhgk,bhks->bhgs", query_BxHxGxK, keys_BxHxKxS, preferred_element_type=jnp.float32
    )
    if config.positions == "t5":
        bias_HxS = _bias_by_distance(weights["position_bias"], config, size)
        bias_BxHxS = jnp.moveaxis(bias_HxS[:, distance_BxS], 0, 1)
        scores_BxHxGxS += bias_BxHxS.reshape(scores_BxHxGxS.shape)
    scores_BxHxGxS = jnp.where(seen_BxS[:, None, None], scores_BxHxGxS, -jnp.inf)
    shares_BxHxGxS = jax.nn.softmax(scores_BxHxGxS, axis=-1).astype(x_BxD.dtype)
    mixed = jnp.einsum("bhgs,bhsk->bhgk", shares_BxHxGxS, values_BxHxSxK).reshape(batch, -1)
    kernel = weights["out"]["kernel"].reshape(-1, x_BxD.shape[1]).astype(x_BxD.dtype)
    return mixed @ kernel, keys_BxHxKxS, values_BxHxSxK


def _bias_by_distance(table_HxM: jax.Array, config: TrunkConfig, size: int) -> jax.Array:
    """T5 bias for keys 0, 1, ..., S - 1 positions back, [H, S]."""
    buckets_S = positions.bucket(
        -jnp.arange(size, dtype=jnp.int32), True, config.num_buckets, config.max_distance
    )
    return table_HxM[:, buckets_S]


def _mlp(weights, config: TrunkConfig, x_BxD: jax.Array) -> jax.Array:
    activation = _ACTIVATIONS[config.mlp.removeprefix("gated_")]
    hidden_BxF = _project(x_BxD, weights["up"])
    if config.gated:
        hidden_BxF *= activation(_project(x_BxD, weights["gate"]))
    else:
        hidden_BxF = activation(hidden_BxF)
    return _project(hidden_BxF, weights["down"])


def _project(x_BxI: jax.Array, weights: dict[str, jax.Array]) -> jax.Array:
    kernel = weights["kernel"].astype(x_BxI.dtype)
    y = x_BxI @ kernel.reshape(kernel.shape[0], -1)
    return y.reshape(x_BxI.shape[0], *kernel.shape[1:])


def _norm(x: jax.Array, weights: dict[str, jax.Array], config: TrunkConfig) -> jax.Array:
    wide = x.astype(jnp.float32)
    mean = jnp.mean(jnp.square(wide), -1, keepdims=True)
    wide *= jax.lax.rsqrt(mean + config.norm_epsilon)
    return (wide * weights["scale"].reshape((1,) * (x.ndim - 1) + (-1,))).astype(x.dtype)
