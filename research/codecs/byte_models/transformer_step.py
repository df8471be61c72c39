"""One cached step of a Transformer, laid out for a compiled loop over many rows.

The same numbers as `models.transformer.decode_step`, up to rounding (a test compares them), and
several times as fast for 256 rows on a CPU:

* the parameters are laid out once (`prepare`): an array for each layer and no slices in the loop,
  query, key and value in one product, gate and up in another, and of the readout only the rows
  that are asked for;
* START, with which every context begins, is run once (`start`): its keys and values are constants
  of the model and stay in the cache's first slot, which is never written again;
* the cache is cut into segments of growing size, and one in which no row sees anything is left
  out. A row's numbers do not depend on what is left out: where it sees nothing in a segment it
  keeps what it has, selected and not computed.

Rows go back and forth on their own: a row's position is an argument, and what is past it in the
cache is never looked at.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from research.models import layers, positions
from research.models.language_model import LanguageModelConfig
from research.models.sizes import TrunkConfig
from research.vocabularies import learned
from research.vocabularies.protocol import EmbeddingTable, embed, readout

VERSION = 2  # of the rounding: files made with another one are refused
_FIRST_SEGMENT = 16


class StepWeights(NamedTuple):
    """Parameters as a step wants them, in the trunk's dtype where they are multiplied."""

    table: EmbeddingTable
    """All input rows, and the readout rows of the symbols asked for."""
    layers: tuple[dict[str, Any], ...]
    """A dictionary of arrays for each layer."""
    final_norm: dict[str, jax.Array]
    """{'scale': [D]}."""


class StepCache(NamedTuple):
    """S + 1 slots: the first for START, then a ring; position p >= 1 is in 1 + (p - 1) mod S."""

    keys: tuple[tuple[jax.Array, ...], ...]
    values: tuple[tuple[jax.Array, ...], ...]
    """For each layer a tuple of segments [B, kv heads, slots, K]."""


class Places(NamedTuple):
    """Where a step reads and writes; everything but `position_B` once for each segment."""

    position_B: jax.Array
    """int32, position of the row's id."""
    slot_B: list[jax.Array]
    """int32, the slot to write, or past the segment's end."""
    distance_BxS: list[jax.Array]
    """int32, how far back each slot is."""
    seen_BxS: list[jax.Array]
    """bool, whether the row sees the slot."""


def prepare(params: dict[str, Any], config: LanguageModelConfig, symbols: tuple) -> StepWeights:
    """Parameters of `language_model` laid out for `step_logits`.

    Args:
      symbols: ids whose logits are wanted, in this order.
    """
    trunk, table = config.trunk, learned.table(params["vocabulary"])
    dtype = jnp.dtype(trunk.dtype)
    chosen = jnp.asarray(symbols, jnp.int32)
    bias_A = None if table.bias_V is None else table.bias_V[chosen]
    narrow = EmbeddingTable(
        table.input_VxD.astype(dtype), table.readout_VxD[chosen].astype(dtype), bias_A
    )
    by_layer = []
    for number in range(trunk.num_layers):
        layer = jax.tree.map(lambda x: x[number], params["trunk"]["layers"])  # noqa: B023
        attention, mlp = layer["attention"], layer["mlp"]
        by_layer.append(
            {
                "attention_norm": layer["attention_norm"],
                "inputs": _joined(attention, ("query", "key", "value"), dtype),
                "out": attention["out"]["kernel"].reshape(-1, trunk.d_model).astype(dtype),
                "mlp_norm": layer["mlp_norm"],
                "hidden": _joined(mlp, ("up", "gate") if trunk.gated else ("up",), dtype),
                "down": mlp["down"]["kernel"].astype(dtype),
                "bias_HxM": bias_by_distance(attention, trunk),
            }
            | {name: attention[name] for name in ("query_norm", "key_norm") if name in attention}
        )
    return StepWeights(narrow, tuple(by_layer), params["trunk"]["final_norm"])


def start(
    weights: StepWeights, config: LanguageModelConfig, batch: int, size: int
) -> tuple[jax.Array, StepCache]:
    """Logits [A] after START (BOS), and a cache of S = `size` in which all rows have seen it."""
    trunk = config.trunk
    empty = empty_cache(trunk, batch, size, jnp.dtype(trunk.dtype))
    position_B = jnp.zeros((batch,), jnp.int32)
    places = find_places(position_B, position_B, size)
    logits_BxA, cache = _run(
        weights, config, jnp.full((batch,), config.bos_id, jnp.int32), places, empty
    )
    # All rows are the same; that they are equal to the bit is the first row's doing.
    keys, values = jax.tree.map(lambda x: jnp.broadcast_to(x[:1], x.shape), tuple(cache))
    return logits_BxA[0], StepCache(keys, values)


