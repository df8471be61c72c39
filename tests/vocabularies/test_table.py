import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from research.vocabularies import learned
from research.vocabularies.protocol import EmbeddingTable, embed, readout

ROWS_VxD = jax.random.normal(jax.random.key(0), (12, 4))
IDS = jnp.asarray([[0, 11, 3], [5, 5, 7]])


def test_embed_looks_up_rows():
    np.testing.assert_array_equal(embed(EmbeddingTable(ROWS_VxD), IDS), np.asarray(ROWS_VxD)[IDS])
    np.testing.assert_array_equal(
        embed(EmbeddingTable(ROWS_VxD), IDS[0]), np.asarray(ROWS_VxD)[IDS[0]]
    )
    assert np.isnan(embed(EmbeddingTable(ROWS_VxD), jnp.asarray([[12]]))).all()


def test_readout_uses_the_output_rows_and_the_bias():
    x_BxLxD = jax.random.normal(jax.random.key(1), (2, 3, 4))
    tied = readout(EmbeddingTable(ROWS_VxD), x_BxLxD)
    np.testing.assert_allclose(tied, np.asarray(x_BxLxD) @ np.asarray(ROWS_VxD).T, atol=1e-6)
    bias_V = jnp.arange(12.0)
    untied = readout(EmbeddingTable(ROWS_VxD, 2 * ROWS_VxD, bias_V), x_BxLxD)
    np.testing.assert_allclose(untied, 2 * tied + bias_V[None, None], atol=1e-5)
    np.testing.assert_allclose(
        readout(EmbeddingTable(ROWS_VxD), x_BxLxD[:, 0]), tied[:, 0], atol=1e-6
    )
    narrow = readout(EmbeddingTable(ROWS_VxD), x_BxLxD.astype(jnp.bfloat16))
    assert narrow.dtype == jnp.float32
    np.testing.assert_allclose(narrow, tied, atol=0.1)


def test_a_table_per_sequence():
    tables = EmbeddingTable(jnp.stack([ROWS_VxD, -ROWS_VxD]))
    vectors = embed(tables, IDS)
    np.testing.assert_array_equal(vectors[0], np.asarray(ROWS_VxD)[IDS[0]])
    np.testing.assert_array_equal(vectors[1], -np.asarray(ROWS_VxD)[IDS[1]])
    logits = readout(tables, vectors)
    np.testing.assert_allclose(logits[1], readout(EmbeddingTable(-ROWS_VxD), vectors)[1], atol=1e-6)


@pytest.mark.parametrize("tied", [True, False])
def test_learned_tables(tied):
    params = learned.init(jax.random.key(0), 512, 64, tied=tied)
    assert sorted(params) == (["input_VxD"] if tied else ["input_VxD", "output_VxD"])
    for rows in params.values():
        assert rows.shape == (512, 64) and rows.dtype == jnp.float32
        assert float(jnp.std(rows)) == pytest.approx(1 / 8, rel=0.05)
    table = learned.table(params)
    assert table.bias_V is None and (table.output_VxD is None) == tied
    if not tied:
        assert not np.allclose(table.input_VxD, table.output_VxD)


def test_lookup_in_a_sharded_table_moves_no_rows():
    mesh = jax.make_mesh((2, 4), ("data", "model"), axis_types=(AxisType.Auto,) * 2)
    by_rows = NamedSharding(mesh, PartitionSpec("model"))
    by_batch = NamedSharding(mesh, PartitionSpec("data"))
    rows_VxD = jax.random.normal(jax.random.key(0), (1024, 8))
    ids_BxL = jax.random.randint(jax.random.key(1), (4, 6), 0, 1024)
    slope_BxLxD = jax.random.normal(jax.random.key(2), (4, 6, 8))

    def both(rows_VxD, ids_BxL, slope_BxLxD):
        vectors, back = jax.vjp(lambda rows: embed(EmbeddingTable(rows), ids_BxL), rows_VxD)
        return vectors, back(slope_BxLxD)[0]

    sharded = jax.jit(both, out_shardings=(by_batch, by_rows))
    arguments = (
        jax.device_put(rows_VxD, by_rows),
        jax.device_put(ids_BxL, by_batch),
        jax.device_put(slope_BxLxD, by_batch),
    )
    for got, want in zip(sharded(*arguments), both(rows_VxD, ids_BxL, slope_BxLxD), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5)
    text = sharded.lower(*arguments).compile().as_text()
    assert "all-reduce" in text and "all-gather" not in text
    assert not re.search(r"f32\[[\d,]*\b1024\b", text)
