"""RoBERTa and XLM-R, one architecture."""

from research.models.families import base
from research.models.families.base import ATTENTION, MLP, Family, Get, Weight
from research.models.sizes import TrunkConfig

_INPUTS = "roberta.embeddings"


class Roberta(Family):
    """Masked, post-norm, positions counted from the padding id."""

    model_type, title = "roberta", "RoBERTa"
    defaults = {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "is_decoder": False,
        "add_cross_attention": False,
        "position_embedding_type": "absolute",
        "tie_word_embeddings": True,
        "vocab_size": 50265,
    }
    special_ids = {"bos": 0, "pad": 1, "eos": 2}
    prefix, embedding = "roberta.", f"{_INPUTS}.word_embeddings.weight"
    head = "lm_head.decoder.weight"
    biases = ("lm_head.bias", "lm_head.decoder.bias")
    position_table = f"{_INPUTS}.position_embeddings.weight"
    # transformers 4 takes the decoder's bias, zero where it is missing; 5 keeps two biases where
    # the matrix is not tied, and uses the decoder's.
    written_copies = ("lm_head.decoder.bias",)
    buffers = (f"{_INPUTS}.position_ids", f"{_INPUTS}.token_type_ids")
    ignored = (r"roberta\.pooler\.dense\.(weight|bias)",)
    masked = True

    def trunk(self, get: Get) -> TrunkConfig:
        base.refuse(get, "is_decoder", "add_cross_attention")
        if get("position_embedding_type") != "absolute":
            base.refuse(get, "position_embedding_type")
        width, heads = get("hidden_size"), get("num_attention_heads")
        return TrunkConfig(
            d_model=width,
            num_heads=heads,
            head_dim=width // heads,
            num_layers=get("num_hidden_layers"),
            mlp_dim=get("intermediate_size"),
            mlp=base.activation(get("hidden_act")),
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

    def context(self, get: Get) -> int:
        return get("max_position_embeddings") - get("pad_token_id") - 1

    def trunk_weights(self, trunk: TrunkConfig) -> list[Weight]:
        layer = "roberta.encoder.layer.{n}"
        weights = [
            Weight(f"{_INPUTS}.position_embeddings.weight", ("trunk/position_rows",), "table"),
            Weight(f"{_INPUTS}.token_type_embeddings.weight", ("trunk/token_type_rows",), "table"),
            *base.norm(f"{_INPUTS}.LayerNorm", "trunk/input_norm", True),
        ]
        for name in ("query", "key", "value"):
            weights += base.dense(f"{layer}.attention.self.{name}", f"{ATTENTION}/{name}", True)
        return [
            *weights,
            *base.dense(f"{layer}.attention.output.dense", f"{ATTENTION}/out", True),
            *base.norm(f"{layer}.attention.output.LayerNorm", "trunk/layers/attention_norm", True),
            *base.dense(f"{layer}.intermediate.dense", f"{MLP}/up", True),
            *base.dense(f"{layer}.output.dense", f"{MLP}/down", True),
            *base.norm(f"{layer}.output.LayerNorm", "trunk/layers/mlp_norm", True),
            *base.dense("lm_head.dense", "trunk/head", True),
            *base.norm("lm_head.layer_norm", "trunk/head_norm", True),
        ]


class XLMRoberta(Roberta):
    """RoBERTa with a table of many languages."""

    model_type, title = "xlm-roberta", "XLM-R"
    defaults = {**Roberta.defaults, "vocab_size": 30522}