def step_logits(
    weights: StepWeights,
    config: LanguageModelConfig,
    ids_B: jax.Array,
    position_B: jax.Array,
    cache: StepCache,
) -> tuple[jax.Array, StepCache]:
    """Runs each row's id at its position: float32 logits [B, A] of the next id, and the cache.

    Args:
      position_B: int32, how many ids the row saw before, START included; earlier positions must be
        in the cache. The row attends to itself and the S - 1 positions before. At 0 the row is
        idle: its logits mean nothing and the cache stays as it is.
    """
    size = sum(segment.shape[2] for segment in cache.keys[0]) - 1
    places = find_places(position_B, ring_slots(position_B, size), size)
    return _run(weights, config, ids_B, places, cache)


def empty_cache(config: TrunkConfig, batch: int, size: int, dtype: jnp.dtype) -> StepCache:
    """A cache of S = `size`, of zeros."""
    segments = tuple(
        jnp.zeros((batch, config.kv_heads, stop - first, config.head_dim), dtype)
        for first, stop in _segments(size)
    )
    return StepCache((segments,) * config.num_layers, (segments,) * config.num_layers)


def ring_slots(position_B: jax.Array, size: int) -> jax.Array:
    """int32 [B], the slot of each position; past the end for START, which stays as it is."""
    return jnp.where(position_B > 0, 1 + (position_B - 1) % size, size + 1)


def _segments(size: int) -> list[tuple[int, int]]:
    """First and last + 1 of the slots of each segment: 16, 16, 32, 64, ... and the rest."""
    bounds = [0, _FIRST_SEGMENT]
    while bounds[-1] < size + 1:
        bounds.append(2 * bounds[-1])
    bounds = [bound for bound in bounds if bound < size] + [size + 1]
    return list(zip(bounds[:-1], bounds[1:], strict=True))


def find_places(position_B: jax.Array, slot_B: jax.Array, size: int) -> Places:
    """Where a step of rows at these positions, written to these slots, reads and writes."""
    position_Bx1 = position_B[:, None]
    places = Places(position_B, [], [], [])
    for first, stop in _segments(size):
        slots_1xS = jnp.arange(first, stop)[None]
        inside = (first <= slot_B) & (slot_B < stop)
        distance_BxS = (position_Bx1 - slots_1xS) % size
        seen_BxS = distance_BxS < position_Bx1
        at_start = slots_1xS == 0
        places.slot_B.append(jnp.where(inside, slot_B - first, stop - first))
        places.distance_BxS.append(jnp.where(at_start, position_Bx1, distance_BxS))
        places.seen_BxS.append(jnp.where(at_start, position_Bx1 < size, seen_BxS))
    return places


def _run(weights, config, ids_B, places, cache):
    trunk = config.trunk
    x_BxD = embed(weights.table, ids_B).astype(jnp.dtype(trunk.dtype))
    if trunk.scale_inputs:
        x_BxD *= jnp.sqrt(trunk.d_model).astype(x_BxD.dtype)
    keys, values = [], []
    for layer, *cached in zip(weights.layers, cache.keys, cache.values, strict=True):
        normed_BxD = _norm(x_BxD, layer["attention_norm"], trunk)
        attended_BxD, *with_new = _attention(layer, trunk, normed_BxD, places, *cached)
        keys.append(with_new[0])
        values.append(with_new[1])
        x_BxD += attended_BxD
        x_BxD += _mlp(layer, trunk, _norm(x_BxD, layer["mlp_norm"], trunk))
    x_BxD = _norm(x_BxD, weights.final_norm, trunk)
    return readout(weights.table, x_BxD), StepCache(tuple(keys), tuple(values))


def _attention(layer, config, x_BxD, places, keys, values):
    """Attention of the new position, [B, D], and the layer's segments with it."""
    query_BxHxK, key_BxHxK, value_BxHxK = _heads(layer, config, x_BxD, places.position_B)
    batch, kv_heads, head_dim = key_BxHxK.shape
    # G query heads share a key head.
    query_BxHxGxK = query_BxHxK.reshape(batch, kv_heads, -1, head_dim)
    query_BxHxGxK *= jnp.asarray(head_dim**-0.5, query_BxHxGxK.dtype)
    # The old arrays are used for nothing but these writes, so they happen in place.
    rows = jnp.arange(batch)
    keys = tuple(
        old.at[rows, :, slot_B].set(key_BxHxK, mode="drop", unique_indices=True)
        for old, slot_B in zip(keys, places.slot_B, strict=True)
    )
    values = tuple(
        old.at[rows, :, slot_B].set(value_BxHxK, mode="drop", unique_indices=True)
        for old, slot_B in zip(values, places.slot_B, strict=True)
    )
    pieces = [*zip(keys, values, places.distance_BxS, places.seen_BxS, strict=True)]
    mixture = _mixture(layer, config, query_BxHxGxK, *pieces[0])  # every row sees something here
    for piece in pieces[1:]:

        def add(before, piece=piece):
            return _added(before, _mixture(layer, config, query_BxHxGxK, *piece), piece[3])

        mixture = jax.lax.cond(jnp.any(piece[3]), add, lambda before: before, mixture)
    _, total, mixed_BxHxGxK = mixture
    mixed_BxI = (mixed_BxHxGxK / total).astype(x_BxD.dtype).reshape(batch, -1)
    return mixed_BxI @ layer["out"], keys, values


