"""Other people's language models: Hugging Face folders of several families, read and written.

    lm = pretrained.load("folder")     # config.json, *.safetensors and perhaps a tokenizer
    lm.logits(ids_BxL)                 # what transformers gives, within 1e-4 in float32
    lm.save("another")                 # opens in transformers

A family is nothing but options of the one trunk, so `lm.params` and `lm.config` go wherever those
of a model trained here go: training, sharding, cached decoding, evaluation.
"""

import dataclasses
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research import contents, files, tokenizers
from research.errors import FreevocabError, UsageError
from research.models import families, language_model, safetensors_shards, saved, tensor_layout
from research.models.families.base import Family, both_generations
from research.models.language_model import LanguageModelConfig
from research.tokenizers import Tokenizer
from research.vocabularies.learned import LearnedEmbedding

CONFIG = "config.json"
DTYPES = ("float32", "bfloat16", "float16")
_CODES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}

_logits = jax.jit(language_model.logits, static_argnums=1)


@dataclasses.dataclass(frozen=True)
class PretrainedLM:
    """A model of one of the families."""

    params: Mapping[str, Any]
    """{'trunk', 'vocabulary'} as `language_model` has them, float32."""
    config: LanguageModelConfig
    """All rows of the checkpoint's tables are ids, whether or not the tokenizer has that many."""
    raw: Mapping[str, Any]
    """config.json."""
    tokenizer: Tokenizer | None = None
    """The folder's, if it has one."""
    dtype: str = "float32"
    """Of the checkpoint, which `save` writes."""
    other_files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    """Other files of the folder that belong to the model, by name."""

    @property
    def family(self) -> str:
        """Its name in config.json: a key of `families.FAMILIES`."""
        return self._family.model_type

    @property
    def _family(self) -> Family:
        return families.of_config(self.raw)

    @property
    def masked(self) -> bool:
        """True if it predicts masked tokens from both sides, not the next one."""
        return not self.config.trunk.causal

    @property
    def context(self) -> int:
        """The longest sequence, in tokens, that the model was trained for."""
        return self._family.context(self._family.getter(self.raw))

    def logits(self, ids_BxL: Any, attention_mask_BxL: Any = None) -> jax.Array:
        """Float32 [B, L, V]: of the id after each position, or of a masked model's own position.

        Args:
          ids_BxL: int ids.
          attention_mask_BxL: 1 where there is text, 0 where there is padding, left or right; None:
            no padding. Logits at padding mean nothing. Positions count text alone: the first
            real id of a causal model stands at 0, as in transformers' `generate` (its `forward`
            counts padding too, unless it is given position_ids). A masked model's positions count
            what is not the padding id, mask or no mask, as transformers does.

        Raises:
          UsageError: an id outside the vocabulary, a mask of another shape, or more positions than
            the model has rows for.
        """
        ids_BxL = np.asarray(ids_BxL)
        self._check(ids_BxL, attention_mask_BxL)
        segments_BxL = None
        if attention_mask_BxL is not None:
            segments_BxL = np.asarray(attention_mask_BxL).astype(np.int32)
        positions_BxL = self._positions(ids_BxL, segments_BxL)
        ids_BxL = ids_BxL.astype(np.int32)
        return _logits(self.params, self.config, ids_BxL, segments_BxL, positions_BxL)

    def save(self, directory: str | os.PathLike, *, dtype: str | None = None) -> None:
        """Writes a folder that transformers opens (AutoModelForCausalLM, AutoModelForMaskedLM).

        It holds config.json, the weights as safetensors, and what belongs to the tokenizer. It is
        written whole or not at all; a checkpoint that this program wrote there is replaced.

        Args:
          dtype: 'float32', 'bfloat16' or 'float16'; None: the checkpoint's own.

        Raises:
          UsageError: if the folder holds something else, or the dtype is unknown.
        """
        dtype = dtype or self.dtype
        if dtype not in DTYPES:
            raise UsageError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}")
        params = jax.device_get(self.params)
        tensors = tensor_layout.tensors_of(params, self._family, self.config, jnp.dtype(dtype))
        with files.atomic_path(directory, directory=True, mark=CONFIG) as temporary:
            entries = (safetensors_shards.entry(*one) for one in tensors)
            safetensors_shards.write_checkpoint(temporary, entries)
            raw = both_generations(self.raw, dtype)
            files.write_json(temporary / CONFIG, raw | {"vocab_size": self.config.rows})
            others = dict(getattr(self.tokenizer, "files", {})) | dict(self.other_files)
            for name, content in others.items():
                files.write_bytes(temporary / name, content)

    def _check(self, ids_BxL: np.ndarray, mask_BxL: Any) -> None:
        if ids_BxL.ndim != 2 or ids_BxL.dtype.kind not in "iu":
            raise UsageError(f"ids are integers [B, L], not {ids_BxL.dtype} {ids_BxL.shape}")
        if ids_BxL.size and not 0 <= ids_BxL.min() <= ids_BxL.max() < self.config.rows:
            raise UsageError(f"ids must lie in [0, {self.config.rows})")
        if mask_BxL is not None and np.shape(mask_BxL) != ids_BxL.shape:
            raise UsageError(f"the mask is {np.shape(mask_BxL)}, the ids are {ids_BxL.shape}")
        learned = self.config.trunk.positions == "learned"
        if learned and ids_BxL.shape[1] > self.context:
            raise UsageError(f"{ids_BxL.shape[1]} positions; this model has {self.context}")

    def _positions(self, ids_BxL: np.ndarray, mask_BxL: np.ndarray | None) -> np.ndarray | None:
        if self.masked:
            # Padding keeps a row of its own, one before the first position's.
            real_BxL = (ids_BxL != self.config.trunk.position_offset - 1).astype(np.int32)
            return (np.cumsum(real_BxL, axis=1) * real_BxL - 1).astype(np.int32)
        if mask_BxL is None:
            return None
        return np.maximum(np.cumsum(mask_BxL, axis=1) - 1, 0).astype(np.int32)


