import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.extend.core import ClosedJaxpr, Jaxpr
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from research.models import language_model
from research.testing.tiny import tiny_config
from research.vocabularies import cross_entropy
from research.vocabularies.protocol import EmbeddingTable

BATCH, LENGTH, WIDTH, ROWS, REAL = 2, 7, 8, 24, 21


def plain_losses(table, x_BxLxD, targets_BxL, vocab_size=REAL):
    """The whole [B, L, V] at once."""
    logits = jnp.einsum("bld,vd->blv", x_BxLxD, table.readout_VxD)
    if table.bias_V is not None:
        logits += table.bias_V[None, None]
    logits = logits[:, :, :vocab_size]
    log_z = jax.nn.logsumexp(logits, axis=-1)
    target = jnp.take_along_axis(logits, targets_BxL[:, :, None], axis=-1)[:, :, 0]
    correct = (jnp.argmax(logits, axis=-1) == targets_BxL).astype(jnp.float32)
    return cross_entropy.TokenLosses(log_z - target, log_z, correct)


def case(seed=0, bias=True):
    keys = jax.random.split(jax.random.key(seed), 5)
    table = EmbeddingTable(
        jax.random.normal(keys[0], (ROWS, WIDTH)),
        None,
        jax.random.normal(keys[1], (ROWS,)) if bias else None,
    )
    x_BxLxD = jax.random.normal(keys[2], (BATCH, LENGTH, WIDTH))
    targets_BxL = jax.random.randint(keys[3], (BATCH, LENGTH), 0, REAL)
    weights_BxL = jax.random.uniform(keys[4], (BATCH, LENGTH)).at[1, 4:].set(0)
    return table, x_BxLxD, targets_BxL, weights_BxL


@pytest.mark.parametrize("chunk_size", [None, 1, 3])
def test_values_and_gradients_are_the_plain_ones(chunk_size):
    table, x_BxLxD, targets_BxL, weights_BxL = case()
    z_loss = 0.01

    def total(losses):
        return jnp.sum(weights_BxL * (losses.nats_BxL + z_loss * losses.log_z_BxL**2)), losses

    def plain(table, x_BxLxD):
        return total(plain_losses(table, x_BxLxD, targets_BxL))

    def chunked(table, x_BxLxD):
        return total(
            cross_entropy.token_losses(
                table, x_BxLxD, targets_BxL, vocab_size=REAL, chunk_size=chunk_size
            )
        )

    def summed(data_shards):
        return lambda table, x_BxLxD: cross_entropy.summed_loss(
            table,
            x_BxLxD,
            targets_BxL,
            weights_BxL,
            vocab_size=REAL,
            z_loss=z_loss,
            chunk_size=chunk_size,
            data_shards=data_shards,
        )

    functions = (plain, chunked, summed(1), summed(2))
    gradients = [jax.value_and_grad(f, argnums=(0, 1), has_aux=True) for f in functions]
    want, *others = jax.jit(lambda *args: [g(*args) for g in gradients])(table, x_BxLxD)
    for other in others:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), want, other)
    # Padded ids get no gradient at all.
    assert not np.asarray(others[1][1][0].input_VxD[REAL:]).any()


@settings(max_examples=5, deadline=None, derandomize=True)
@given(st.integers(1, REAL), st.integers(0, 2**31 - 1))
def test_vocab_size_may_be_traced(vocab_size, seed):
    table, x_BxLxD, targets_BxL, _ = case(seed, bias=False)
    targets_BxL %= vocab_size
    got = _traced(table, x_BxLxD, targets_BxL, vocab_size)
    want = plain_losses(table, x_BxLxD, targets_BxL, vocab_size)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), got, want)


@jax.jit
def _traced(table, x_BxLxD, targets_BxL, vocab_size):
    return cross_entropy.token_losses(
        table, x_BxLxD, targets_BxL, vocab_size=vocab_size, chunk_size=2
    )


def test_a_table_of_its_own_for_every_sequence():
    table, x_BxLxD, targets_BxL, _ = case(bias=False)
    tables_BxVxD = jnp.stack([table.input_VxD, table.input_VxD[::-1]])
    losses = cross_entropy.token_losses(
        EmbeddingTable(tables_BxVxD), x_BxLxD, targets_BxL, vocab_size=ROWS, chunk_size=3
    )
    want = plain_losses(EmbeddingTable(table.input_VxD[::-1]), x_BxLxD, targets_BxL, ROWS)
    np.testing.assert_allclose(losses.nats_BxL[1], want.nats_BxL[1], atol=1e-5)


