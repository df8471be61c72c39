"""Our trunk against transformers' T5, Llama and Qwen3, with our parameters in their modules.

Every parameter is moved away from where it starts, so that none can be ignored unseen. What
differs by design is in the mapping: T5 does not divide scores by sqrt(K), so its query matrix is
ours divided by it; T5 has one table of position biases, ours one per layer, here the same.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaModel, Qwen3Config, Qwen3Model, T5Config
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.t5.modeling_t5 import T5LayerNorm, T5Stack

from research.models import transformer
from research.models.layers import RMSNorm
from research.testing.tiny import tiny_trunk_config

apply = jax.jit(transformer.apply, static_argnums=1)
LENGTH, BATCH = 40, 3


def parameters(config):
    noise = np.random.default_rng(7)
    params = jax.jit(transformer.init, static_argnums=1)(jax.random.key(0), config)
    return jax.tree.map(
        lambda leaf: np.asarray(leaf) + 0.1 * noise.normal(size=leaf.shape).astype("float32"),
        params,
    )


def inputs(config):
    return np.random.default_rng(1).normal(size=(BATCH, LENGTH, config.d_model)).astype("float32")


def matrix(kernel, inputs_axes=1):
    """[inputs..., outputs...] as torch.nn.Linear keeps it: [outputs, inputs]."""
    size = int(np.prod(kernel.shape[:inputs_axes]))
    return torch.tensor(np.ascontiguousarray(kernel.reshape(size, -1).T))


def fill(module, tensors):
    """Loads `tensors`; the only parameters that may keep their own values are unused."""
    missing, unexpected = module.load_state_dict(tensors, strict=False)
    unused = ("embed_tokens", "EncDecAttention", "layer.1.layer_norm", "shared")
    assert not unexpected
    assert [name for name in missing if not any(part in name for part in unused)] == []
    return module.eval()


def t5_stack(params, config, *, causal):
    """A T5 stack without cross attention; in a decoder it stands there unused as layer 1."""
    t5_config = T5Config(
        vocab_size=8,
        d_model=config.d_model,
        d_kv=config.head_dim,
        d_ff=config.mlp_dim,
        num_layers=config.num_layers,
        num_heads=config.num_heads,
        relative_attention_num_buckets=config.num_buckets,
        relative_attention_max_distance=config.max_distance,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        is_decoder=causal,
        use_cache=False,
    )
    layers = params["layers"]
    attention, mlp = layers["attention"], layers["mlp"]
    tensors = {"final_layer_norm.weight": torch.tensor(params["final_norm"]["scale"])}
    first = "block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    tensors[first] = torch.tensor(attention["position_bias"][0].T.copy())
    for n in range(config.num_layers):
        mine, feed = f"block.{n}.layer.0", f"block.{n}.layer.{2 if causal else 1}"
        query = attention["query"]["kernel"][n] / np.sqrt(config.head_dim)
        tensors |= {
            f"{mine}.layer_norm.weight": torch.tensor(layers["attention_norm"]["scale"][n]),
            f"{mine}.SelfAttention.q.weight": matrix(query),
            f"{mine}.SelfAttention.k.weight": matrix(attention["key"]["kernel"][n]),
            f"{mine}.SelfAttention.v.weight": matrix(attention["value"]["kernel"][n]),
            f"{mine}.SelfAttention.o.weight": matrix(attention["out"]["kernel"][n], 2),
            f"{feed}.layer_norm.weight": torch.tensor(layers["mlp_norm"]["scale"][n]),
            f"{feed}.DenseReluDense.wi_0.weight": matrix(mlp["gate"]["kernel"][n]),
            f"{feed}.DenseReluDense.wi_1.weight": matrix(mlp["up"]["kernel"][n]),
            f"{feed}.DenseReluDense.wo.weight": matrix(mlp["down"]["kernel"][n]),
        }
    return fill(T5Stack(t5_config), tensors)


def llama(params, config):
    """Llama, or with QK-norm Qwen3: rotary positions, SiLU, grouped heads."""
    build = (Qwen3Config, Qwen3Model) if config.qk_norm else (LlamaConfig, LlamaModel)
    theirs = build[0](
        vocab_size=8,
        hidden_size=config.d_model,
        intermediate_size=config.mlp_dim,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.kv_heads,
        head_dim=config.head_dim,
        hidden_act="silu",
        rms_norm_eps=config.norm_epsilon,
        rope_parameters={"rope_type": "default", "rope_theta": config.rotary_base},
        use_cache=False,
    )
    layers = params["layers"]
    attention, mlp = layers["attention"], layers["mlp"]
    tensors = {"norm.weight": torch.tensor(params["final_norm"]["scale"])}
    for n in range(config.num_layers):
        at = f"layers.{n}"
        tensors |= {
            f"{at}.input_layernorm.weight": torch.tensor(layers["attention_norm"]["scale"][n]),
            f"{at}.self_attn.q_proj.weight": matrix(attention["query"]["kernel"][n]),
            f"{at}.self_attn.k_proj.weight": matrix(attention["key"]["kernel"][n]),
            f"{at}.self_attn.v_proj.weight": matrix(attention["value"]["kernel"][n]),
            f"{at}.self_attn.o_proj.weight": matrix(attention["out"]["kernel"][n], 2),
            f"{at}.post_attention_layernorm.weight": torch.tensor(layers["mlp_norm"]["scale"][n]),
            f"{at}.mlp.gate_proj.weight": matrix(mlp["gate"]["kernel"][n]),
            f"{at}.mlp.up_proj.weight": matrix(mlp["up"]["kernel"][n]),
            f"{at}.mlp.down_proj.weight": matrix(mlp["down"]["kernel"][n]),
        }
        if config.qk_norm:
            for name in ("query", "key"):
                scale = attention[f"{name}_norm"]["scale"][n]
                tensors[f"{at}.self_attn.{name[0]}_norm.weight"] = torch.tensor(scale)
    return fill(build[1](theirs), tensors)


def run(module, x_BxLxD, mask_BxL=None):
    mask = None if mask_BxL is None else torch.tensor(mask_BxL)
    with torch.no_grad():
        out = module(inputs_embeds=torch.tensor(x_BxLxD), attention_mask=mask)
    return out.last_hidden_state.numpy()


@functools.cache
def t5_setting(causal):
    # Buckets and distances so small that the sequence reaches every bucket.
    config = tiny_trunk_config(
        causal=causal, num_buckets=8, max_distance=20, scale_inputs=False, num_layers=3
    )
    params = parameters(config)
    bias = params["layers"]["attention"]["position_bias"]
    params["layers"]["attention"]["position_bias"] = np.repeat(bias[:1], len(bias), axis=0)
    return config, params


@pytest.mark.parametrize("causal", [True, False], ids=["decoder", "encoder"])
def test_t5(causal):
    config, params = t5_setting(causal)
    x_BxLxD = inputs(config)
    theirs = run(t5_stack(params, config, causal=causal), x_BxLxD)
    np.testing.assert_allclose(apply(params, config, x_BxLxD), theirs, rtol=1e-4, atol=2e-5)


def test_t5_with_padding():
    config, params = t5_setting(False)
    x_BxLxD = inputs(config)
    mask_BxL = (np.arange(LENGTH)[None] < np.array([[LENGTH], [17], [1]])).astype("int32")
    theirs = run(t5_stack(params, config, causal=False), x_BxLxD, mask_BxL)
    ours = np.asarray(apply(params, config, x_BxLxD, mask_BxL))
    real = mask_BxL == 1
    np.testing.assert_allclose(ours[real], theirs[real], rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("qk_norm", [False, True], ids=["llama", "qwen3"])
def test_rotary_decoders(qk_norm):
    config = tiny_trunk_config(
        positions="rotary",
        mlp="gated_silu",
        num_heads=4,
        num_kv_heads=2,
        qk_norm=qk_norm,
        scale_inputs=False,
    )
    params, x_BxLxD = parameters(config), inputs(config)
    theirs = run(llama(params, config), x_BxLxD)
    np.testing.assert_allclose(apply(params, config, x_BxLxD), theirs, rtol=1e-4, atol=2e-5)


def test_gradients_of_the_decoder():
    config, params = t5_setting(True)
    x_BxLxD, weights = inputs(config), np.random.default_rng(2).normal(size=(16,)).astype("f")
    loss = lambda x: jnp.sum(jnp.tanh(transformer.apply(params, config, x) @ weights))  # noqa: E731
    ours = jax.grad(loss)(x_BxLxD)
    x = torch.tensor(x_BxLxD, requires_grad=True)
    out = t5_stack(params, config, causal=True)(inputs_embeds=x).last_hidden_state
    torch.tanh(out @ torch.tensor(weights)).sum().backward()
    np.testing.assert_allclose(ours, x.grad.numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("peer", [T5LayerNorm, LlamaRMSNorm])
def test_rms_norm(peer):
    rng = np.random.default_rng(3)
    x = (rng.normal(size=(5, 24)) * np.logspace(-4, 4, 5)[:, None]).astype("float32")
    scale = rng.normal(size=24).astype("float32")
    module = peer(24, eps=1e-6)
    module.weight.data = torch.tensor(scale)
    ours = RMSNorm(1e-6).apply({"params": {"scale": scale}}, x)
    np.testing.assert_allclose(ours, module(torch.tensor(x)).detach().numpy(), rtol=2e-5)
