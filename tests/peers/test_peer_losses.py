"""The chunked softmax against torch's cross-entropy; top-k and top-p against transformers'."""

import jax
import numpy as np
import pytest
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from research.models import decoding
from research.vocabularies import cross_entropy
from research.vocabularies.protocol import EmbeddingTable

BATCH, LENGTH, D_MODEL, ROWS, VOCAB = 2, 7, 12, 40, 37


def test_loss_and_gradients():
    rng = np.random.default_rng(0)
    table_VxD, x_BxLxD = (
        rng.normal(size=shape).astype("f") for shape in ((ROWS, D_MODEL), (BATCH, LENGTH, D_MODEL))
    )
    targets_BxL = rng.integers(VOCAB, size=(BATCH, LENGTH)).astype("int32")
    weights_BxL = rng.integers(2, size=(BATCH, LENGTH)).astype("f")

    def mine(table, x):
        total, _ = cross_entropy.summed_loss(
            EmbeddingTable(table),
            x,
            targets_BxL,
            weights_BxL,
            vocab_size=VOCAB,
            z_loss=0.1,
            chunk_size=3,
        )
        return total

    total, gradients = jax.jit(jax.value_and_grad(mine, (0, 1)))(table_VxD, x_BxLxD)
    table, x = (torch.tensor(a, requires_grad=True) for a in (table_VxD, x_BxLxD))
    logits = (x @ table.T)[..., :VOCAB].reshape(-1, VOCAB)
    nats = torch.nn.functional.cross_entropy(
        logits, torch.tensor(targets_BxL).long().reshape(-1), reduction="none"
    )
    penalty = 0.1 * torch.logsumexp(logits, -1) ** 2
    peer = ((nats + penalty) * torch.tensor(weights_BxL).reshape(-1)).sum()
    peer.backward()
    np.testing.assert_allclose(total, peer.item(), rtol=1e-5)
    for ours, theirs in zip(gradients, (table.grad, x.grad), strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(("top_k", "top_p"), [(5, 1.0), (0, 0.6), (12, 0.9), (1, 0.01)])
def test_what_sampling_keeps(temperature, top_k, top_p):
    logits_BxV = np.random.default_rng(1).normal(size=(50, VOCAB)).astype("f") * 2
    scores = TemperatureLogitsWarper(temperature)(None, torch.tensor(logits_BxV))
    if top_k:
        scores = TopKLogitsWarper(top_k)(None, scores)
    if top_p < 1:
        scores = TopPLogitsWarper(top_p)(None, scores)
    lowest_B = np.asarray(decoding.cutoff(logits_BxV / temperature, top_k, top_p))
    kept = logits_BxV / np.float32(temperature) >= lowest_B[:, None]
    np.testing.assert_array_equal(kept, np.isfinite(scores.numpy()))
