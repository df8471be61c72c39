"""The first stage of zett's form: to predict the source's own rows from their own piece.

arXiv 2405.07883, section 3.3 ("MIMICK-style warm-up"): 10,000 steps of 16,384 random ids. The
residual form needs none: it starts there.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from research.vocabularies import hypernetwork, learned
from research.vocabularies.hypernetwork import HypernetworkConfig, Layout, Packed

_STREAM = 0x1D


def layout_of(tokens: int, groups: int) -> Layout:
    """One slot a token; `tokens` rounded up to equal groups."""
    return Layout(groups, (1,), (-(-tokens // groups),), 1)


def batches(
    vocab_size: int, layout: Layout, seed: int
) -> Callable[[int], dict[str, np.ndarray]]:
    """step -> random ids of the source, one a token, packed."""

    def batch_fn(step: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([seed, step, _STREAM])
        shape = (layout.groups, layout.slots)
        return Packed(
            rng.integers(0, vocab_size, shape).astype(np.int32),
            np.ones(shape, np.int32),
            np.zeros((layout.groups, layout.tails), np.int32),
            np.full((layout.groups, layout.tails), layout.slots, np.int32),
        )._asdict()

    return batch_fn


def make_loss_fn(network: HypernetworkConfig, layout: Layout) -> Callable[[Any, Any], Any]:
    """loss_fn(params, batch): squared distances to the source's rows, summed over D and tokens,
    the mean of input and output. params: {'hypernetwork', 'model': {'vocabulary'}}."""

    def loss_fn(params, batch):
        source = learned.table(params["model"]["vocabulary"])
        packed = Packed(*(batch[name] for name in Packed._fields))
        languages_G = None
        if network.languages:
            languages_G = jnp.zeros(packed.ids_GxN.shape[0], jnp.int32)
        made = hypernetwork.apply(
            params["hypernetwork"], network, source, packed, layout, languages_G
        )
        ids_R = packed.ids_GxN.reshape(-1)
        total, parts = 0.0, 0
        for rows_RxD, rows_VxD in zip(made[:2], source[:2], strict=True):
            if rows_RxD is not None:
                wanted = jnp.take(rows_VxD, ids_R, axis=0, mode="fill")
                total, parts = total + jnp.sum(jnp.square(rows_RxD - wanted)), parts + 1
        if network.bias:
            wanted_R = jnp.take(source.bias_V, ids_R, mode="fill")
            total += jnp.sum(jnp.square(made.bias_V - wanted_R))
        return total / parts, {"tokens": jnp.asarray(ids_R.size, jnp.float32)}

    return loss_fn
