import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.errors import FreevocabError
from research.training import loop, parallelism
from research.training.compile import compile_step
from research.training.config import OptimizerConfig, ParallelismConfig, TrainConfig
from research.training.step import make_evaluator

MESH_4X2 = ParallelismConfig("mesh", data=4, model=2)


def prepare(model, parallel, loss=None, **options):
    config = TrainConfig(steps=5, parallelism=parallel, **options)
    return compile_step(loss or model.loss, model.init, model.batch(0), config)


def one_step(model, parallel, **options):
    compiled = prepare(model, parallel, **options)
    batch = parallelism.put_batch(parallel, compiled.mesh, model.batch(0))
    return compiled.step(compiled.init(0), batch)


@pytest.mark.parametrize(
    "parallel", [ParallelismConfig(), MESH_4X2, ParallelismConfig("pmap")], ids=lambda c: c.kind
)
def test_the_loss_is_all_nats_over_all_tokens(parallel, bigram):
    """And not a mean of means over devices, whose numbers of tokens differ widely here."""
    params = bigram.init(jax.random.key(0))
    batch = bigram.batch(0)

    def mean_loss(params):
        nats, sums = bigram.loss(params, batch)
        return nats / sums["tokens"]

    value, grads = jax.value_and_grad(mean_loss)(params)
    norm = np.sqrt(sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(grads)))
    state, metrics = one_step(bigram, parallel)
    assert float(metrics["tokens"]) == batch["weights_BxL"].sum()
    np.testing.assert_allclose(metrics["nats"] / metrics["tokens"], value, rtol=1e-6)
    np.testing.assert_allclose(metrics["grad_norm"], norm, rtol=1e-6)
    assert int(state.step) == 1


def test_a_batch_without_tokens_changes_nothing_but_the_count(bigram):
    compiled = prepare(bigram, ParallelismConfig())
    batch = {**bigram.batch(0), "weights_BxL": np.zeros_like(bigram.batch(0)["weights_BxL"])}
    before = jax.device_get(compiled.init(0).params)
    placed = parallelism.put_batch(ParallelismConfig(), compiled.mesh, batch)
    state, metrics = compiled.step(compiled.init(0), placed)
    assert float(metrics["nats"]) == 0.0
    jax.tree.map(np.testing.assert_array_equal, before, jax.device_get(state.params))


def test_one_trace_however_many_steps(bigram):
    traces = []

    def counted(params, batch):
        traces.append(1)
        return bigram.loss(params, batch)

    for parallel in (ParallelismConfig(), MESH_4X2, ParallelismConfig("pmap")):
        compiled = prepare(bigram, parallel, loss=counted)
        before = len(traces)
        config = TrainConfig(steps=5, parallelism=parallel)
        loop.train(
            counted, bigram.init, bigram.batch, config, None, compiled=compiled, log=str
        )
        assert len(traces) == before
    assert len(traces) <= 2 * 3  # the step, and the forward pass that counts FLOPs


def test_the_state_is_donated(bigram):
    compiled = prepare(bigram, MESH_4X2)
    state = compiled.init(0)
    compiled.step(state, parallelism.put_batch(MESH_4X2, compiled.mesh, bigram.batch(0)))
    leaves = jax.tree.leaves(state.params)
    assert leaves and all(leaf.is_deleted() for leaf in leaves)


def test_evaluation_sums_equal_the_loss_function_s(bigram):
    params = bigram.init(jax.random.key(0))
    nats = tokens = 0.0
    for number in range(11):  # more than are in flight
        part, sums = bigram.loss(params, bigram.batch(number))
        nats, tokens = nats + float(part), tokens + float(sums["tokens"])
    for parallel in (ParallelismConfig(), MESH_4X2, ParallelismConfig("pmap")):
        mesh = parallelism.make_mesh(parallel)
        evaluate = make_evaluator(bigram.loss, parallel, mesh, params)
        sums = evaluate(params, (bigram.batch(number) for number in range(11)), 12345)
        np.testing.assert_allclose(sums.nats, nats, rtol=1e-6)
        assert (sums.tokens, sums.bytes) == (tokens, 12345)
        np.testing.assert_allclose(sums.bits_per_byte, nats / np.log(2) / 12345, rtol=1e-6)


def test_a_parameter_without_a_rule_stops_every_kind(bigram):
    def init(key):
        return {**bigram.init(key), "novel": jnp.zeros((3,))}

    for parallel in (ParallelismConfig(), MESH_4X2, ParallelismConfig("pmap")):
        config = TrainConfig(steps=1, parallelism=parallel, optimizer=OptimizerConfig())
        with pytest.raises(FreevocabError, match="novel matches 0 rules"):
            compile_step(bigram.loss, init, bigram.batch(0), config)
