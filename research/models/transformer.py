"""The trunk: a Transformer from vectors to vectors, pre-norm by default. It never sees an id.

Parameters (layer axis N first in everything under layers/, whether scanned or not):

    layers/attention_norm/scale [N, D]          layers/mlp_norm/scale [N, D]
    layers/attention/query/kernel [N, D, H, K]  layers/mlp/gate/kernel [N, D, F]  (gated)
    layers/attention/key/kernel [N, D, H', K]   layers/mlp/up/kernel [N, D, F]
    layers/attention/value/kernel [N, D, H', K] layers/mlp/down/kernel [N, F, D]
    layers/attention/out/kernel [N, H, K, D]    final_norm/scale [D]
    layers/attention/position_bias [N, H, buckets]  (T5 positions)
    layers/attention/{query,key}_norm/scale [N, K]  (QK-norm)
    layers/ngram_heads/averages/kernel [N, orders, D, D]  layers/ngram_heads/own/kernel [N, D, D]

and by the config's options, most of them those of other people's families

    layers/attention/{query,key,value}/bias [N, H or H', K]  layers/attention/out/bias [N, D]
    layers/mlp/{gate,up}/bias [N, F]  layers/mlp/down/bias [N, D]
    layers/{attention,mlp}_out_norm/scale [N, D]  (sandwich)
    position_rows [P, D]  token_type_rows [types, D]  input_norm/scale [D]
    head/kernel [D, D]  head/bias [D]  head_norm/scale [D]  output_map/kernel [D, D]
    rows_in/kernel [E, D]  rows_out/kernel [D, E]  (rows of another width than D)
    and a bias next to every scale of a LayerNorm,

with H' the key-value heads. All are float32. Kernels start from truncated normals of variance
1 / inputs, `out` and `down` divided by 2 N as well, norms at one, position biases at N(0, .04):
every parameter starts at the size it should have, which suits Adafactor's parameter-scaled steps
(as in T5) and AdamW or Muon alike. Only the output map starts at zero.
"""

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from research.models import layers, positions
from research.models.cache import Cache, from_prompt, slot_distances
from research.models.layers import MLP, Projection, RMSNorm, norm, split_batch
from research.models.ngram_heads import NGramHeads
from research.models.sizes import TrunkConfig, residual_gain
from research.shapes import Params


class AttentionInputs(NamedTuple):
    """Where queries and keys stand; the same for all layers."""

    positions_BxT: jax.Array
    """int32 [B, T] or [1, T], of the queries (for rotary)."""
    relative_BxTxS: jax.Array | None = None
    """int32 key minus query position, or None where it is simply j - i."""
    mask_Bx1xTxS: jax.Array | None = None
    """bool, True = may be seen, besides causality; or None."""
    slot_B: jax.Array | None = None
    """int32, the cache slot that this step writes; None for a whole sequence."""
    matches_BxTxS: jax.Array | None = None
    """int8, `ngram_heads.matches` of the ids; None without n-gram heads."""
    distance_BxTxS: jax.Array | None = None
    """int32 [B or 1, T, S], places from a key to its query; None without a window."""


