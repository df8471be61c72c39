"""GPT-2."""

from research.models.families import base
from research.models.families.base import ATTENTION, MLP, Family, Get, Weight
from research.models.sizes import TrunkConfig


class GPT2(Family):
    """Learned positions, LayerNorm, a two-matrix MLP, query, key and value in one tensor."""

    model_type, title = "gpt2", "GPT-2"
    defaults = {
        "n_embd": 768,
        "n_layer": 12,
        "n_head": 12,
        "n_inner": None,
        "n_positions": 1024,
        "vocab_size": 50257,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
        "tie_word_embeddings": True,
    }
    special_ids = {"bos": 50256, "eos": 50256}
    prefix, embedding = "transformer.", "transformer.wte.weight"
    ignored = (r"transformer\.h\.\d+\.attn\.(masked_)?bias",)

    def trunk(self, get: Get) -> TrunkConfig:
        base.refuse(get, "scale_attn_by_inverse_layer_idx", "add_cross_attention")
        width, heads = get("n_embd"), get("n_head")
        return TrunkConfig(
            d_model=width,
            num_heads=heads,
            head_dim=width // heads,
            num_layers=get("n_layer"),
            mlp_dim=get("n_inner") or 4 * width,
            mlp=base.activation(get("activation_function")),
            positions="learned",
            max_positions=get("n_positions"),
            scale_inputs=False,
            norm="layer",
            norm_epsilon=get("layer_norm_epsilon"),
            qkv_bias=True,
            out_bias=True,
            mlp_bias=True,
            score_scale=None if get("scale_attn_weights") else 1.0,
        )

    def context(self, get: Get) -> int:
        return get("n_positions")

    def trunk_weights(self, trunk: TrunkConfig) -> list[Weight]:
        layer = "transformer.h.{n}"
        fused = [f"{ATTENTION}/{name}" for name in ("query", "key", "value")]
        kernels = tuple(f"{path}/kernel" for path in fused)
        biases = tuple(f"{path}/bias" for path in fused)
        return [
            Weight("transformer.wpe.weight", ("trunk/position_rows",), "table"),
            *base.norm(f"{layer}.ln_1", "trunk/layers/attention_norm", True),
            Weight(f"{layer}.attn.c_attn.weight", kernels, "conv"),
            Weight(f"{layer}.attn.c_attn.bias", biases, "vector"),
            *base.dense(f"{layer}.attn.c_proj", f"{ATTENTION}/out", True, "conv"),
            *base.norm(f"{layer}.ln_2", "trunk/layers/mlp_norm", True),
            *base.dense(f"{layer}.mlp.c_fc", f"{MLP}/up", True, "conv"),
            *base.dense(f"{layer}.mlp.c_proj", f"{MLP}/down", True, "conv"),
            *base.norm("transformer.ln_f", "trunk/final_norm", True),
        ]
