"""What each family calls its tensors, and how they lie in our parameters: one table per family.

A `Weight` says where a tensor's numbers go. Its form is 'linear' (a matrix [outputs, inputs], as
torch.nn.Linear keeps it), 'conv' (GPT-2's [inputs, outputs]), 'table' (as ours) or 'vector'
(flattened). Several paths are one fused tensor, joined along its last axis. "{n}" in a name is the
layer, the first axis of our parameters.
"""

import re
from typing import NamedTuple

from research.models.language_model import LanguageModelConfig

_ATTENTION, _MLP = "trunk/layers/attention", "trunk/layers/mlp"


class Weight(NamedTuple):
    """A tensor of a checkpoint; see the module."""

    name: str
    paths: tuple[str, ...]
    form: str


class Names(NamedTuple):
    """The tensors of a family.

    Attributes:
      weights: all that the model consists of.
      prefix: what a checkpoint of the bare model leaves out of the names.
      copies: copy -> original: may be there, must then be equal, and stands in for the original.
      written: those of the copies that are written too.
      ignored: regular expressions of tensors that take no part: constants that old versions
        saved, and RoBERTa's pooler, which no language model uses.
    """

    weights: tuple[Weight, ...]
    prefix: str
    copies: dict[str, str]
    written: tuple[str, ...]
    ignored: tuple[str, ...]

    def is_ignored(self, name: str) -> bool:
        """Does the tensor take no part?"""
        return any(re.fullmatch(pattern, name) for pattern in self.ignored)


def names(family: str, config: LanguageModelConfig) -> Names:
    """The tensors of a model of this family and config."""
    if family == "gpt2":
        return _gpt2(config)
    if family in ("roberta", "xlm-roberta"):
        return _roberta(config)
    return _llama(config, gemma=family == "gemma2")


def _dense(name: str, path: str, bias: bool, form: str = "linear") -> list[Weight]:
    """A projection: its matrix and, perhaps, its bias."""
    weights = [Weight(f"{name}.weight", (f"{path}/kernel",), form)]
    return weights + [Weight(f"{name}.bias", (f"{path}/bias",), "vector")] * bias


def _norm(name: str, path: str, bias: bool = False) -> list[Weight]:
    weights = [Weight(f"{name}.weight", (f"{path}/scale",), "vector")]
    return weights + [Weight(f"{name}.bias", (f"{path}/bias",), "vector")] * bias


def _llama(config: LanguageModelConfig, gemma: bool) -> Names:
    trunk, layer = config.trunk, "model.layers.{n}"
    norms = {"input_layernorm": "attention_norm", "post_attention_layernorm": "mlp_norm"}
    if gemma:
        norms = {
            "input_layernorm": "attention_norm",
            "post_attention_layernorm": "attention_out_norm",
            "pre_feedforward_layernorm": "mlp_norm",
            "post_feedforward_layernorm": "mlp_out_norm",
        }
    embedding = "model.embed_tokens.weight"
    weights = [Weight(embedding, ("vocabulary/input_VxD",), "table")]
    for theirs, ours in norms.items():
        weights += _norm(f"{layer}.{theirs}", f"trunk/layers/{ours}")
    for theirs, ours in {"q": "query", "k": "key", "v": "value"}.items():
        name = f"{layer}.self_attn.{theirs}_proj"
        weights += _dense(name, f"{_ATTENTION}/{ours}", trunk.qkv_bias)
    weights += _dense(f"{layer}.self_attn.o_proj", f"{_ATTENTION}/out", trunk.out_bias)
    if trunk.qk_norm:
        for name in ("query", "key"):
            weights += _norm(f"{layer}.self_attn.{name[0]}_norm", f"{_ATTENTION}/{name}_norm")
    for name in ("gate", "up", "down"):
        weights += _dense(f"{layer}.mlp.{name}_proj", f"{_MLP}/{name}", trunk.mlp_bias)
    weights += _norm("model.norm", "trunk/final_norm")
    copies = {"lm_head.weight": embedding}
    if not config.vocabulary.tied:
        weights.append(Weight("lm_head.weight", ("vocabulary/output_VxD",), "table"))
        copies = {}
    return Names(tuple(weights), "model.", copies, (), (r".*rotary_emb\.inv_freq",))