def test_huge_logits_stay_finite():
    table, x_BxLxD, targets_BxL, weights_BxL = case()
    total, losses = cross_entropy.summed_loss(
        table, x_BxLxD * 1e4, targets_BxL, weights_BxL, vocab_size=REAL, chunk_size=4
    )
    assert np.isfinite(total) and np.isfinite(losses.nats_BxL).all()
    assert float(losses.nats_BxL.min()) >= 0


def test_the_batch_must_divide():
    with pytest.raises(ValueError, match="data_shards=3"):
        cross_entropy.summed_loss(*case(), vocab_size=REAL, data_shards=3)


def shapes_in(jaxpr, found):
    """Shapes of everything computed in a jaxpr and in those inside it."""
    for equation in jaxpr.eqns:
        found.update(getattr(variable.aval, "shape", ()) for variable in equation.outvars)
        for value in jax.tree.leaves(equation.params):
            if isinstance(value, ClosedJaxpr | Jaxpr):
                shapes_in(getattr(value, "jaxpr", value), found)
    return found


@pytest.mark.parametrize("way", ["summed_loss", "token_losses"])
def test_logits_of_the_batch_never_exist(way):
    """V = 65,536: traced only, forward and backward."""
    config = tiny_config(65_538)
    params = jax.eval_shape(lambda key: language_model.init(key, config), jax.random.key(0))
    ids = jax.ShapeDtypeStruct((4, 64), jnp.int32)
    batch = {"inputs_BxL": ids, "targets_BxL": ids}

    def loss(params, batch):
        if way == "summed_loss":
            return language_model.loss(params, config, batch, chunk_size=8)[0]
        return jnp.sum(language_model.token_losses(params, config, batch, chunk_size=8).nats_BxL)

    found = shapes_in(jax.make_jaxpr(jax.value_and_grad(loss))(params, batch).jaxpr, set())
    rows = config.rows
    assert (4, 8, rows) in found
    largest = max(int(np.prod(shape)) for shape in found if rows in shape)
    assert largest == 4 * 8 * rows


def test_a_sharded_vocabulary_stays_sharded():
    """The compiled training step on 2 x 4 devices: what is communicated, and how large it is."""
    mesh = jax.make_mesh((2, 4), ("data", "model"), axis_types=(AxisType.Auto,) * 2)
    config = tiny_config(1020, num_layers=1)
    rows, width = config.rows, config.trunk.d_model
    assert rows == 1024

    def abstract(path, leaf):
        spec = PartitionSpec("model") if path[-1].key.endswith("VxD") else PartitionSpec()
        sharding = NamedSharding(mesh, spec)
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

    params = jax.eval_shape(lambda key: language_model.init(key, config), jax.random.key(0))
    params = jax.tree_util.tree_map_with_path(abstract, params)
    ids = jax.ShapeDtypeStruct(
        (8, 12), jnp.int32, sharding=NamedSharding(mesh, PartitionSpec("data"))
    )
    batch = {"inputs_BxL": ids, "targets_BxL": ids}

    def loss(params, batch):
        total, _ = language_model.loss(
            params, config, batch, z_loss=1e-4, chunk_size=4, data_shards=2
        )
        return total

    shardings = jax.tree.map(lambda leaf: leaf.sharding, params)
    gradient = jax.jit(jax.grad(loss), out_shardings=shardings)
    text = gradient.lower(params, batch).compile().as_text()
    assert not re.search(r"\w\[[\d,]*\b1024\b", text), "something as large as V on one device"
    assert "all-gather" not in text and "all-to-all" not in text
    # The gradients of both tables are added over 'data' once, after the loop over chunks.
    loops, entry = text.split("\nENTRY ")
    shard = rf"f32\[({rows // 4},{width}|{width},{rows // 4})\]"
    added = lambda part: sum(  # noqa: E731
        len(re.findall(shard, line.split("all-reduce(")[0]))
        for line in part.splitlines()
        if "all-reduce(" in line
    )
    assert added(entry) == 2 and added(loops) == 0
