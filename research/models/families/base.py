"""What a family of checkpoints is: its config.json, the names of its tensors, its special ids.

A family states its facts as attributes and methods of one class, in one file; what all families
share is here. transformers leaves out of a config.json what is at its default, so a family states
those defaults too.
"""

import abc
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from research.errors import MALFORMED, FreevocabError, UsageError
from research.models.language_model import LanguageModelConfig
from research.models.sizes import TrunkConfig
from research.vocabularies.learned import LearnedEmbedding

ATTENTION, MLP = "trunk/layers/attention", "trunk/layers/mlp"
ACTIVATIONS = {
    "gelu": "gelu_erf",
    "gelu_new": "gelu",
    "gelu_pytorch_tanh": "gelu",
    "gelu_fast": "gelu",
    "silu": "silu",
    "swish": "silu",
    "relu": "relu",
}
Get = Callable[[str], Any]


class Weight(NamedTuple):
    """Where the numbers of a checkpoint's tensor go in our parameters."""

    name: str
    """The tensor's; "{n}" in it is the layer, the first axis of our parameters."""
    paths: tuple[str, ...]
    """Of our parameters. Several: one fused tensor, joined along its last axis."""
    form: str
    """'linear' (a matrix [outputs, inputs], as torch.nn.Linear keeps it), 'conv' (GPT-2's
    [inputs, outputs]), 'table' (as ours) or 'vector' (flattened)."""


class Family(abc.ABC):
    """A family of Hugging Face checkpoints."""

    model_type: ClassVar[str]
    """Its name in config.json."""
    title: ClassVar[str]
    """How people write it."""
    defaults: ClassVar[Mapping[str, Any]]
    """What transformers takes where config.json says nothing, apart from `special_ids`."""
    special_ids: ClassVar[Mapping[str, int]] = {}
    """The default ids of special tokens, by role."""
    prefix: ClassVar[str]
    """What a checkpoint of the bare model leaves out of the names of its tensors."""
    embedding: ClassVar[str]
    """The tensor that holds the input table, which a tied readout uses too."""
    head: ClassVar[str] = "lm_head.weight"
    """The tensor that holds the readout's table."""
    biases: ClassVar[tuple[str, ...]] = ()
    """Tensors that may hold the readout's bias, the first of them always."""
    position_table: ClassVar[str | None] = None
    """The position table, where its rows are counted from the padding id."""
    written_copies: ClassVar[tuple[str, ...]] = ()
    """Copies of other tensors that some version of transformers wants to find."""
    buffers: ClassVar[tuple[str, ...]] = ()
    """Names of constants, one per position, that old versions saved."""
    ignored: ClassVar[tuple[str, ...]] = ()
    """Regular expressions of other tensors that take no part in a language model."""
    masked: ClassVar[bool] = False
    """It fills gaps from both sides; else it predicts the next token."""
    overrules_tokenizer: ClassVar[bool] = False
    """transformers (5.24) chooses the tokenizer's class by the model, not by its files."""

    @abc.abstractmethod
    def trunk(self, get: Get) -> TrunkConfig:
        """The trunk that a config.json describes.

        Args:
          get: the value of a key, or its default.

        Raises:
          UsageError: for what is not known here, by name.
        """

    @abc.abstractmethod
    def trunk_weights(self, trunk: TrunkConfig) -> list[Weight]:
        """The tensors of the trunk and whatever else has no row per id, in the order of writing."""

    def context(self, get: Get) -> int:
        """The longest sequence, in tokens, that the model was trained for."""
        return get("max_position_embeddings")

    def logit_softcap(self, get: Get) -> float | None:
        """Bound of the logits."""
        return None

    def getter(self, raw: Mapping[str, Any]) -> Get:
        """Reads config.json with the family's defaults."""
        ids = {f"{role}_token_id": id_ for role, id_ in self.special_ids.items()}
        defaults = {**self.defaults, **ids}
        return lambda key: raw.get(key, defaults.get(key))

    def language_model_config(self, raw: Mapping[str, Any]) -> LanguageModelConfig:
        """What a config.json describes. All rows of its tables count as ids, as in transformers.

        Raises:
          UsageError: if it asks for something that is not known here, by name.
          FreevocabError: if it is damaged.
        """
        get = self.getter(raw)
        try:
            trunk = self.trunk(get)
            bos, eos = _first_id(get("bos_token_id")), _first_id(get("eos_token_id"))
            rows = get("vocab_size")
            return LanguageModelConfig(
                trunk,
                vocab_size=rows,
                padded_vocab_size=rows,
                vocabulary=LearnedEmbedding(
                    tied=bool(get("tie_word_embeddings")),
                    softcap=self.logit_softcap(get),
                    bias=bool(self.biases),
                ),
                bos=eos if bos is None else bos,
                eos=eos,
            )
        except MALFORMED as error:
            raise FreevocabError(f"config.json is damaged: {error}") from None

    def weights(self, config: LanguageModelConfig) -> list[Weight]:
        """All tensors that a model of this family and config consists of."""
        table = Weight(self.embedding, ("vocabulary/input_VxD",), "table")
        weights = [table, *self.trunk_weights(config.trunk)]
        weights += [Weight(name, ("vocabulary/bias_V",), "vector") for name in self.biases[:1]]
        if self.head not in self.copies(config):
            weights.append(Weight(self.head, ("vocabulary/output_VxD",), "table"))
        return weights

    def copies(self, config: LanguageModelConfig) -> dict[str, str]:
        """Copy -> original: may be there, must then be equal, and stands in for the original."""
        copies = {copy: self.biases[0] for copy in self.biases[1:]}
        tied = getattr(config.vocabulary, "tied", False)
        return copies | ({self.head: self.embedding} if tied else {})

    def is_ignored(self, name: str) -> bool:
        """Does a tensor take no part?"""
        return name in self.buffers or any(re.fullmatch(one, name) for one in self.ignored)

    def spellings(self, *names: str) -> tuple[str, ...]:
        """The names of tensors in whole checkpoints, then in those of the bare model."""
        bare = [name.removeprefix(self.prefix) for name in names if name.startswith(self.prefix)]
        return (*names, *bare)


