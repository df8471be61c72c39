"""A pretrained language model: its folder, parameters and logits."""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research import files, tokenizers
from research.errors import FreevocabError, UsageError
from research.models import language_model
from research.models.language_model import LanguageModelConfig
from research.models.pretrained import config_files, configs, layout, shards
from research.models.pretrained.names import names

CONFIG = "config.json"
DTYPES = ("float32", "bfloat16", "float16")
_CODES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
_BESIDE = ("generation_config.json",)

_logits = jax.jit(language_model.logits, static_argnums=1)


@dataclasses.dataclass(frozen=True)
class PretrainedLM:
    """A model of one of the families.

    Attributes:
      params: {'trunk', 'vocabulary'} as `language_model` has them, float32.
      config: of the language model; all rows of the checkpoint's tables are ids, whether or not
        the tokenizer has that many.
      raw: config.json.
      tokenizer: the folder's, or None.
      dtype: of the checkpoint, which `save` writes.
      beside: other files of the folder that belong to the model, by name.
    """

    params: dict[str, Any]
    config: LanguageModelConfig
    raw: Mapping[str, Any]
    tokenizer: tokenizers.Tokenizer | None = None
    dtype: str = "float32"
    beside: Mapping[str, bytes] = dataclasses.field(default_factory=dict)

    @property
    def family(self) -> str:
        """'gpt2', 'llama', 'mistral', 'qwen2', 'qwen3', 'gemma2', 'roberta' or 'xlm-roberta'."""
        return configs.family_of(self.raw)

    @property
    def masked(self) -> bool:
        """True if it predicts masked tokens from both sides, not the next one."""
        return not self.config.trunk.causal

    @property
    def context(self) -> int:
        """Positions that the model was made for."""
        return configs.context(self.raw)

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
        tensors = layout.tensors_of(
            params, names(self.family, self.config), self.config, jnp.dtype(dtype)
        )
        with files.atomic_path(directory, directory=True, mark=CONFIG) as temporary:
            shards.write_checkpoint(temporary, (shards.entry(*one) for one in tensors))
            raw = config_files.both_generations(self.raw, dtype)
            files.write_json(temporary / CONFIG, raw | {"vocab_size": self.config.rows})
            beside = dict(getattr(self.tokenizer, "files", {})) | dict(self.beside)
            for name, content in beside.items():
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
        config = configs.language_model_config(raw)
        family = configs.family_of(raw)
    except FreevocabError as error:
        raise type(error)(f"{directory}: {error}") from None
    tensors = shards.open_checkpoint(directory)
    params = layout.params_of(tensors, names(family, config), config, directory)
    codes = {tensor.code for tensor in tensors.values()} & set(_CODES)
    return PretrainedLM(
        jax.tree.map(jnp.asarray, params),
        config,
        raw,
        _tokenizer(directory) if with_tokenizer else None,
        _CODES[codes.pop()] if len(codes) == 1 else "float32",
        {name: (directory / name).read_bytes() for name in _BESIDE if (directory / name).is_file()},
    )


def read_config(directory: str | os.PathLike) -> dict[str, Any]:
    """A folder's config.json.

    Raises:
      UsageError: if there is none.
      FreevocabError: if it is damaged.
    """
    path = Path(directory) / CONFIG
    if not path.is_file():
        raise UsageError(f"{directory} is no Hugging Face folder: it has no {CONFIG}")
    try:
        raw = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise FreevocabError(f"{path} is damaged: {error}") from None
    if not isinstance(raw, dict):
        raise FreevocabError(f"{path} is damaged: it is no object")
    return raw


def _tokenizer(directory: Path) -> tokenizers.FileTokenizer | None:
    """The folder's tokenizer; None if it has none."""
    try:
        return tokenizers.load(directory)
    except UsageError:
        return None
