"""Two models for the tests of training: a bigram table that compiles at once, and a tiny trunk."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

ROWS, WIDTH, BATCH, LENGTH = 64, 8, 16, 8


class Model(NamedTuple):
    init: Any
    loss: Any
    batch: Any


def make_batch(step: int, vocab_size: int = 60) -> dict[str, np.ndarray]:
    """A pure function of the step; devices get very different numbers of counted tokens."""
    generator = np.random.default_rng([7, step])
    # Few ids, unevenly: something to learn.
    ids_BxM = generator.zipf(1.5, (BATCH, LENGTH + 1)).astype(np.int64) % vocab_size
    kept = np.linspace(0.1, 1.0, BATCH)[:, None]
    return {
        "inputs_BxL": ids_BxM[:, :-1].astype(np.int32),
        "targets_BxL": ids_BxM[:, 1:].astype(np.int32),
        "weights_BxL": (generator.random((BATCH, LENGTH)) < kept).astype(np.float32),
    }


def bigram_init(key):
    normal = functools.partial(jax.random.normal, shape=(ROWS, WIDTH))
    names = ("input_VxD", "output_VxD")
    keys = jax.random.split(key, len(names))
    return {"vocabulary": {name: normal(keys[i]) for i, name in enumerate(names)}}


def bigram_loss(params, batch):
    table = params["vocabulary"]
    x_BxLxD = jnp.take(table["input_VxD"], batch["inputs_BxL"], axis=0, mode="fill")
    logits_BxLxV = jnp.einsum("bld,vd->blv", x_BxLxD, table["output_VxD"])
    hit_BxLxV = jnp.arange(ROWS)[None, None] == batch["targets_BxL"][..., None]
    target_BxL = jnp.sum(jnp.where(hit_BxLxV, logits_BxLxV, 0.0), axis=-1)
    nats_BxL = jax.nn.logsumexp(logits_BxLxV, axis=-1) - target_BxL
    weights_BxL = batch["weights_BxL"]
    return jnp.sum(weights_BxL * nats_BxL), {"tokens": jnp.sum(weights_BxL)}


@pytest.fixture(scope="session")
def bigram() -> Model:
    """A softmax over pairs of ids; compiles in half a second."""
    return Model(bigram_init, bigram_loss, make_batch)


def transformer_model() -> Model:
    """A real, tiny language model with z-loss and a chunked readout."""
    from research.models import language_model
    from research.testing.tiny import tiny_config

    config = tiny_config(vocab_size=60, num_heads=4, head_dim=4)

    def loss(params, batch):
        return language_model.loss(params, config, batch, z_loss=1e-4, chunk_size=4)

    return Model(functools.partial(language_model.init, config=config), loss, make_batch)


@pytest.fixture(scope="session")
def transformer() -> Model:
    """See transformer_model, which a process of its own can call too."""
    return transformer_model()


def largest_difference(a, b) -> float:
    """Over two trees of arrays of one structure."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return max(float(np.max(np.abs(np.asarray(x) - np.asarray(y)))) for x, y in pairs)


def bit_equal(a, b) -> bool:
    """Over two trees of arrays of one structure."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(np.asarray(x), np.asarray(y)) for x, y in pairs)


class Compare(NamedTuple):
    largest_difference: Any
    bit_equal: Any


@pytest.fixture(scope="session")
def compare() -> Compare:
    """Comparisons of trees of arrays."""
    return Compare(largest_difference, bit_equal)
