"""Gemma 2."""

import dataclasses

from research.models.families.base import Get
from research.models.families.llama_like import DEFAULTS, LlamaLike, Windows, layers_with_window
from research.models.sizes import TrunkConfig


class Gemma2(LlamaLike):
    """Four norms a layer, capped scores and logits, a window in every other layer."""

    model_type, title = "gemma2", "Gemma 2"
    defaults = {
        **DEFAULTS,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": 256,
        "sliding_window": 4096,
        "final_logit_softcapping": 30.0,
        "attn_logit_softcapping": 50.0,
        "use_bidirectional_attention": None,
        "vocab_size": 256000,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
    }
    special_ids = {"pad": 0, "eos": 1, "bos": 2}
    activation_key = "hidden_activation"
    norms = {
        "input_layernorm": "attention_norm",
        "post_attention_layernorm": "attention_out_norm",
        "pre_feedforward_layernorm": "mlp_norm",
        "post_feedforward_layernorm": "mlp_out_norm",
    }

    def windows(self, get: Get) -> Windows:
        return layers_with_window(get, lambda layer: layer % 2 == 0)

    def trunk(self, get: Get) -> TrunkConfig:
        return dataclasses.replace(
            super().trunk(get),
            scale_inputs=True,
            norm="rms_plus_one",
            norm_order="sandwich",
            score_softcap=get("attn_logit_softcapping"),
            score_scale=get("query_pre_attn_scalar") ** -0.5,
        )

    def logit_softcap(self, get: Get) -> float | None:
        return get("final_logit_softcapping")
