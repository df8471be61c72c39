"""Mistral: no biases, and a sliding window in every layer."""

from typing import Any

from research.models.families.base import Get
from research.models.families.llama_like import DEFAULTS, LlamaLike, Windows
from research.models.sizes import TrunkConfig


class Mistral(LlamaLike):
    """See the module."""

    model_type, title = "mistral", "Mistral"
    defaults = {
        **DEFAULTS,
        "num_key_value_heads": 8,
        "sliding_window": 4096,
        "intermediate_size": 14336,
        "max_position_embeddings": 4096 * 32,
    }
    special_ids = {"bos": 1, "eos": 2}
    exported_class = "MistralForCausalLM"

    def attention_biases(self, get: Get) -> tuple[bool, bool]:
        return False, False

    def windows(self, get: Get) -> Windows:
        return get("sliding_window"), ()

    def can_hold(self, trunk: TrunkConfig) -> bool:
        return not trunk.qkv_bias and not trunk.out_bias

    def own_fields(self, trunk: TrunkConfig) -> dict[str, Any]:
        return {"sliding_window": trunk.window}
