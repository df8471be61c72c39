"""Llama: the plain form, with optional biases everywhere."""

from typing import Any

from research.models.families.llama_like import DEFAULTS, LlamaLike
from research.models.sizes import TrunkConfig


class Llama(LlamaLike):
    """See the module."""

    model_type, title = "llama", "Llama"
    defaults = DEFAULTS
    special_ids = {"bos": 1, "eos": 2}
    mlp_may_have_bias = True
    exported_class = "LlamaForCausalLM"

    def can_hold(self, trunk: TrunkConfig) -> bool:
        return super().can_hold(trunk) and trunk.window is None

    def own_fields(self, trunk: TrunkConfig) -> dict[str, Any]:
        return {"mlp_bias": trunk.mlp_bias}
