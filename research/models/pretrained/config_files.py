"""LanguageModelConfig -> config.json that transformers 4 and 5 both open."""

from collections.abc import Mapping
from typing import Any

from research.errors import UsageError
from research.models.language_model import LanguageModelConfig
from research.models.pretrained.configs import ACTIVATIONS

_CLASSES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}


def both_generations(raw: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """A config.json with old and new keys side by side: each version reads its own.

    transformers 4 takes no notice of rope_parameters and would use its default base; 5 takes
    rope_scaling, where there is one, for rope_parameters, so that has to name the base too.
    """
    fields = dict(raw) | {"dtype": dtype, "torch_dtype": dtype}
    rope = fields.get("rope_parameters") or fields.get("rope_scaling")
    if rope is None:
        return fields
    kind = rope.get("rope_type") or rope.get("type") or "default"
    base = rope.get("rope_theta") or fields.get("rope_theta") or 10000.0
    rope = {name: value for name, value in rope.items() if name != "type"}
    fields["rope_theta"] = base
    fields["rope_parameters"] = rope | {"rope_type": kind, "rope_theta": base}
    fields["rope_scaling"] = None if kind == "default" else fields["rope_parameters"]
    return fields


def family_for(config: LanguageModelConfig) -> str:
    """The family of a Llama-like model trained here.

    Raises:
      UsageError: naming what no such family has.
    """
    trunk = config.trunk
    for fits, problem in (
        (config.vocabulary.kind == "learned", f"a {config.vocabulary.kind} vocabulary"),
        (trunk.positions == "rotary", f"{trunk.positions} positions"),
        (trunk.gated, f"the two-matrix mlp {trunk.mlp}"),
        (trunk.causal, "attention to what follows"),
        (trunk.norm == "rms", f"{trunk.norm} norms"),
        (trunk.norm_order == "pre", f"norms in the order {trunk.norm_order}"),
        (not trunk.ngram_heads, "n-gram heads"),
        (not trunk.windowed_layers or trunk.qk_norm, "windows in some layers only"),
        (not (trunk.head_transform or trunk.input_norm or trunk.token_types), "a masked head"),
        (not trunk.output_map, "a map before the readout"),
        (trunk.embedding_dim is None, "rows of another width than the trunk"),
        (trunk.score_scale is None and trunk.score_softcap is None, "its own score scale or cap"),
        (getattr(config.vocabulary, "softcap", None) is None, "capped logits"),
        (not getattr(config.vocabulary, "bias", False), "a readout bias"),
    ):
        if not fits:
            raise UsageError(f"no Llama-like Hugging Face family has {problem}")
    if trunk.qk_norm:
        return "qwen3"
    if trunk.qkv_bias and not trunk.out_bias:
        return "qwen2"
    return "llama" if trunk.window is None else "mistral"


def llama_like(
    config: LanguageModelConfig, family: str, *, context: int, dtype: str
) -> dict[str, Any]:
    """config.json of a Llama-like model.

    Args:
      family: 'llama', 'mistral', 'qwen2' or 'qwen3'.
      context: positions that it was trained with.

    Raises:
      UsageError: if the family lacks something that the config has.
    """
    trunk = config.trunk
    if family not in _CLASSES:
        raise UsageError(f"family must be one of {', '.join(_CLASSES)}, not {family!r}")
    _check(config, family)
    scaling = trunk.rotary_scaling
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": trunk.rotary_base}
    if scaling is not None and scaling.kind != "default":
        rope |= {"rope_type": scaling.kind, "factor": scaling.factor}
    if scaling is not None and scaling.kind == "llama3":
        rope |= {
            "original_max_position_embeddings": scaling.length,
            "low_freq_factor": scaling.low_frequency,
            "high_freq_factor": scaling.high_frequency,
        }
    if scaling is not None and scaling.kind == "dynamic":
        context = scaling.length
    names = {ours: theirs for theirs, ours in reversed(ACTIVATIONS.items())}
    fields = {
        "architectures": [_CLASSES[family]],
        "model_type": family,
        "vocab_size": config.vocab_size,
        "hidden_size": trunk.d_model,
        "intermediate_size": trunk.mlp_dim,
        "num_hidden_layers": trunk.num_layers,
        "num_attention_heads": trunk.num_heads,
        "num_key_value_heads": trunk.kv_heads,
        "head_dim": trunk.head_dim,
        "hidden_act": names[trunk.mlp.removeprefix("gated_")],
        "max_position_embeddings": context,
        "rms_norm_eps": trunk.norm_epsilon,
        "rope_parameters": rope,
        "tie_word_embeddings": config.vocabulary.tied,
        "bos_token_id": config.bos_id,
        "eos_token_id": config.eos_id,
        "pad_token_id": None,
        "attention_bias": trunk.out_bias,
        "attention_dropout": 0.0,
        "use_cache": True,
    }
    if family == "llama":
        fields["mlp_bias"] = trunk.mlp_bias
    if family == "mistral":
        fields["sliding_window"] = trunk.window
    if family in ("qwen2", "qwen3"):
        has = trunk.windowed_layers or (trunk.window is not None,) * trunk.num_layers
        kinds = ["sliding_attention" if one else "full_attention" for one in has]
        fields |= {
            "use_sliding_window": trunk.window is not None,
            "sliding_window": trunk.window,
            "max_window_layers": trunk.num_layers if trunk.window is None else has.index(True),
            "layer_types": kinds,
        }
    return both_generations(fields, dtype)


def _check(config: LanguageModelConfig, family: str) -> None:
    trunk = config.trunk
    biases = (trunk.qkv_bias, trunk.out_bias)
    fits = {
        "llama": biases[0] == biases[1] and trunk.window is None,
        "mistral": not any(biases),
        "qwen2": biases == (True, False),
        "qwen3": biases[0] == biases[1],
    }
    if not fits[family] or trunk.qk_norm != (family == "qwen3"):
        raise UsageError(f"a {family} has other biases, windows or norms than this model")
    if trunk.mlp_bias and family != "llama":
        raise UsageError(f"a {family} has no biases in its MLP")