class Attention(nn.Module):
    """[B, T, D] -> [B, T, D], and the keys and values, each [B, S, kv heads, K].

    Scores are scaled by 1 / sqrt(K) unless the config says otherwise; softmax is float32.
    """

    config: TrunkConfig

    @nn.compact
    def __call__(
        self,
        x_BxTxD: jax.Array,
        inputs: AttentionInputs,
        cached: tuple[jax.Array, jax.Array] | None = None,
        window: jax.Array | None = None,
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        config = self.config
        heads, kv_heads, head_dim = config.num_heads, config.kv_heads, config.head_dim
        settings = {"dtype": config.dtype, "bias": config.qkv_bias}
        query = Projection((heads, head_dim), name="query", **settings)(x_BxTxD)
        key = Projection((kv_heads, head_dim), name="key", **settings)(x_BxTxD)
        value = Projection((kv_heads, head_dim), name="value", **settings)(x_BxTxD)
        if config.qk_norm:
            query = RMSNorm(config.norm_epsilon, name="query_norm")(query)
            key = RMSNorm(config.norm_epsilon, name="key_norm")(key)
        if config.positions == "rotary":
            rope_args = (inputs.positions_BxT, config.rotary_base, config.rotary_scaling)
            query, key = positions.rotate(query, *rope_args), positions.rotate(key, *rope_args)
        if cached is not None:
            assert inputs.slot_B is not None
            key = _write(cached[0], key, inputs.slot_B)
            value = _write(cached[1], value, inputs.slot_B)
        bias = self._bias(x_BxTxD.shape[1], inputs) if config.positions == "t5" else None
        attend = jax.nn.dot_product_attention
        if config.score_softcap is not None:
            attend = functools.partial(layers.capped_attention, softcap=config.score_softcap)
        attended = attend(
            query,
            key,
            value,
            bias,
            _mask(inputs, window),
            scale=config.score_scale,
            is_causal=config.causal and cached is None,
        )
        settings = {"dtype": config.dtype, "bias": config.out_bias}
        gain = residual_gain(config)
        out = Projection((config.d_model,), axes=2, gain=gain, name="out", **settings)
        return out(attended), (key, value)

    def _bias(self, length: int, inputs: AttentionInputs) -> jax.Array:
        """[B or 1, H, T, S] float32."""
        config = self.config
        # Not zero: an optimizer whose steps are relative to the parameter would hardly move it.
        initializer = nn.initializers.normal(0.2)
        shape = (config.num_heads, config.num_buckets)
        table = self.param("position_bias", initializer, shape, jnp.float32)
        if inputs.relative_BxTxS is None:
            return positions.bias_by_offset(table, length, config.causal, config.max_distance)[None]
        return positions.bias_by_position(
            table, inputs.relative_BxTxS, config.causal, config.max_distance
        )


def _mask(inputs: AttentionInputs, window: jax.Array | None) -> jax.Array | None:
    """What may be seen besides causality, bool [B or 1, 1, T, S]; window: of this layer."""
    mask = inputs.mask_Bx1xTxS
    if window is None:
        return mask
    assert inputs.distance_BxTxS is not None
    near = (inputs.distance_BxTxS < window)[:, None]
    return near if mask is None else mask & near


def _write(buffer_BxSxHxK: jax.Array, new_Bx1xHxK: jax.Array, slot_B: jax.Array) -> jax.Array:
    """Each row's new entry in its own slot."""
    size = buffer_BxSxHxK.shape[1]
    here_BxS = jnp.arange(size)[None] == slot_B[:, None]
    return jnp.where(here_BxS[:, :, None, None], new_Bx1xHxK, buffer_BxSxHxK)


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); in the form that `nn.scan` wants.

    With norms elsewhere by `config.norm_order`. window: int32, of this layer, or None.
    """

    config: TrunkConfig
    keep_cache: bool = False

    @nn.compact
    def __call__(
        self,
        x_BxTxD: jax.Array,
        inputs: AttentionInputs,
        cached: Any,
        window: jax.Array | None = None,
    ):
        config = self.config
        seen = self._pre_norm(x_BxTxD, "attention")
        attended, keys_values = Attention(config, name="attention")(seen, inputs, cached, window)
        x_BxTxD = self._post_norm(x_BxTxD, attended, "attention")
        if config.ngram_heads:
            assert inputs.matches_BxTxS is not None
            x_BxTxD += NGramHeads(config, name="ngram_heads")(seen, inputs.matches_BxTxS)
        mlp_out = MLP(config, name="mlp")(self._pre_norm(x_BxTxD, "mlp"))
        x_BxTxD = split_batch(self._post_norm(x_BxTxD, mlp_out, "mlp"))
        return x_BxTxD, (keys_values if self.keep_cache else None)

    @nn.nowrap
    def _pre_norm(self, x_BxTxD: jax.Array, sublayer: str) -> jax.Array:
        """What a sublayer reads from the residual stream."""
        post = self.config.norm_order == "post"
        return x_BxTxD if post else norm(self.config, f"{sublayer}_norm")(x_BxTxD)

    @nn.nowrap
    def _post_norm(
        self, x_BxTxD: jax.Array, sublayer_out_BxTxD: jax.Array, sublayer: str
    ) -> jax.Array:
        """The residual stream with the sublayer's output added."""
        if self.config.norm_order == "sandwich":
            sublayer_out_BxTxD = norm(self.config, f"{sublayer}_out_norm")(sublayer_out_BxTxD)
        x_BxTxD += sublayer_out_BxTxD
        post = self.config.norm_order == "post"
        return norm(self.config, f"{sublayer}_norm")(x_BxTxD) if post else x_BxTxD


