"""Adafactor against transformers', AdamW and Muon against torch's, on the same gradients."""

import dataclasses
import math

import jax
import numpy as np
import optax
import pytest
import torch
from transformers.optimization import Adafactor

from research.testing.tiny import tiny_model
from research.training import optimizers, sharding_rules
from research.training.config import OptimizerConfig

STEPS = 6


def flat(tree):
    return {sharding_rules.name_of(path): x for path, x in jax.tree.leaves_with_path(tree)}


@pytest.fixture(scope="module")
def setting():
    """Parameters and gradients of some steps, of very different sizes."""
    params, _ = tiny_model(qk_norm=True)
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda x: rng.normal(size=x.shape).astype("f") * 0.3, params)
    gradients = [
        jax.tree.map(lambda x: (10.0 ** rng.integers(-4, 3) * rng.normal(size=x.shape)).astype("f"),
                     params)
        for _ in range(STEPS)
    ]  # fmt: skip
    return params, gradients


def ours(config, params, gradients):
    """name -> the parameter after all steps."""
    optimizer = optimizers.make_optimizer(dataclasses.replace(config, clip_norm=0.0), STEPS)
    state = optimizer.init(params)
    update = jax.jit(optimizer.update)
    for grads in gradients:
        updates, state = update(grads, state, params)
        params = optax.apply_updates(params, updates)
    return flat(params)


def theirs(make, params, gradients):
    """name -> the parameter after all steps; each matrix of each layer is one of the peer's.

    `make`: (torch parameter, rule) -> optimizer.
    """
    rules, result = flat(sharding_rules.match(params)), {}
    moved = [flat(grads) for grads in gradients]
    for name, value in flat(params).items():
        layered = rules[name].axes[0] == "layer"
        layers = []
        for n in range(len(value) if layered else 1):
            shape = _matrix_shape(rules[name], value[n].shape if layered else value.shape, layered)
            start = (value[n] if layered else value).reshape(shape)
            parameter = torch.nn.Parameter(torch.tensor(start))
            optimizer = make(parameter, rules[name])
            for grads in moved:
                gradient = grads[name][n] if layered else grads[name]
                parameter.grad = torch.tensor(gradient.reshape(shape))
                optimizer.step()
            layers.append(parameter.detach().numpy())
        result[name] = np.stack(layers).reshape(value.shape)
    return result


def _matrix_shape(rule, shape, layered):
    """Inputs x outputs of a kernel or table, else the shape as it is."""
    sides = [math.prod(shape[i - layered] for i in rule.indices(kind)) for kind in ("in", "out")]
    return tuple(sides) if rule.indices("in") else shape


def assert_same(mine, peers, **tolerance):
    assert mine.keys() == peers.keys()
    for name in mine:
        np.testing.assert_allclose(mine[name], peers[name], err_msg=name, **tolerance)


def test_adafactor(setting):
    config = OptimizerConfig(
        name="adafactor", learning_rate=0.02, schedule="constant", min_factored=1
    )

    def make(parameter, rule):
        # The peer factors whatever has two axes; position biases stay whole in ours.
        return Adafactor(
            [parameter],
            lr=0.02,
            eps=(1e-30, 1e-3),
            clip_threshold=1.0,
            decay_rate=-0.8,
            scale_parameter=True,
            relative_step=False,
        )

    params, gradients = setting
    mine, peers = ours(config, params, gradients), theirs(make, params, gradients)
    for whole in [name for name in mine if "position_bias" in name]:
        del mine[whole], peers[whole]
    assert_same(mine, peers, rtol=1e-5, atol=1e-6)


def test_adamw(setting):
    config = OptimizerConfig(learning_rate=0.02, schedule="constant", weight_decay=0.1)

    def make(parameter, rule):
        decay = 0.1 if rule.kernel else 0.0
        return torch.optim.AdamW(
            [parameter], lr=0.02, betas=(0.9, 0.98), eps=1e-8, weight_decay=decay
        )

    params, gradients = setting
    mine, peers = ours(config, params, gradients), theirs(make, params, gradients)
    assert_same(mine, peers, rtol=1e-4, atol=1e-5)


def test_muon_moves_kernels_the_same_way(setting):
    """torch iterates in bfloat16, so its steps are only nearly ours: same length, same way."""
    config = OptimizerConfig(name="muon", learning_rate=0.02, schedule="constant")

    def make(parameter, rule):
        if not rule.kernel:
            return torch.optim.AdamW([parameter], lr=0.02, betas=(0.9, 0.98), weight_decay=0.0)
        return torch.optim.Muon(
            [parameter], lr=0.02, momentum=0.95, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
        )

    params, gradients = setting
    mine, peers = ours(config, params, gradients[:1]), theirs(make, params, gradients[:1])
    rules, start = flat(sharding_rules.match(params)), flat(params)
    for name in mine:
        if not rules[name].kernel:
            continue
        step, peer = (np.ravel(after[name] - start[name]) for after in (mine, peers))
        cosine = step @ peer / np.linalg.norm(step) / np.linalg.norm(peer)
        assert cosine > 0.995, (name, cosine)
        assert 0.95 < np.linalg.norm(step) / np.linalg.norm(peer) < 1.05, name