def _gpt2(config: LanguageModelConfig) -> Names:
    layer, embedding = "transformer.h.{n}", "transformer.wte.weight"
    fused = [f"{_ATTENTION}/{name}" for name in ("query", "key", "value")]
    weights = [
        Weight(embedding, ("vocabulary/input_VxD",), "table"),
        Weight("transformer.wpe.weight", ("trunk/position_rows",), "table"),
        *_norm(f"{layer}.ln_1", "trunk/layers/attention_norm", True),
        Weight(f"{layer}.attn.c_attn.weight", tuple(f"{path}/kernel" for path in fused), "conv"),
        Weight(f"{layer}.attn.c_attn.bias", tuple(f"{path}/bias" for path in fused), "vector"),
        *_dense(f"{layer}.attn.c_proj", f"{_ATTENTION}/out", True, "conv"),
        *_norm(f"{layer}.ln_2", "trunk/layers/mlp_norm", True),
        *_dense(f"{layer}.mlp.c_fc", f"{_MLP}/up", True, "conv"),
        *_dense(f"{layer}.mlp.c_proj", f"{_MLP}/down", True, "conv"),
        *_norm("transformer.ln_f", "trunk/final_norm", True),
    ]
    copies = {"lm_head.weight": embedding}
    if not config.vocabulary.tied:
        weights.append(Weight("lm_head.weight", ("vocabulary/output_VxD",), "table"))
        copies = {}
    masks = r"transformer\.h\.\d+\.attn\.(masked_)?bias"
    return Names(tuple(weights), "transformer.", copies, (), (masks,))


def _roberta(config: LanguageModelConfig) -> Names:
    inputs, layer = "roberta.embeddings", "roberta.encoder.layer.{n}"
    embedding = f"{inputs}.word_embeddings.weight"
    weights = [
        Weight(embedding, ("vocabulary/input_VxD",), "table"),
        Weight(f"{inputs}.position_embeddings.weight", ("trunk/position_rows",), "table"),
        Weight(f"{inputs}.token_type_embeddings.weight", ("trunk/token_type_rows",), "table"),
        *_norm(f"{inputs}.LayerNorm", "trunk/input_norm", True),
    ]
    for name in ("query", "key", "value"):
        weights += _dense(f"{layer}.attention.self.{name}", f"{_ATTENTION}/{name}", True)
    weights += [
        *_dense(f"{layer}.attention.output.dense", f"{_ATTENTION}/out", True),
        *_norm(f"{layer}.attention.output.LayerNorm", "trunk/layers/attention_norm", True),
        *_dense(f"{layer}.intermediate.dense", f"{_MLP}/up", True),
        *_dense(f"{layer}.output.dense", f"{_MLP}/down", True),
        *_norm(f"{layer}.output.LayerNorm", "trunk/layers/mlp_norm", True),
        *_dense("lm_head.dense", "trunk/head", True),
        *_norm("lm_head.layer_norm", "trunk/head_norm", True),
        Weight("lm_head.bias", ("vocabulary/bias_V",), "vector"),
    ]
    copies = {"lm_head.decoder.bias": "lm_head.bias", "lm_head.decoder.weight": embedding}
    # transformers 4 takes the decoder's bias, zero where it is missing; 5 keeps two biases where
    # the matrix is not tied, and uses the decoder's.
    written = ("lm_head.decoder.bias",)
    if not config.vocabulary.tied:
        weights.append(Weight("lm_head.decoder.weight", ("vocabulary/output_VxD",), "table"))
        del copies["lm_head.decoder.weight"]
    unused = (
        r"roberta\.embeddings\.(position|token_type)_ids",
        r"roberta\.pooler\.dense\.(weight|bias)",
    )
    return Names(tuple(weights), "roberta.", copies, written, unused)
