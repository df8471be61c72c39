"""T5's buckets and Llama's rotary embedding, as transformers computes them."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb
from transformers.models.t5.modeling_t5 import T5Attention

from research.models import positions


@pytest.mark.parametrize(("buckets", "farthest"), [(32, 128), (8, 20), (64, 1000), (32, 129)])
@pytest.mark.parametrize("causal", [True, False])
def test_buckets(buckets, farthest, causal):
    relative = np.arange(-2 * farthest, 2 * farthest, dtype=np.int32)
    ours = np.asarray(positions.bucket(relative, causal, buckets, farthest))
    theirs = T5Attention._relative_position_bucket(
        torch.tensor(relative), not causal, buckets, farthest
    ).numpy()
    assert theirs.max() == buckets - 1
    np.testing.assert_array_equal(ours, theirs)


def test_rotary_embedding():
    heads, head_dim, base = 3, 10, 10000.0
    rng = np.random.default_rng(0)
    x_BxLxHxK = rng.normal(size=(2, 9, heads, head_dim)).astype("float32")
    positions_BxL = rng.integers(0, 3000, size=(2, 9)).astype("int32")
    config = LlamaConfig(
        hidden_size=heads * head_dim,
        num_attention_heads=heads,
        rope_parameters={"rope_type": "default", "rope_theta": base},
    )
    x = torch.tensor(x_BxLxHxK).transpose(1, 2)
    cosine, sine = LlamaRotaryEmbedding(config)(x, torch.tensor(positions_BxL).long())
    theirs, _ = apply_rotary_pos_emb(x, x, cosine, sine)
    ours = positions.rotate(x_BxLxHxK, positions_BxL, base)
    # float32 angles of some thousand radians are exact to about 1e-4
    np.testing.assert_allclose(ours, theirs.transpose(1, 2).numpy(), atol=1e-3)
