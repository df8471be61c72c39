"""Qwen3: Qwen2 with normed queries and keys in place of their biases."""

from research.models.families.base import Get
from research.models.families.llama_like import LlamaLike
from research.models.families.qwen2 import Qwen2
from research.models.sizes import TrunkConfig


class Qwen3(Qwen2):
    """See the module."""

    model_type, title = "qwen3", "Qwen3"
    defaults = {**Qwen2.defaults, "head_dim": 128}
    qk_norm = True
    overrules_tokenizer = False
    exported_class = "Qwen3ForCausalLM"

    def attention_biases(self, get: Get) -> tuple[bool, bool]:
        return LlamaLike.attention_biases(self, get)

    def can_hold(self, trunk: TrunkConfig) -> bool:
        return LlamaLike.can_hold(self, trunk)