def dense(name: str, path: str, bias: bool, form: str = "linear") -> list[Weight]:
    """A projection: its matrix and, perhaps, its bias."""
    weights = [Weight(f"{name}.weight", (f"{path}/kernel",), form)]
    return weights + [Weight(f"{name}.bias", (f"{path}/bias",), "vector")] * bias


def norm(name: str, path: str, bias: bool = False) -> list[Weight]:
    """A norm: its scale and, perhaps, its bias."""
    weights = [Weight(f"{name}.weight", (f"{path}/scale",), "vector")]
    return weights + [Weight(f"{name}.bias", (f"{path}/bias",), "vector")] * bias


def activation(name: str) -> str:
    """Our name of an activation.

    Raises:
      UsageError: if it is not known here.
    """
    if name not in ACTIVATIONS:
        raise UsageError(f"activation {name!r} is not known here, only {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def refuse(get: Get, *names: str) -> None:
    """Raises UsageError if one of these options of config.json is on."""
    for name in names:
        if get(name):
            raise UsageError(f"{name}={get(name)!r} in config.json is not supported")


def both_generations(raw: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """A config.json with old and new keys side by side: each version reads its own.

    transformers 4 takes no notice of rope_parameters and would use its default base; 5 takes
    rope_scaling, where there is one, for rope_parameters, so that has to name the base too.
    """
    fields: dict[str, Any] = dict(raw) | {"dtype": dtype, "torch_dtype": dtype}
    rope: Any = fields.get("rope_parameters") or fields.get("rope_scaling")
    if rope is None:
        return fields
    kind = rope.get("rope_type") or rope.get("type") or "default"
    base = rope.get("rope_theta") or fields.get("rope_theta") or 10000.0
    rope = {name: value for name, value in rope.items() if name != "type"}
    fields["rope_theta"] = base
    fields["rope_parameters"] = rope | {"rope_type": kind, "rope_theta": base}
    fields["rope_scaling"] = None if kind == "default" else fields["rope_parameters"]
    return fields


def _first_id(value: Any) -> int | None:
    """An id; transformers also writes lists of ids that end a text."""
    value = value[0] if isinstance(value, list) and value else value
    return value if isinstance(value, int) else None
