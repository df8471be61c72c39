"""config.json -> LanguageModelConfig, for each family.

Both generations of keys are read: rope_theta, rope_scaling and torch_dtype, and rope_parameters,
layer_types and dtype. What would change the numbers and is not known here is an error that names
it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from research.errors import FreevocabError, UsageError
from research.models.language_model import LanguageModelConfig
from research.models.pretrained.defaults import DEFAULTS
from research.models.rotary import KINDS, RotaryScaling
from research.models.sizes import TrunkConfig
from research.vocabularies.learned import LearnedEmbedding

ACTIVATIONS = {
    "gelu": "gelu_erf",
    "gelu_new": "gelu",
    "gelu_pytorch_tanh": "gelu",
    "gelu_fast": "gelu",
    "silu": "silu",
    "swish": "silu",
    "relu": "relu",
}
MASKED = ("roberta", "xlm-roberta")


def family_of(raw: Mapping[str, Any]) -> str:
    """The family of a config.json.

    Raises:
      UsageError: naming one that is not known here.
    """
    family = raw.get("model_type")
    if family not in DEFAULTS:
        raise UsageError(
            f"models of type {family!r} are not known here, only {', '.join(DEFAULTS)}"
        )
    return family


def language_model_config(raw: Mapping[str, Any]) -> LanguageModelConfig:
    """What a config.json describes. All rows of its tables count as ids, as in transformers.

    Raises:
      UsageError: if it asks for something that is not known here, by name.
      FreevocabError: if it is damaged.
    """
    family = family_of(raw)
    get = _getter(family, raw)
    build = {"gpt2": _gpt2, "roberta": _roberta, "xlm-roberta": _roberta}.get(family, _rotary)
    try:
        trunk = build(family, get)
        bos, eos = _first(get("bos_token_id")), _first(get("eos_token_id"))
        rows = get("vocab_size")
        return LanguageModelConfig(
            trunk,
            vocab_size=rows,
            padded_vocab_size=rows,
            vocabulary=LearnedEmbedding(
                tied=bool(get("tie_word_embeddings")),
                softcap=get("final_logit_softcapping") if family == "gemma2" else None,
                bias=family in MASKED,
            ),
            bos=eos if bos is None else bos,
            eos=eos,
        )
    except (TypeError, ValueError, KeyError, ZeroDivisionError) as error:
        raise FreevocabError(f"config.json is damaged: {error}") from None


def context(raw: Mapping[str, Any]) -> int:
    """Positions that the model was made for."""
    family = family_of(raw)
    get = _getter(family, raw)
    if family == "gpt2":
        return get("n_positions")
    longest = get("max_position_embeddings")
    return longest - get("pad_token_id") - 1 if family in MASKED else longest


def _getter(family: str, raw: Mapping[str, Any]) -> Callable[[str], Any]:
    return lambda key: raw.get(key, DEFAULTS[family].get(key))


def _first(value: Any) -> int | None:
    """An id; transformers also writes lists of ids that end a text."""
    value = value[0] if isinstance(value, list) and value else value
    return value if isinstance(value, int) else None


def _activation(name: str) -> str:
    if name not in ACTIVATIONS:
        raise UsageError(f"activation {name!r} is not known here, only {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def _refuse(get: Callable[[str], Any], *names: str) -> None:
    for name in names:
        if get(name):
            raise UsageError(f"{name}={get(name)!r} in config.json is not supported")


def _gpt2(family: str, get: Callable[[str], Any]) -> TrunkConfig:
    _refuse(get, "scale_attn_by_inverse_layer_idx", "add_cross_attention")
    width, heads = get("n_embd"), get("n_head")
    return TrunkConfig(
        d_model=width,
        num_heads=heads,
        head_dim=width // heads,
        num_layers=get("n_layer"),
        mlp_dim=get("n_inner") or 4 * width,
        mlp=_activation(get("activation_function")),
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


def _roberta(family: str, get: Callable[[str], Any]) -> TrunkConfig:
    _refuse(get, "is_decoder", "add_cross_attention")
    if get("position_embedding_type") != "absolute":
        _refuse(get, "position_embedding_type")
    width, heads = get("hidden_size"), get("num_attention_heads")
    return TrunkConfig(
        d_model=width,
        num_heads=heads,
        head_dim=width // heads,
        num_layers=get("num_hidden_layers"),
        mlp_dim=get("intermediate_size"),
        mlp=_activation(get("hidden_act")),
        positions="learned",
        max_positions=get("max_position_embeddings"),
        position_offset=get("pad_token_id") + 1,
        token_types=get("type_vocab_size"),
        causal=False,
        scale_inputs=False,
        norm="layer",
        norm_order="post",
        norm_epsilon=get("layer_norm_eps"),
        input_norm=True,
        head_transform=True,
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
    )


def _rotary(family: str, get: Callable[[str], Any]) -> TrunkConfig:
    gemma, heads = family == "gemma2", get("num_attention_heads")
    _refuse(get, "use_bidirectional_attention")
    activation = get("hidden_activation" if gemma else "hidden_act")
    attention_bias = family in ("llama", "qwen3", "gemma2") and bool(get("attention_bias"))
    base, scaling = _rope(get)
    window, windowed = _windows(family, get)
    return TrunkConfig(
        d_model=get("hidden_size"),
        num_heads=heads,
        head_dim=get("head_dim") or get("hidden_size") // heads,
        num_layers=get("num_hidden_layers"),
        mlp_dim=get("intermediate_size"),
        num_kv_heads=get("num_key_value_heads") or heads,
        mlp=f"gated_{_activation(activation)}",
        positions="rotary",
        rotary_base=base,
        rotary_scaling=scaling,
        qk_norm=family == "qwen3",
        scale_inputs=gemma,
        norm="rms_plus_one" if gemma else "rms",
        norm_order="sandwich" if gemma else "pre",
        norm_epsilon=get("rms_norm_eps"),
        qkv_bias=attention_bias or family == "qwen2",
        out_bias=attention_bias,
        mlp_bias=family == "llama" and bool(get("mlp_bias")),
        window=window,
        windowed_layers=windowed,
        score_softcap=get("attn_logit_softcapping") if gemma else None,
        score_scale=get("query_pre_attn_scalar") ** -0.5 if gemma else None,
    )


def _rope(get: Callable[[str], Any]) -> tuple[float, RotaryScaling | None]:
    """Base and scaling, from either generation of keys."""
    found = get("rope_parameters") or get("rope_scaling") or {}
    if any(isinstance(value, Mapping) for value in found.values()):
        raise UsageError("rope_parameters of each kind of layer are not supported")
    base = float(found.get("rope_theta") or get("rope_theta"))
    kind = found.get("rope_type") or found.get("type") or "default"
    partial = found.get("partial_rotary_factor") or get("partial_rotary_factor") or 1.0
    if kind not in KINDS:
        raise UsageError(f"rope type {kind!r} is not supported, only {', '.join(KINDS)}")
    if partial != 1.0:
        raise UsageError(f"partial_rotary_factor={partial} is not supported")
    if kind == "default":
        return base, None
    length = get("max_position_embeddings")
    if kind == "linear":
        return base, RotaryScaling(kind, float(found["factor"]))
    if kind == "dynamic":
        return base, RotaryScaling(kind, float(found["factor"]), length)
    length = found.get("original_max_position_embeddings") or length
    low, high = float(found["low_freq_factor"]), float(found["high_freq_factor"])
    return base, RotaryScaling(kind, float(found["factor"]), length, low, high)


def _windows(family: str, get: Callable[[str], Any]) -> tuple[int | None, tuple[bool, ...]]:
    """The window and which layers have it."""
    layers, window = get("num_hidden_layers"), get("sliding_window")
    if family in ("qwen2", "qwen3") and not get("use_sliding_window"):
        window = None
    if family == "llama" or window is None:
        return None, ()
    if family == "mistral":
        return window, ()
    if kinds := get("layer_types"):
        unknown = set(kinds) - {"full_attention", "sliding_attention"}
        if unknown or len(kinds) != layers:
            raise UsageError(f"layer_types {kinds} are not supported")
        has = tuple(kind == "sliding_attention" for kind in kinds)
    elif family == "gemma2":
        has = tuple(layer % 2 == 0 for layer in range(layers))
    else:
        has = tuple(layer >= get("max_window_layers") for layer in range(layers))
    if not any(has):
        return None, ()
    return window, () if all(has) else has
