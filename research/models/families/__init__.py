"""The families of Hugging Face checkpoints that are known here.

A new one is a subclass of `base.Family` in a file of its own (or of `llama_like.LlamaLike`), its
entry in `FAMILIES`, and a folder below tests/models/fixtures/families.
"""

from collections.abc import Mapping
from typing import Any

from research.errors import UsageError
from research.models.families.base import Family
from research.models.families.gemma2 import Gemma2
from research.models.families.gpt2 import GPT2
from research.models.families.llama_like import (
    Llama,
    LlamaLike,
    Mistral,
    Qwen2,
    Qwen3,
    check_llama_like,
)
from research.models.families.roberta import Roberta, XLMRoberta
from research.models.language_model import LanguageModelConfig

FAMILIES: Mapping[str, Family] = {
    family.model_type: family
    for family in (
        GPT2(), Llama(), Mistral(), Qwen2(), Qwen3(), Gemma2(), Roberta(), XLMRoberta()
    )
}  # fmt: skip


def of_config(raw: Mapping[str, Any]) -> Family:
    """The family of a config.json.

    Raises:
      UsageError: naming one that is not known here.
    """
    model_type = raw.get("model_type")
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise UsageError(
            f"models of type {model_type!r} are not known here, only {', '.join(FAMILIES)}"
        )
    return FAMILIES[model_type]


def for_export(config: LanguageModelConfig, model_type: str | None = None) -> LlamaLike:
    """The Llama-like family that a model trained here becomes one of.

    Args:
      model_type: None: the one that fits.

    Raises:
      UsageError: naming what no such family has; or `model_type` is not one of them.
    """
    check_llama_like(config)
    exported = {
        name: family
        for name, family in FAMILIES.items()
        if isinstance(family, LlamaLike) and family.exported_class
    }
    if model_type is None:
        trunk = config.trunk
        if trunk.qk_norm:
            model_type = "qwen3"
        elif trunk.qkv_bias and not trunk.out_bias:
            model_type = "qwen2"
        else:
            model_type = "llama" if trunk.window is None else "mistral"
    if model_type not in exported:
        raise UsageError(f"family must be one of {', '.join(exported)}, not {model_type!r}")
    return exported[model_type]
