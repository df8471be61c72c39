"""A language model's parameters and config in a folder: model.json, params.safetensors.

model.json: {"format": "freevocab-model", "version": 1, "config": {...}, "codec": fingerprint,
"params": SHA-256, "meta": {...}}. params.safetensors: float32 arrays named by their path, e.g.
trunk/layers/mlp/up/kernel. `research.codecs.lm_folder` puts the codec into the same folder.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from research import vocabularies
from research.artifact import Spec, flatten, unflatten, write_arrays
from research.errors import MALFORMED, FreevocabError, UsageError
from research.models import language_model
from research.models.language_model import LanguageModelConfig
from research.models.sizes import TrunkConfig

SPEC = Spec("model", "model.json")
_PARAMS = "params.safetensors"


def is_own(directory: str | os.PathLike) -> bool:
    """Did freevocab write this folder, and not a Hugging Face library?"""
    return (Path(directory) / SPEC.file).is_file()


def write(
    folder: Path,
    params: Mapping[str, Any],
    config: LanguageModelConfig,
    codec: str,
    extra: Mapping[str, Any] | None = None,
    called: str | os.PathLike | None = None,
    *,
    dtype: str | None = None,
) -> None:
    """Writes both files into `folder`.

    Args:
      codec: fingerprint of the codec that the model was trained with.
      extra: facts about the training (JSON values).
      called: what errors call the folder; None: by its own name.
      dtype: 'bfloat16' to store rounded parameters; None: float32.

    Raises:
      FreevocabError: the disk is full.
    """
    arrays = flatten(jax.device_get(params))
    digest = write_arrays(folder / _PARAMS, arrays, folder if called is None else called, dtype)
    fields = {"config": config_as_dict(config), "codec": codec, "params": digest}
    SPEC.write(folder, fields | {"meta": dict(extra or {})})


def load(
    directory: str | os.PathLike,
) -> tuple[dict[str, Any], LanguageModelConfig, dict[str, Any]]:
    """(params, config, the content of model.json) of a folder that `write` filled.

    Raises:
      UsageError: if there is no such folder or it is not a model.
      FreevocabError: if it is damaged or of a newer version.
    """
    directory = Path(directory)
    description = SPEC.read(directory)
    meta = description.setdefault("meta", {})
    if not isinstance(meta, dict) or type(meta.get("length", 1)) is not int:
        raise FreevocabError(f"{directory / SPEC.file} is damaged: its meta is {meta!r:.80}")
    config = config_from_dict(description.get("config"), directory)
    expected = flatten(language_model.abstract_params(config))
    arrays = SPEC.read_arrays(directory / _PARAMS, description.get("params"), expected)
    return jax.tree.map(jnp.asarray, unflatten(arrays)), config, description


def config_as_dict(config: LanguageModelConfig) -> dict[str, Any]:
    """`dataclasses.asdict`, without what older versions do not know where it is not used."""
    fields = language_model.as_dict(config)
    if not config.trunk.ngram_heads:
        del fields["trunk"]["ngram_heads"]
    return fields


def config_from_dict(fields: Any, where: str | os.PathLike) -> LanguageModelConfig:
    """The config of `config_as_dict`; unknown or missing fields are damage."""
    try:
        fields = dict(fields)
        trunk = TrunkConfig(**fields.pop("trunk"))
        # Folders from before there were other vocabularies say `tied` alone.
        if "vocabulary" not in fields:
            fields["vocabulary"] = {"kind": "learned", "tied": fields.pop("tied")}
        vocabulary = vocabularies.from_dict(fields.pop("vocabulary"))
        return LanguageModelConfig(trunk=trunk, vocabulary=vocabulary, **fields)
    except (*MALFORMED, UsageError) as error:
        raise FreevocabError(f"{where}: model.json has no usable config ({error})") from None
