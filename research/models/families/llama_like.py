"""Llama and the families that come from it: rotary positions, RMSNorm, a gated MLP."""

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from research.errors import UsageError
from research.models.families import base
from research.models.families.base import ATTENTION, MLP, Family, Get, Weight
from research.models.language_model import LanguageModelConfig
from research.models.sizes import ROTARY_KINDS, RotaryScaling, TrunkConfig

Windows = tuple[int | None, tuple[bool, ...]]
"""A window, and which layers have it (empty: all)."""
DEFAULTS: Mapping[str, Any] = {
    "num_key_value_heads": None,
    "head_dim": None,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "attention_bias": False,
    "mlp_bias": False,
    "sliding_window": None,
    "layer_types": None,
    "tie_word_embeddings": False,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "vocab_size": 32000,
    "max_position_embeddings": 2048,
}


class LlamaLike(Family):
    """A family that comes from Llama and states what differs."""

    prefix, embedding = "model.", "model.embed_tokens.weight"
    ignored = (r".*rotary_emb\.inv_freq",)
    activation_key: ClassVar[str] = "hidden_act"
    """The activation of the MLP in config.json."""
    norms: ClassVar[Mapping[str, str]] = {
        "input_layernorm": "attention_norm",
        "post_attention_layernorm": "mlp_norm",
    }
    """A layer's norms: their names -> ours."""
    qk_norm: ClassVar[bool] = False
    """RMSNorm of queries and keys."""
    mlp_may_have_bias: ClassVar[bool] = False
    """config.json says whether the MLP's matrices have biases; else they have none."""
    exported_class: ClassVar[str | None] = None
    """transformers' class for a model that was trained here; None: none becomes of this family."""

    def attention_biases(self, get: Get) -> tuple[bool, bool]:
        """Biases of query, key and value; of attention's output."""
        bias = bool(get("attention_bias"))
        return bias, bias

    def windows(self, get: Get) -> Windows:
        """The sliding window."""
        return None, ()

    def trunk(self, get: Get) -> TrunkConfig:
        base.refuse(get, "use_bidirectional_attention")
        heads = get("num_attention_heads")
        mlp = f"gated_{base.activation(get(self.activation_key))}"
        qkv_bias, out_bias = self.attention_biases(get)
        rotary_base, scaling = _rope(get)
        window, windowed_layers = self.windows(get)
        return TrunkConfig(
            d_model=get("hidden_size"),
            num_heads=heads,
            head_dim=get("head_dim") or get("hidden_size") // heads,
            num_layers=get("num_hidden_layers"),
            mlp_dim=get("intermediate_size"),
            num_kv_heads=get("num_key_value_heads") or heads,
            mlp=mlp,
            positions="rotary",
            rotary_base=rotary_base,
            rotary_scaling=scaling,
            qk_norm=self.qk_norm,
            scale_inputs=False,
            norm="rms",
            norm_epsilon=get("rms_norm_eps"),
            qkv_bias=qkv_bias,
            out_bias=out_bias,
            mlp_bias=self.mlp_may_have_bias and bool(get("mlp_bias")),
            window=window,
            windowed_layers=windowed_layers,
        )

    def trunk_weights(self, trunk: TrunkConfig) -> list[Weight]:
        layer = "model.layers.{n}"
        weights = []
        for theirs, ours in self.norms.items():
            weights += base.norm(f"{layer}.{theirs}", f"trunk/layers/{ours}")
        for theirs, ours in {"q": "query", "k": "key", "v": "value"}.items():
            name = f"{layer}.self_attn.{theirs}_proj"
            weights += base.dense(name, f"{ATTENTION}/{ours}", trunk.qkv_bias)
        weights += base.dense(f"{layer}.self_attn.o_proj", f"{ATTENTION}/out", trunk.out_bias)
        if trunk.qk_norm:
            for name in ("query", "key"):
                theirs = f"{layer}.self_attn.{name[0]}_norm"
                weights += base.norm(theirs, f"{ATTENTION}/{name}_norm")
        for name in ("gate", "up", "down"):
            weights += base.dense(f"{layer}.mlp.{name}_proj", f"{MLP}/{name}", trunk.mlp_bias)
        return [*weights, *base.norm("model.norm", "trunk/final_norm")]

    def can_hold(self, trunk: TrunkConfig) -> bool:
        """Are the biases and windows of a Llama-like trunk such as the family has?"""
        return trunk.qkv_bias == trunk.out_bias

    def own_fields(self, trunk: TrunkConfig) -> dict[str, Any]:
        """What config.json has in this family alone."""
        return {}

    def config_json(
        self, config: LanguageModelConfig, *, context: int, dtype: str
    ) -> dict[str, Any]:
        """config.json of a model that was trained here and that `check_llama_like` accepts.

        Args:
          context: positions that it was trained with.

        Raises:
          UsageError: if the family lacks something that the config has.
        """
        trunk, scaling = config.trunk, config.trunk.rotary_scaling
        if not self.can_hold(trunk) or trunk.qk_norm != self.qk_norm:
            raise UsageError(
                f"a {self.model_type} has other biases, windows or norms than this model"
            )
        if trunk.mlp_bias and not self.mlp_may_have_bias:
            raise UsageError(f"a {self.model_type} has no biases in its MLP")
        rope: dict[str, Any] = {"rope_type": "default", "rope_theta": trunk.rotary_base}
        if scaling is not None and scaling.kind != "default":
            rope |= {"rope_type": scaling.kind, "factor": scaling.factor}
        if scaling is not None and scaling.kind == "llama3":
            rope |= {
                "original_max_position_embeddings": scaling.length,
                "low_freq_factor": scaling.low_frequency,
                "high_freq_factor": scaling.high_frequency,
            }
        if scaling is not None and scaling.kind == "yarn":
            rope |= {
                "original_max_position_embeddings": scaling.length,
                "beta_slow": scaling.low_frequency,
                "beta_fast": scaling.high_frequency,
                "attention_factor": scaling.attention,
                "truncate": scaling.truncate,
            }
        if scaling is not None and scaling.kind == "dynamic" and scaling.length is not None:
            context = scaling.length
        activations = {ours: theirs for theirs, ours in reversed(base.ACTIVATIONS.items())}
        fields = {
            "architectures": [self.exported_class],
            "model_type": self.model_type,
            "vocab_size": config.vocab_size,
            "hidden_size": trunk.d_model,
            "intermediate_size": trunk.mlp_dim,
            "num_hidden_layers": trunk.num_layers,
            "num_attention_heads": trunk.num_heads,
            "num_key_value_heads": trunk.kv_heads,
            "head_dim": trunk.head_dim,
            "hidden_act": activations[trunk.mlp.removeprefix("gated_")],
            "max_position_embeddings": context,
            "rms_norm_eps": trunk.norm_epsilon,
            "rope_parameters": rope,
            "tie_word_embeddings": bool(getattr(config.vocabulary, "tied", False)),
            "bos_token_id": config.bos_id,
            "eos_token_id": config.eos_id,
            "pad_token_id": None,
            "attention_bias": trunk.out_bias,
            "attention_dropout": 0.0,
            "use_cache": True,
            **self.own_fields(trunk),
        }
        return base.both_generations(fields, dtype)