class Trunk(nn.Module):
    """Vectors [B, L, D] to vectors [B, L, D] of the config's dtype, normed for the readout.

    With `config.embedding_dim` both are [B, L, E].
    """

    config: TrunkConfig

    @nn.compact
    def __call__(
        self,
        x_BxLxD: jax.Array,
        segments_BxL: jax.Array | None = None,
        positions_BxL: jax.Array | None = None,
        matches_BxLxL: jax.Array | None = None,
        *,
        keep_cache: bool = False,
    ):
        """Runs whole sequences.

        Args:
          x_BxLxD: input vectors, any float dtype.
          segments_BxL: int; a position sees only its own segment. None: one segment.
          positions_BxL: int32, where each vector stands, for the T5 bias, rotary and learned
            rows; None: its index. Causality and windows always follow the order in the array.
          matches_BxLxL: `ngram_heads.matches`, if the config has n-gram heads.
          keep_cache: also return the keys and values, each [layers, B, L, kv heads, K].

        Raises:
          ValueError: if there are n-gram heads and no matches.
        """
        if self.config.ngram_heads and matches_BxLxL is None:
            raise ValueError("a trunk with n-gram heads needs the matches of the ids")
        places_L = jnp.arange(x_BxLxD.shape[1], dtype=jnp.int32)
        inputs = AttentionInputs(places_L[None], matches_BxTxS=matches_BxLxL)
        if segments_BxL is not None:
            same_BxLxL = segments_BxL[:, :, None] == segments_BxL[:, None, :]
            inputs = inputs._replace(mask_Bx1xTxS=same_BxLxL[:, None])
        if positions_BxL is not None:
            relative_BxLxL = positions_BxL[:, None, :] - positions_BxL[:, :, None]
            inputs = inputs._replace(positions_BxT=positions_BxL, relative_BxTxS=relative_BxLxL)
        if self.config.window is not None:
            inputs = inputs._replace(distance_BxTxS=(places_L[:, None] - places_L[None])[None])
        y_BxLxD, keys_values = self._layers(x_BxLxD, inputs, None, keep_cache)
        return (y_BxLxD, keys_values) if keep_cache else y_BxLxD

    @nn.nowrap
    def _layers(
        self, x_BxTxD: jax.Array, inputs: AttentionInputs, cached: Any, keep_cache: bool
    ) -> tuple[jax.Array, Any]:
        config = self.config
        x_BxTxD = split_batch(x_BxTxD.astype(jnp.dtype(config.dtype)))
        if config.scale_inputs:
            x_BxTxD *= jnp.sqrt(config.row_dim).astype(x_BxTxD.dtype)
        if config.embedding_dim:
            x_BxTxD = Projection((config.d_model,), dtype=config.dtype, name="rows_in")(x_BxTxD)
        x_BxTxD = self._placed(x_BxTxD, inputs.positions_BxT)
        block = nn.remat(Block, prevent_cse=not config.scan_layers) if config.remat else Block
        blocks = nn.scan(
            block,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=(nn.broadcast, 0, 0),  # pyright: ignore[reportArgumentType]  # flax takes a tree
            length=config.num_layers,
            unroll=1 if config.scan_layers else config.num_layers,
        )(config, keep_cache, name="layers")
        x_BxTxD, keys_values = blocks(x_BxTxD, inputs, cached, _windows(config))
        if config.norm_order != "post":
            x_BxTxD = norm(config, "final_norm")(x_BxTxD)
        if config.head_transform:
            head = Projection((config.d_model,), dtype=config.dtype, bias=True, name="head")
            x_BxTxD = norm(config, "head_norm")(jax.nn.gelu(head(x_BxTxD), approximate=False))
        if config.output_map:
            settings = {"gain": 0.0, "dtype": config.dtype}
            x_BxTxD = Projection((config.d_model,), name="output_map", **settings)(x_BxTxD)
        if config.embedding_dim:
            rows_out = Projection((config.embedding_dim,), dtype=config.dtype, name="rows_out")
            x_BxTxD = rows_out(x_BxTxD)
        return x_BxTxD, keys_values

    @nn.nowrap
    def _placed(self, x_BxTxD: jax.Array, positions_BxT: jax.Array) -> jax.Array:
        """The inputs with their positions' and token type's rows, normed, where that is wanted."""
        config, normal = self.config, nn.initializers.normal(self.config.d_model**-0.5)
        if config.positions == "learned":
            shape = (config.max_positions, config.d_model)
            rows_PxD = self.param("position_rows", normal, shape, jnp.float32)
            places_BxT = positions_BxT + config.position_offset
            x_BxTxD += jnp.take(rows_PxD, places_BxT, axis=0, mode="fill").astype(x_BxTxD.dtype)
        if config.token_types:
            shape = (config.token_types, config.d_model)
            rows_NxD = self.param("token_type_rows", normal, shape, jnp.float32)
            x_BxTxD += rows_NxD[None, :1].astype(x_BxTxD.dtype)
        return norm(config, "input_norm")(x_BxTxD) if config.input_norm else x_BxTxD


