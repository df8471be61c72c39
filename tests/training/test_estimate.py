import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import language_model, sizes
from research.testing.tiny import tiny_config
from research.training import parallelism
from research.training.compile import compile_step, matmul_flops
from research.training.config import ParallelismConfig, TrainConfig


def flops(function, *arguments):
    return matmul_flops(jax.make_jaxpr(function)(*arguments))


A = np.ones((3, 4), np.float32)
B = np.ones((4, 5), np.float32)


def test_a_product_costs_two_operations_for_each_pair():
    assert flops(jnp.matmul, A, B) == 2 * 3 * 4 * 5
    assert flops(lambda a: jnp.einsum("bij,bkj->bik", a, a), np.ones((7, 3, 4))) == 2 * 7 * 9 * 4


def test_loops_count_every_turn():
    def scanned(a):
        return jax.lax.scan(lambda carry, _: (carry @ np.eye(4, dtype=np.float32), None), a,
                            length=10)[0]

    assert flops(jax.jit(scanned), A) == 10 * 2 * 3 * 4 * 4


def test_the_dearest_branch_counts():
    def chosen(flag, a):
        return jax.lax.cond(flag, lambda a: a @ B @ B.T, lambda a: a, a)

    assert flops(chosen, True, A) == 2 * 2 * 3 * 4 * 5


def test_gradients_cost_twice_the_product_and_recomputation_once_more():
    def loss(a, b):
        return jnp.sum(jnp.tanh(a @ b) ** 2)

    assert flops(jax.grad(loss, argnums=(0, 1)), A, B) == 3 * 2 * 3 * 4 * 5
    again = jax.checkpoint(loss)
    assert flops(jax.grad(again, argnums=(0, 1)), A, B) == 4 * 2 * 3 * 4 * 5


def test_all_devices_of_a_shard_map_count():
    mesh = parallelism.make_mesh(ParallelismConfig("mesh"))
    spec = jax.sharding.PartitionSpec("data")
    mapped = jax.shard_map(lambda a: a @ B, mesh=mesh, in_specs=spec, out_specs=spec)
    assert flops(mapped, np.ones((24, 4), np.float32)) == 2 * 24 * 4 * 5


@pytest.mark.parametrize("remat", [False, True])
def test_a_language_model_s_forward_pass(remat):
    """2 FLOPs a token for each kernel entry and readout row, and attention's two products."""
    config = tiny_config(vocab_size=60, remat=remat, positions="rotary")
    shapes = jax.eval_shape(lambda key: language_model.init(key, config), jax.random.key(0))
    batch, length = 4, 8
    ids = jax.ShapeDtypeStruct((batch, length), jnp.int32)
    counted = flops(
        lambda params, batch: language_model.loss(params, config, batch),
        shapes,
        {"inputs_BxL": ids, "targets_BxL": ids},
    )
    trunk = config.trunk
    kernels = sizes.kernel_count(trunk) + config.rows * trunk.d_model
    attention = trunk.num_layers * 2 * 2 * length * trunk.num_heads * trunk.head_dim
    assert counted == batch * length * (2 * kernels + attention)


def test_memory_and_flops_of_a_prepared_step(bigram):
    results = {}
    for kind in ("single", "mesh", "pmap"):
        model = 2 if kind == "mesh" else 1
        config = TrainConfig(steps=1, parallelism=ParallelismConfig(kind, model=model))
        compiled = compile_step(bigram.loss, bigram.init, bigram.batch(0), config)
        results[kind] = compiled.estimate
    table = 64 * 8 * 4
    assert {kind: e.params_bytes for kind, e in results.items()} == {
        "single": 2 * table,
        "mesh": 2 * table // 2,
        "pmap": 2 * table,
    }
    counts = 2 * 4  # two int32 counters of optax
    assert results["single"].optimizer_bytes == 4 * table + counts
    assert results["mesh"].optimizer_bytes == 4 * table // 8 + counts
    for one in results.values():
        assert one.params == 2 * 64 * 8
        assert one.tokens == 16 * 8
        assert one.model_flops == 3 * 2 * 16 * 8 * 8 * 64
        assert one.hardware_flops == one.model_flops
        assert one.activation_bytes > 0
