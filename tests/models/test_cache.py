import dataclasses

import jax
import numpy as np

from research.models import decoding
from research.models.cache import init_cache
from research.testing.tiny import tiny_model

step = jax.jit(decoding.step_logits, static_argnums=1)


def run(params, config, ids_BxL):
    cache = init_cache(config.trunk, len(ids_BxL), 8)
    for ids_B in ids_BxL.T:
        logits_BxV, cache = step(params, config, ids_B, cache)
    return np.asarray(logits_BxV), cache


def test_a_row_has_the_same_bits_in_every_batch():
    params, config = tiny_model(d_model=64, head_dim=32, mlp_dim=256)
    invariant = dataclasses.replace(
        config, trunk=dataclasses.replace(config.trunk, row_invariant=True)
    )
    row = np.asarray([[3, 1, 4]], np.int32)
    alone, _ = run(params, invariant, row)
    others = np.random.default_rng(0).integers(0, 32, (16, 3)).astype(np.int32)
    for place in (0, 7, 16):
        batch = np.insert(others, place, row, axis=0)
        together, cache = run(params, invariant, batch)
        np.testing.assert_array_equal(together[place], alone[0])
    usual, usual_cache = run(params, config, batch)
    np.testing.assert_allclose(together, usual, atol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), cache, usual_cache)