class Llama(LlamaLike):
    """The plain form, with optional biases everywhere."""

    model_type, title = "llama", "Llama"
    defaults = DEFAULTS
    special_ids = {"bos": 1, "eos": 2}
    mlp_may_have_bias = True
    exported_class = "LlamaForCausalLM"

    def can_hold(self, trunk: TrunkConfig) -> bool:
        return super().can_hold(trunk) and trunk.window is None

    def own_fields(self, trunk: TrunkConfig) -> dict[str, Any]:
        return {"mlp_bias": trunk.mlp_bias}


class Mistral(LlamaLike):
    """No biases, and a sliding window in every layer."""

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


class Qwen2(LlamaLike):
    """Biases of query, key and value alone, and a sliding window in the upper layers, if any."""

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


class Qwen3(Qwen2):
    """Qwen2 with normed queries and keys in place of their biases."""

    model_type, title = "qwen3", "Qwen3"
    defaults = {**Qwen2.defaults, "head_dim": 128}
    qk_norm = True
    overrules_tokenizer = False
    exported_class = "Qwen3ForCausalLM"

    def attention_biases(self, get: Get) -> tuple[bool, bool]:
        return LlamaLike.attention_biases(self, get)

    def can_hold(self, trunk: TrunkConfig) -> bool:
        return LlamaLike.can_hold(self, trunk)


def layers_with_window(get: Get, by_default: Callable[[int], bool]) -> Windows:
    """The window, and the layers that have it by `layer_types` or, without, by their number."""
    layers, window, kinds = get("num_hidden_layers"), get("sliding_window"), get("layer_types")
    if window is None:
        return None, ()
    if kinds:
        unknown = set(kinds) - {"full_attention", "sliding_attention"}
        if unknown or len(kinds) != layers:
            raise UsageError(f"layer_types {kinds} are not supported")
        windowed = tuple(kind == "sliding_attention" for kind in kinds)
    else:
        windowed = tuple(by_default(layer) for layer in range(layers))
    if not any(windowed):
        return None, ()
    return window, () if all(windowed) else windowed


def check_llama_like(config: LanguageModelConfig) -> None:
    """Raises UsageError if a model trained here is of no family that comes from Llama."""
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


def _rope(get: Get) -> tuple[float, RotaryScaling | None]:
    """Base and scaling, from either generation of keys."""
    rope = get("rope_parameters") or get("rope_scaling") or {}
    if any(isinstance(value, Mapping) for value in rope.values()):
        raise UsageError("rope_parameters of each kind of layer are not supported")
    theta = float(rope.get("rope_theta") or get("rope_theta"))
    kind = rope.get("rope_type") or rope.get("type") or "default"
    partial = rope.get("partial_rotary_factor") or get("partial_rotary_factor") or 1.0
    if kind not in ROTARY_KINDS:
        raise UsageError(f"rope type {kind!r} is not supported, only {', '.join(ROTARY_KINDS)}")
    if partial != 1.0:
        raise UsageError(f"partial_rotary_factor={partial} is not supported")
    if kind == "default":
        return theta, None
    length = get("max_position_embeddings")
    if kind == "linear":
        return theta, RotaryScaling(kind, float(rope["factor"]))
    if kind == "dynamic":
        return theta, RotaryScaling(kind, float(rope["factor"]), length)
    length = rope.get("original_max_position_embeddings") or length
    if kind == "yarn":
        return theta, _yarn(rope, length)
    low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    return theta, RotaryScaling(kind, float(rope["factor"]), length, low, high)


def _yarn(rope: Mapping[str, Any], length: int) -> RotaryScaling:
    """YaRN's numbers, with transformers' defaults."""
    factor = float(rope["factor"])

    def growth(scale: float) -> float:
        return 0.1 * scale * math.log(factor) + 1.0 if factor > 1 else 1.0

    attention = rope.get("attention_factor")
    if attention is None:
        top, bottom = rope.get("mscale"), rope.get("mscale_all_dim")
        attention = growth(top) / growth(bottom) if top and bottom else growth(1.0)
    low, high = float(rope.get("beta_slow") or 1), float(rope.get("beta_fast") or 32)
    truncate = bool(rope.get("truncate", True))
    return RotaryScaling("yarn", factor, length, low, high, float(attention), truncate)
