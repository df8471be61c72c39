"""Qwen2: biases of query, key and value alone, and a sliding window in the upper layers, if any."""

from typing import Any

from research.models.families.base import Get
from research.models.families.llama_like import DEFAULTS, LlamaLike, Windows, layers_with_window
from research.models.sizes import TrunkConfig


class Qwen2(LlamaLike):
    """See the module."""

    model_type, title = "qwen2", "Qwen2"
    defaults = {
        **DEFAULTS,
        "num_key_value_heads": 32,
        "sliding_window": 4096,
        "use_sliding_window": False,
        "max_window_layers": 28,
        "intermediate_size": 22016,
        "vocab_size": 151936,
        "max_position_embeddings": 32768,
    }
    overrules_tokenizer = True
    exported_class = "Qwen2ForCausalLM"

    def attention_biases(self, get: Get) -> tuple[bool, bool]:
        return True, False

    def windows(self, get: Get) -> Windows:
        if not get("use_sliding_window"):
            return None, ()
        return layers_with_window(get, lambda layer: layer >= get("max_window_layers"))

    def can_hold(self, trunk: TrunkConfig) -> bool:
        return trunk.qkv_bias and not trunk.out_bias

    def own_fields(self, trunk: TrunkConfig) -> dict[str, Any]:
        windowed = trunk.windowed_layers or (trunk.window is not None,) * trunk.num_layers
        kinds = ["sliding_attention" if has else "full_attention" for has in windowed]
        full = trunk.num_layers if trunk.window is None else windowed.index(True)
        return {
            "use_sliding_window": trunk.window is not None,
            "sliding_window": trunk.window,
            "max_window_layers": full,
            "layer_types": kinds,
        }
