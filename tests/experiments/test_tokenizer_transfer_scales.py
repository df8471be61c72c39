"""The gpu and paper configurations, lowered on eight devices without memory, as their records say.

A record line reads, of the table's base model and its hypernetwork's training step,

    gpu: model 57,936,384 parameters (25,165,824 kernels), network 5,257,728 parameters,
      12.3 TFLOPs a step, 120.0 MB a device
"""

import functools
import importlib
import math

import jax
import numpy as np
import pytest

from configs import tokenizer_transfer
from configs.tokenizer_transfer import presets
from experiments.shared import language_models
from experiments.tokenizer_transfer import hypernetworks
from research.models import language_model, sizes
from research.training import optimizers, parallelism, step
from research.training.compile import device_bytes, matmul_flops
from research.training.config import ParallelismConfig
from research.transfer.hypernet.loss import make_loss_fn
from research.transfer.hypernet.training import TRANSFER_RULES
from research.transfer.source_model import SourceModel
from research.vocabularies import hypernetwork
from research.vocabularies.protocol import EmbeddingTable

EIGHT = ParallelismConfig(kind="mesh")
TABLES = [name for name in tokenizer_transfer.TABLES if name != "amortization"]
CASES = [(name, scale) for name in TABLES for scale in ("gpu", "paper")]
# Pieces a token, about as the paper sheet has them: 2.4 in the mean, 1 % above 7.
SHARES = {1: 0.25, 2: 0.38, 3: 0.22, 4: 0.09, 5: 0.03, 6: 0.02, 8: 0.01}


def setting_of(name, scale):
    config = getattr(importlib.import_module(f"configs.tokenizer_transfer.{name}"), scale)()
    return config if isinstance(config, presets.TransferConfig) else config.setting


def layout_of(settings, groups):
    counts_T = np.repeat(
        list(SHARES), [round(share * settings.vocab_size) for share in SHARES.values()]
    )
    return hypernetwork.layout_for(
        [counts_T], rows=len(counts_T), max_slots=settings.slots, groups=groups, margin=0.1
    )


def abstract_batch(settings, layout, source):
    slots, tails = (layout.groups, layout.slots), (layout.groups, layout.tails)
    rows, text = (layout.groups, layout.rows // layout.groups), (
        settings.batch_size, settings.length,
    )  # fmt: skip
    shapes = {
        "ids_GxN": slots, "counts_GxN": slots, "tail_ids_GxM": tails, "tail_slots_GxM": tails,
        "copies_GxT": rows, "inputs_BxL": text, "targets_BxL": text,
    }  # fmt: skip
    batch = {name: jax.ShapeDtypeStruct(shape, np.int32) for name, shape in shapes.items()}
    for name, shape in (("offsets_GxT", rows), ("weights_BxL", text)):
        batch[name] = jax.ShapeDtypeStruct(shape, np.float32)
    return batch


@functools.cache
def lowered(setting):
    """Lowers a training step of the hypernetwork on eight devices; sizes and FLOPs."""
    settings = setting.hypernetwork
    mesh = parallelism.make_mesh(EIGHT)
    vocab_size = setting.tokenizer.vocab_size or setting.model.vocab_size
    model = language_models.model_config(setting.model, vocab_size + 2)
    model_shapes = jax.eval_shape(
        functools.partial(language_model.init, config=model), jax.random.key(0)
    )
    network = hypernetworks.network_of(settings, SourceModel(model_shapes, model, None))
    rows = jax.ShapeDtypeStruct((vocab_size + 2, model.trunk.d_model), np.float32)
    table = EmbeddingTable(rows, None if network.tied else rows)

    def init_fn(key):
        made = functools.partial(hypernetwork.init, config=network)
        return {
            "hypernetwork": jax.eval_shape(lambda k, t: made(k, source=t), key, table),
            "model": model_shapes,
        }

    shapes = init_fn(jax.random.key(0))
    zeros = functools.partial(
        jax.tree.map, lambda leaf: jax.numpy.zeros(leaf.shape, leaf.dtype), shapes
    )
    optimizer = optimizers.make_optimizer(settings.optimizer, settings.steps, TRANSFER_RULES)
    state = jax.eval_shape(
        lambda key: step.first_state(zeros(), optimizer, TRANSFER_RULES),
        jax.random.key(0),
    )
    shardings = step.state_shardings(state, EIGHT, mesh, TRANSFER_RULES)
    layout = layout_of(settings, mesh.size)
    loss_fn = make_loss_fn(model, network, layout, hypernetworks.loss_of(settings), data_shards=8)
    batch = abstract_batch(settings, layout, table)
    make = step.make_train_step(loss_fn, optimizer, EIGHT, mesh, shardings, TRANSFER_RULES)
    traced = make.trace(state, batch)
    assert "func.func public @main" in traced.lower().as_text()

    def entries(tree):
        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))

    return {
        "model": entries(shapes["model"]),
        "kernels": sizes.kernel_count(model.trunk),
        "network": entries(shapes["hypernetwork"]),
        "tflops": matmul_flops(traced.jaxpr) / 1e12,
        "device": device_bytes(state.params, shardings.params)
        + device_bytes(state.opt_state, shardings.opt_state),
    }


@pytest.mark.parametrize(("name", "scale"), CASES, ids=["-".join(case) for case in CASES])
def test_the_record_is_what_is_lowered(name, scale):
    found = lowered(setting_of(name, scale))
    line = (
        f"{scale}: model {found['model']:,} parameters ({found['kernels']:,} kernels),"
        f" network {found['network']:,} parameters, {found['tflops']:.2f} TFLOPs a step,"
        f" {found['device'] / 1e6:.0f} MB a device"
    )
    docstring = importlib.import_module(f"configs.tokenizer_transfer.{name}").__doc__
    assert line in " ".join(docstring.split())
