"""The network from the source's rows of a token's pieces to the token's own rows.

Parameters (I = D, or 2 D where the source's input and output rows enter side by side):

    in_mean_I, in_std_I                     frozen: the source's, so that rows enter at std .02
    in_projection [I, D], in_block/{up,down,norm}      Dense, then a projector block
    positions [P, D], languages [languages, D], embedding_norm
    layer_0 ... /{query,key,value,out,up,down}, {attention,ffn}_norm
    heads_{input,output,bias}/block/{up,down,norm}, heads_.../projection
    {input,output}_{scale,shift}_D          zett's form, frozen: predictions like the source's rows

The frozen ones are set once, by `init`, from the table that the network is trained for. All are
float32. Source: arXiv 2405.07883, section 3.1 and appendix; what the residual form differs in is
said in `config`.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from research.vocabularies.hypernetwork.config import HypernetworkConfig
from research.vocabularies.hypernetwork.encoder import (
    Dense,
    Layer,
    by_token,
    first_slots,
    norm,
    spans_of,
    split_groups,
    split_rows,
    token_sums,
)
from research.vocabularies.hypernetwork.packing import Layout, Packed
from research.vocabularies.protocol import EmbeddingTable

_INPUT_STD = 0.02
_LEAST_STD = 1e-8
_ANCHORS = 2048


class ProjectorBlock(nn.Module):
    """norm(x + gelu(dense(gelu(dense(x)))))."""

    dtype: str

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        hidden = jax.nn.gelu(Dense(x.shape[-1], self.dtype, name="up")(x))
        hidden = jax.nn.gelu(Dense(x.shape[-1], self.dtype, name="down")(hidden))
        return norm("norm", self.dtype)(x + hidden)


class Head(nn.Module):
    """A projector block and a matrix, which starts at zero if `zero`; float32."""

    features: int
    dtype: str
    zero: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = ProjectorBlock(self.dtype, name="block")(x)
        out = Dense(self.features, self.dtype, self.zero, name="projection")(x)
        return out.astype(jnp.float32)


class Network(nn.Module):
    """Mean source rows of slots [G, N, I] -> {'input', 'output', 'bias'}: [G, T, D] or [G, T]."""

    config: HypernetworkConfig
    layout: Layout
    pool_early: bool = True

    @nn.compact
    def __call__(self, x_GxNxI, filled_GxN, languages_G=None):
        config, dtype = self.config, self.config.dtype
        x = self._rescaled(x_GxNxI).astype(jnp.dtype(dtype))
        x = Dense(config.d_model, dtype, name="in_projection")(x)
        x = ProjectorBlock(dtype, name="in_block")(x)
        x, filled, spans = self._embedded(x, filled_GxN, languages_G)
        x = split_groups(norm("embedding_norm", dtype)(x))
        layer = nn.remat(Layer) if config.remat else Layer
        for index in range(config.num_layers):
            pooled = self.pool_early and index == config.num_layers - 1
            x = layer(config, spans, pooled, name=f"layer_{index}")(x, filled)
        if not self.pool_early:
            x = first_slots(x, spans)
        zero = config.form == "residual"
        outputs = {
            name: self._out(name, Head(config.d_model, dtype, zero, name=f"heads_{name}")(x))
            for name in config.outputs
        }
        if config.bias:
            outputs["bias"] = Head(1, dtype, zero, name="heads_bias")(x)[..., 0]
        return outputs

    @nn.nowrap
    def _rescaled(self, x_GxNxI):
        width = x_GxNxI.shape[-1]
        mean = self.param("in_mean_I", nn.initializers.zeros, (width,))
        std = self.param("in_std_I", nn.initializers.ones, (width,))
        return (x_GxNxI - mean[None, None]) * (_INPUT_STD / std)[None, None]

    @nn.nowrap
    def _embedded(self, x_GxNxD, filled_GxN, languages_G):
        """Positions added and the language appended: vectors, what is filled, and the spans."""
        config, layout = self.config, self.layout
        spans = spans_of(layout.widths, layout.tokens)
        small = nn.initializers.normal(_INPUT_STD)
        positions = self.param("positions", small, (config.max_slots, config.d_model))
        positions = positions.astype(x_GxNxD.dtype)
        language_Gx1x1xD = None
        if config.languages:
            table = self.param("languages", small, (config.languages, config.d_model))
            language_Gx1x1xD = table[languages_G][:, None, None].astype(x_GxNxD.dtype)
        vectors, filled = [], []
        for span in spans:
            x = by_token(x_GxNxD, span) + positions[: span.width][None, None]
            here = by_token(filled_GxN, span)
            if language_Gx1x1xD is not None:
                shape = (*x.shape[:2], 1, x.shape[-1])
                x = jnp.concatenate([x, jnp.broadcast_to(language_Gx1x1xD, shape)], axis=2)
                here = jnp.concatenate([here, jnp.ones((*here.shape[:2], 1), bool)], axis=2)
            vectors.append(x.reshape(x.shape[0], -1, x.shape[-1]))
            filled.append(here.reshape(here.shape[0], -1))
        extra = int(language_Gx1x1xD is not None)
        spans = spans_of(tuple(width + extra for width in layout.widths), layout.tokens)
        return jnp.concatenate(vectors, axis=1), jnp.concatenate(filled, axis=1), spans

    @nn.nowrap
    def _out(self, name, rows_GxTxD):
        if self.config.form == "residual":
            return rows_GxTxD
        shape = (self.config.d_model,)
        scale = self.param(f"{name}_scale_D", nn.initializers.ones, shape)
        shift = self.param(f"{name}_shift_D", nn.initializers.zeros, shape)
        return rows_GxTxD * scale[None, None] + shift[None, None]


def init(key: jax.Array, config: HypernetworkConfig, source: EmbeddingTable) -> dict[str, Any]:
    """Fresh parameters for the rows of `source`.

    Args:
      source: the table that pieces are looked up in; its means and standard deviations (and for
        zett's form those of predictions for 2,048 of its own tokens) set the frozen parameters.

    Raises:
      ValueError: if the table is not of the config's kind.
    """
    _check(config, source)
    weights_key, anchors_key = jax.random.split(key)
    layout = Layout(1, (1,), (1,), 1)
    columns = [source.input_VxD] + ([] if config.tied else [source.output_VxD])
    rows_VxI = jnp.concatenate(columns, axis=-1)
    languages = jnp.zeros(1, jnp.int32) if config.languages else None
    variables = Network(config, layout).init(
        weights_key, rows_VxI[None, :1], jnp.ones((1, 1), bool), languages
    )
    params = dict(variables["params"])
    params["in_mean_I"] = jnp.mean(rows_VxI, axis=0)
    params["in_std_I"] = jnp.maximum(jnp.std(rows_VxI, axis=0), _LEAST_STD)
    if config.form == "residual":
        return params
    count = min(_ANCHORS, rows_VxI.shape[0])
    ids_T = jax.random.permutation(anchors_key, rows_VxI.shape[0])[:count]
    anchors: Any = Network(config, Layout(1, (1,), (count,), 1)).apply(
        {"params": params}, rows_VxI[ids_T][None], jnp.ones((1, count), bool), languages
    )
    for name, rows_VxD in zip(config.outputs, columns, strict=True):
        spread = jnp.maximum(jnp.std(anchors[name][0], axis=0), _LEAST_STD)
        scale = jnp.std(rows_VxD, axis=0) / spread
        params[f"{name}_scale_D"] = scale
        params[f"{name}_shift_D"] = jnp.mean(rows_VxD, axis=0) - scale * jnp.mean(
            anchors[name][0], axis=0
        )
    return params


def apply(
    params: dict[str, Any],
    config: HypernetworkConfig,
    source: EmbeddingTable,
    packed: Packed,
    layout: Layout,
    languages_G: jax.Array | None = None,
    *,
    pool_early: bool = True,
) -> EmbeddingTable:
    """The predicted table, R rows in the order of `packing.pack`, float32.

    Rows without pieces hold finite numbers that mean nothing.

    Args:
      source: the source's table.
      packed: from `packing.pack` with this layout; G may be a device's part of the layout's.
      languages_G: int32, the language of each group, if the config has languages.
      pool_early: the last layer works on first slots alone, with the same result; False is there
        to be compared with.

    Raises:
      ValueError: if the table is not of the config's kind, or languages are missing.
    """
    _check(config, source)
    if config.languages and languages_G is None:
        raise ValueError("this hypernetwork needs to be told the language")
    packed = Packed(*map(split_groups, packed))
    spans = spans_of(layout.widths, layout.tokens)
    names = {"input": source.input_VxD, "output": source.output_VxD}
    sums = {name: _slot_sums(names[name], packed) for name in config.outputs}
    counts_GxN = packed.counts_GxN.astype(jnp.float32)
    means = [rows / jnp.maximum(counts_GxN, 1.0)[..., None] for rows in sums.values()]
    predicted: Any = Network(config, layout, pool_early).apply(
        {"params": params}, jnp.concatenate(means, axis=-1), packed.counts_GxN > 0, languages_G
    )
    if config.form == "residual":
        scale = config.alpha / math.sqrt(config.d_model)
        whole_GxT = jnp.maximum(token_sums(counts_GxN, spans), 1.0)
        for name in config.outputs:
            if config.residual == "mean":
                base = token_sums(sums[name], spans) / whole_GxT[..., None]
            else:
                base = _rows(names[name], first_slots(packed.ids_GxN, spans))
            predicted[name] = base + scale * predicted[name]
        if config.bias:
            summed = _slot_sums(source.bias_V[:, None], packed)
            predicted["bias"] += token_sums(summed, spans)[..., 0] / whole_GxT
    flat = {name: split_rows(rows.reshape(-1, *rows.shape[2:])) for name, rows in predicted.items()}
    return EmbeddingTable(flat["input"], flat.get("output"), flat.get("bias"))


def _slot_sums(rows_VxD: jax.Array, packed: Packed) -> jax.Array:
    """[G, N, D]: the sum of the rows of each slot's pieces; zero where it is empty."""
    sums = jnp.where((packed.counts_GxN > 0)[..., None], _rows(rows_VxD, packed.ids_GxN), 0.0)
    tails = _rows(rows_VxD, packed.tail_ids_GxM)
    add = jax.vmap(lambda sums, slots, rows: sums.at[slots].add(rows, mode="drop"))
    return add(sums, packed.tail_slots_GxM, tails)


def _rows(rows_VxD: jax.Array, ids: jax.Array) -> jax.Array:
    return jnp.take(rows_VxD, ids, axis=0, mode="fill").astype(jnp.float32)


def _check(config: HypernetworkConfig, source: EmbeddingTable) -> None:
    width = source.input_VxD.shape[-1]
    tied = source.output_VxD is None
    if width != config.d_model or tied != config.tied:
        kind = "tied" if tied else "untied"
        raise ValueError(f"a {kind} table of width {width} is not what {config} is for")
    if config.bias and source.bias_V is None:
        raise ValueError("the hypernetwork predicts a bias, and the table has none")


def flops(config: HypernetworkConfig, layout: Layout, *, pool_early: bool = True) -> int:
    """What the matrix products of `apply` cost forward, over the whole layout.

    A multiplication and an addition are two, as in `research.training.compile.matmul_flops`.
    """
    d, rows = config.d_model, layout.rows
    language = int(config.languages > 0)
    entered = layout.groups * layout.slots
    slots = entered + language * rows
    read = rows if pool_early else slots  # of the last layer
    pairs = read_pairs = 0  # of slots of a token; a single slot's attention needs no product
    for width, tokens in zip(layout.widths, layout.tokens, strict=True):
        width, tokens = width + language, layout.groups * tokens
        if width > 1:
            pairs += tokens * width**2
            read_pairs += tokens * (width if pool_early else width**2)
    enter = entered * (3 if config.tied else 4) * d**2
    layer = slots * (4 + 2 * config.ffn_factor) * d**2 + 2 * d * pairs
    last = (2 * slots + read * (2 + 2 * config.ffn_factor)) * d**2 + 2 * d * read_pairs
    heads = rows * (3 * len(config.outputs) * d**2 + int(config.bias) * (2 * d**2 + d))
    return 2 * (enter + (config.num_layers - 1) * layer + last + heads)