def is_hugging_face(directory: str | os.PathLike) -> bool:
    """Is this a Hugging Face folder, and not one that freevocab saved?"""
    return (Path(directory) / CONFIG).is_file() and not saved.is_own(directory)


def load(directory: str | os.PathLike, *, with_tokenizer: bool = True) -> PretrainedLM:
    """Opens a Hugging Face folder: config.json, safetensors (one file, or shards and their index).

    Parameters are float32 whatever the checkpoint has (float32, bfloat16, float16).

    Raises:
      UsageError: no such folder, no checkpoint, or a family or option that is not known here.
      FreevocabError: damaged, or a tensor that is missing, left over or of another shape (named).
    """
    directory = Path(directory)
    raw = read_config(directory)
    try:
        config, family = check_known(raw), families.of_config(raw)
    except FreevocabError as error:
        raise type(error)(f"{directory}: {error}") from None
    tensors = safetensors_shards.open_checkpoint(directory)
    params = tensor_layout.params_of(tensors, family, config, directory)
    generation = directory / "generation_config.json"
    codes = {tensor.code for tensor in tensors.values()} & set(_CODES)
    return PretrainedLM(
        jax.tree.map(jnp.asarray, params),
        config,
        raw,
        _tokenizer(directory) if with_tokenizer else None,
        _CODES[codes.pop()] if len(codes) == 1 else "float32",
        {generation.name: generation.read_bytes()} if generation.is_file() else {},
    )