def _windows(config: TrunkConfig) -> jax.Array | None:
    """Each layer's window, int32 [N]; a layer that sees everything has the largest number."""
    if config.window is None:
        return None
    has = config.windowed_layers or (True,) * config.num_layers
    everything = jnp.iinfo(jnp.int32).max
    return jnp.asarray([config.window if one else everything for one in has], jnp.int32)


class _Step(Trunk):
    """The same parameters, run for one position with a cache."""

    @nn.compact
    def __call__(self, x_BxD: jax.Array, cache: Cache) -> tuple[jax.Array, Cache]:
        size = cache.keys.shape[2]
        distance_BxS, filled_BxS = slot_distances(cache)
        inputs = AttentionInputs(
            positions_BxT=cache.length_B[:, None],
            relative_BxTxS=-distance_BxS[:, None],
            mask_Bx1xTxS=filled_BxS[:, None, None],
            slot_B=cache.length_B % size,
            distance_BxTxS=distance_BxS[:, None],
        )
        cached = (cache.keys, cache.values)
        y_Bx1xD, (keys, values) = self._layers(x_BxD[:, None], inputs, cached, True)
        return y_Bx1xD[:, 0], Cache(keys, values, cache.length_B + 1)


def init(key: jax.Array, config: TrunkConfig) -> dict[str, Any]:
    """Fresh parameters, the tree in this module's docstring."""
    x_BxLxD = jnp.zeros((1, 2, config.row_dim), jnp.float32)
    matches_BxLxL = jnp.zeros((1, 2, 2), jnp.int8)
    return dict(Trunk(config).init(key, x_BxLxD, matches_BxLxL=matches_BxLxL)["params"])


def apply(
    params: Params,
    config: TrunkConfig,
    x_BxLxD: jax.Array,
    segments_BxL: jax.Array | None = None,
    positions_BxL: jax.Array | None = None,
    matches_BxLxL: jax.Array | None = None,
) -> jax.Array:
    """`Trunk` as a pure function: [B, L, D] -> [B, L, D]."""
    return _run(Trunk(config), params, x_BxLxD, segments_BxL, positions_BxL, matches_BxLxL)


def _run(trunk: Trunk, params: Params, *args: Any, **settings: Any) -> Any:
    return trunk.apply({"params": params}, *args, **settings)


def prefill(
    params: Params, config: TrunkConfig, x_BxLxD: jax.Array, length_B: jax.Array, cache_length: int
) -> tuple[jax.Array, Cache]:
    """Runs prompts padded at the end to L <= cache_length; the cache then goes on after them.

    Args:
      length_B: int32, each prompt's real length, 1 to L.

    Returns:
      Outputs [B, L, D] (those of the padding mean nothing), cache.

    Raises:
      ValueError: if L exceeds cache_length, or the trunk is not causal or has n-gram heads.
    """
    if x_BxLxD.shape[1] > cache_length:
        raise ValueError(f"a prompt of {x_BxLxD.shape[1]} does not fit {cache_length} cache slots")
    _check_decoding(config, "prefill")
    y_BxLxD, (keys, values) = _run(Trunk(config), params, x_BxLxD, keep_cache=True)
    return y_BxLxD, from_prompt(keys, values, length_B, cache_length)


def decode_step(
    params: Params, config: TrunkConfig, x_BxD: jax.Array, cache: Cache
) -> tuple[jax.Array, Cache]:
    """One more position for every row: [B, D] -> [B, D] and the advanced cache.

    A row attends to its last S positions, S the slots of the cache; as long as it has seen no
    more, the result is that of the whole sequence. Needs a causal config.
    """
    _check_decoding(config, "decode_step")
    return _run(_Step(config), params, x_BxD, cache)


def _check_decoding(config: TrunkConfig, what: str) -> None:
    if not config.causal or config.ngram_heads:
        raise ValueError(f"{what} needs a causal trunk without n-gram heads")
