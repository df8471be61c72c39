"""Tables predicted by a network: each row from the source's pieces of the token's string.

    Pieces --packing--> slots --network--> EmbeddingTable of R rows

| module | what |
| --- | --- |
| config | `HypernetworkConfig`, the two forms |
| packing | tokens of like lengths side by side, in shapes that do not change |
| network | `init` and `apply`: source rows of the pieces -> predicted rows; `flops` |
| encoder | its layers, on tokens packed end to end, and where arrays live on several devices |

`predict` takes a whole vocabulary through the network, in chunks. Tokenizers and language models
are not known here: pieces and tables are arrays.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research.errors import FreevocabError
from research.vocabularies.hypernetwork.config import HypernetworkConfig
from research.vocabularies.hypernetwork.network import apply, init
from research.vocabularies.hypernetwork.packing import Layout, Packed, layout_for, pack
from research.vocabularies.protocol import EmbeddingTable

__all__ = ["HypernetworkConfig", "Layout", "Packed", "apply", "init", "layout_for", "pack",
           "predict"]


def predict(
    params: dict[str, Any],
    config: HypernetworkConfig,
    source: EmbeddingTable,
    pieces: Any,
    *,
    chunk: int = 8192,
    language: int = 0,
) -> EmbeddingTable:
    """Rows for tokens given by their pieces, float32 numpy, in the tokens' order.

    Every chunk has tokens of all lengths, in equal shares, so that one compiled layout serves all.

    Args:
      params, config: of the network.
      source: the table that the pieces index, numpy or JAX.
      pieces: `research.tokenizers.Pieces`. A token without pieces (a special one) takes the
        source's mean row, for the caller to replace.
      chunk: tokens at once; it changes speed and memory, not the result.
      language: of the tokenizer, if the config has languages.

    Raises:
      ValueError: if the table is not of the config's kind.
      FreevocabError: if a prediction is not finite.
    """
    counts_T = np.diff(pieces.start_T)
    ordinary_M = np.flatnonzero(counts_T)
    order_M = ordinary_M[np.argsort(counts_T[ordinary_M], kind="stable")]
    number = max(1, -(-len(order_M) // chunk))
    parts = [order_M[index::number] for index in range(number)]
    means = jax.tree.map(lambda rows: np.mean(np.asarray(rows, np.float32), axis=0), source)
    table = jax.tree.map(
        lambda mean: np.tile(mean, (len(counts_T),) + (1,) * mean.ndim).astype(np.float32),
        EmbeddingTable(means.input_VxD, means.output_VxD, means.bias_V if config.bias else None),
    )
    if not len(order_M):
        return table
    layout = layout_for(
        [counts_T[part] for part in parts],
        rows=len(parts[0]),
        max_slots=config.max_slots,
        margin=0.0,
    )
    on_device = jax.tree.map(jnp.asarray, source)
    languages_G = jnp.full(1, language, jnp.int32) if config.languages else None
    for part_M in parts:
        packed, row_M = pack(pieces.take(part_M), layout)
        rows = _apply(params, config, on_device, packed, layout, languages_G)
        for whole, some in zip(jax.tree.leaves(table), jax.tree.leaves(rows), strict=True):
            whole[part_M] = np.asarray(some)[row_M]
    if not all(np.isfinite(rows).all() for rows in jax.tree.leaves(table)):
        raise FreevocabError("the hypernetwork predicts rows that are not finite")
    return table


@functools.partial(jax.jit, static_argnums=(1, 4))
def _apply(params, config, source, packed, layout, languages_G):
    return apply(params, config, source, packed, layout, languages_G)