def from_language_model(
    params: Mapping[str, Any],
    config: LanguageModelConfig,
    tokenizer: Tokenizer | None = None,
    family: str | None = None,
    *,
    context: int = 2048,
    dtype: str = "float32",
) -> PretrainedLM:
    """A model that was trained here as a Llama, Mistral, Qwen2 or Qwen3 (QK-norm); same logits.

    It needs rotary positions, a gated MLP and RMSNorm: `sizes.size("llama-3m")`. Rows that pad the
    tables are cut off. Where the trunk scales its inputs, sqrt(D) goes into the input table; a
    tied table becomes two, of which the readout's keeps its numbers.

    Args:
      tokenizer: of the model's ids; its files are saved too, if it has any.
      family: None: the one that fits.
      context: positions that it was trained with, for config.json.

    Raises:
      UsageError: naming what the model has and no such family.
    """
    target = families.for_export(config, family)
    if tokenizer is not None and tokenizer.vocab_size != config.vocab_size:
        raise UsageError(
            f"the model has {config.vocab_size} ids, its tokenizer {tokenizer.vocab_size}"
        )
    assert isinstance(config.vocabulary, LearnedEmbedding), "as for_export checked"
    trunk, vocabulary = config.trunk, dict(params["vocabulary"])
    if trunk.scale_inputs:
        rows_VxD = vocabulary["input_VxD"]
        vocabulary.setdefault("output_VxD", rows_VxD)
        vocabulary["input_VxD"] = rows_VxD * jnp.float32(math.sqrt(trunk.d_model))
    tied = "output_VxD" not in vocabulary
    config = dataclasses.replace(
        config,
        trunk=dataclasses.replace(trunk, scale_inputs=False, dtype="float32"),
        padded_vocab_size=config.vocab_size,
        vocabulary=dataclasses.replace(config.vocabulary, tied=tied),
    )
    raw = target.config_json(config, context=context, dtype=dtype)
    cut = jax.tree.map(lambda rows: jnp.asarray(rows)[: config.vocab_size], vocabulary)
    return PretrainedLM({**params, "vocabulary": cut}, config, raw, tokenizer, dtype)


def read_config(directory: str | os.PathLike) -> dict[str, Any]:
    """A folder's config.json.

    Raises:
      UsageError: if there is none.
      FreevocabError: if it is damaged.
    """
    path = Path(directory) / CONFIG
    if not path.is_file():
        lacking = f"it has no {CONFIG}"
        raise UsageError(contents.not_a("Hugging Face folder", Path(directory), lacking))
    return read_settings(path)


def read_settings(path: Path) -> dict[str, Any]:
    """The content of a config.json or generation_config.json; ids of special tokens are integers
    or lists of them, architectures are names.

    Raises:
      FreevocabError: it is damaged.
    """
    try:
        settings = contents.read_mapping(path)
        for name, value in settings.items():
            kind = int if name.endswith("_token_id") else str
            if value is None or (kind is str and name not in ("architectures", "model_type")):
                continue
            listed = isinstance(value, list) and name != "model_type"
            if not all(type(item) is kind for item in (value if listed else [value])):
                raise ValueError(f"its {name} is {value!r:.80}")
        return settings
    except (ValueError, OSError) as error:
        raise FreevocabError(f"{path} is damaged ({error}): get it again") from None


def check_known(raw: Mapping[str, Any]) -> LanguageModelConfig:
    """What a config.json describes, if `load` can open such a model.

    Raises:
      UsageError: a family or an option that is not known here, or quantised weights.
      FreevocabError: it is damaged.
    """
    if method := contents.quantized(raw):
        raise UsageError(
            f"its weights are quantised ({method}), which is not supported: save them as bfloat16 "
            "first, with dequantize() of transformers, or get the original"
        )
    return families.of_config(raw).language_model_config(raw)


def check_ids(tokenizer: Tokenizer, rows: int, where: str | os.PathLike) -> None:
    """Raises UsageError if ordinary ids are beyond a table's last row.

    Special tokens may be: people add some without making the table longer.
    """
    if not np.asarray(tokenizer.special_V)[rows:].all():
        raise UsageError(
            f"{where}: its tokenizer has {tokenizer.vocab_size:,} ids, its table only {rows:,} "
            "rows: it is the tokenizer of another model"
        )


def _tokenizer(directory: Path) -> tokenizers.FileTokenizer | None:
    """The folder's tokenizer; None if it has none."""
    try:
        return tokenizers.load(directory)
    except UsageError:
        return None