def _heads(layer, config, x_BxD, position_B):
    """Query [B, H, K], key and value [B, kv heads, K]."""
    heads, kv_heads, head_dim = config.num_heads, config.kv_heads, config.head_dim
    joined_BxHxK = (x_BxD @ layer["inputs"]).reshape(len(x_BxD), -1, head_dim)
    query_BxHxK, key_BxHxK, value_BxHxK = jnp.split(joined_BxHxK, (heads, heads + kv_heads), 1)
    if config.qk_norm:
        query_BxHxK = _norm(query_BxHxK, layer["query_norm"], config)
        key_BxHxK = _norm(key_BxHxK, layer["key_norm"], config)
    if config.positions == "rotary":
        where, base = position_B[:, None], config.rotary_base
        query_BxHxK = positions.rotate(query_BxHxK[:, None], where, base)[:, 0]
        key_BxHxK = positions.rotate(key_BxHxK[:, None], where, base)[:, 0]
    return query_BxHxK, key_BxHxK, value_BxHxK


def _mixture(layer, config, query_BxHxGxK, keys_BxHxSxK, values_BxHxSxK, distance_BxS, seen_BxS):
    """Attention to one segment, unnormalised: float32 peak score [B, H, G, 1], sum of
    exp(score - peak) [B, H, G, 1], and values summed with these weights [B, H, G, K]."""
    scores_BxHxGxS = jnp.einsum(
        "bhgk,bhsk->bhgs", query_BxHxGxK, keys_BxHxSxK, preferred_element_type=jnp.float32
    )
    if layer["bias_HxM"] is not None:
        near_BxS = jnp.minimum(distance_BxS, config.max_distance)
        bias_BxHxS = jnp.moveaxis(layer["bias_HxM"][:, near_BxS], 0, 1)
        scores_BxHxGxS += bias_BxHxS.reshape(scores_BxHxGxS.shape)
    scores_BxHxGxS = jnp.where(seen_BxS[:, None, None], scores_BxHxGxS, -jnp.inf)
    peak = jnp.max(scores_BxHxGxS, axis=-1, keepdims=True)
    # Where nothing is seen the peak is -inf; `_added` throws such rows away.
    weights = jnp.exp(scores_BxHxGxS - jnp.maximum(peak, jnp.finfo(jnp.float32).min))
    mixed_BxHxGxK = jnp.einsum(
        "bhgs,bhsk->bhgk",
        weights.astype(values_BxHxSxK.dtype),
        values_BxHxSxK,
        preferred_element_type=jnp.float32,
    )
    return peak, jnp.sum(weights, axis=-1, keepdims=True), mixed_BxHxGxK


def _added(before, more, seen_BxS):
    """Two mixtures as one; a row that sees nothing of the second keeps its numbers."""
    peak = jnp.maximum(before[0], more[0])
    old, new = jnp.exp(before[0] - peak), jnp.exp(more[0] - peak)
    both = (peak, before[1] * old + more[1] * new, before[2] * old + more[2] * new)
    sees = jnp.any(seen_BxS, axis=1)[:, None, None, None]
    return jax.tree.map(lambda x, y: jnp.where(sees, x, y), both, before)


def _mlp(layer, config: TrunkConfig, x_BxD: jax.Array) -> jax.Array:
    activation = layers.ACTIVATIONS[config.mlp.removeprefix("gated_")]
    hidden_BxF = x_BxD @ layer["hidden"]
    if config.gated:
        hidden_BxF, gate_BxF = jnp.split(hidden_BxF, 2, axis=1)
        return (hidden_BxF * activation(gate_BxF)) @ layer["down"]
    return activation(hidden_BxF) @ layer["down"]


def bias_by_distance(attention: Any, config: TrunkConfig) -> jax.Array | None:
    """T5 bias for keys 0, 1, ... positions back, as far as it changes, [H, M]."""
    if config.positions != "t5":
        return None
    back_M = jnp.arange(config.max_distance + 1, dtype=jnp.int32)
    buckets_M = positions.bucket(-back_M, True, config.num_buckets, config.max_distance)
    return attention["position_bias"][:, buckets_M]


def _joined(weights, names, dtype) -> jax.Array:
    """Kernels of one input side by side, [D, ...]."""
    kernels = [weights[name]["kernel"] for name in names]
    return jnp.concatenate([k.reshape(k.shape[0], -1) for k in kernels], axis=1).astype(dtype)


def _norm(x: jax.Array, weights: dict[str, jax.Array], config: TrunkConfig) -> jax.Array:
    return layers.rms_normed(x, weights["scale"], config.norm_epsilon)
