"""A language model as a folder: model.json, params.safetensors, codec/.

model.json: {"format": "freevocab-model", "version": 1, "config": {...}, "codec": fingerprint,
"params": SHA-256, "meta": {...}}. params.safetensors: float32 arrays named by their path, e.g.
trunk/layers/mlp/up/kernel. codec/: what `codec.save` wrote.
"""

import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from research import codecs, vocabularies
from research.errors import FreevocabError, UsageError
from research.files import atomic_path, write_json
from research.models import language_model
from research.models.described_folder import Kind, write_arrays
from research.models.language_model import LanguageModelConfig
from research.models.sizes import TrunkConfig

_KIND = Kind("model", version=1)
DESCRIPTION = _KIND.description
_PARAMS = "params.safetensors"


def save(
    directory: str | os.PathLike,
    params: dict[str, Any],
    config: LanguageModelConfig,
    codec: codecs.Codec,
    extra: dict[str, Any] | None = None,
    *,
    dtype: str | None = None,
    with_codec: bool = True,
) -> None:
    """Writes the folder whole or not at all; a model that stands there is replaced.

    Args:
      extra: facts about the training (JSON values), returned as `meta` by `load`.
      dtype: 'bfloat16' to store rounded parameters; None: float32.
      with_codec: off for a codec that is too large to keep; `load` then has to be given it.

    Raises:
      UsageError: if what stands there is not a model, or not as this program wrote it.
      FreevocabError: if the codec is not the model's, or the disk is full.
    """
    with atomic_path(directory, directory=True, mark=DESCRIPTION) as temporary:
        write(
            temporary,
            params,
            config,
            codec,
            extra,
            directory,
            dtype=dtype,
            with_codec=with_codec,
        )


def write(
    folder: Path,
    params: dict[str, Any],
    config: LanguageModelConfig,
    codec: codecs.Codec,
    extra: dict[str, Any] | None = None,
    called: str | os.PathLike | None = None,
    *,
    dtype: str | None = None,
    with_codec: bool = True,
) -> None:
    """As `save`, into an empty folder, which errors call `called`."""
    if codec.vocab_size + 2 != config.vocab_size:
        raise FreevocabError(
            f"the model has {config.vocab_size} ids, its codec {codec.vocab_size} and BOS and EOS"
        )
    arrays = flatten(jax.device_get(params))
    digest = write_arrays(folder / _PARAMS, arrays, folder if called is None else called, dtype)
    if with_codec:
        codec.save(folder / "codec")
    description = _KIND.head() | {
        "config": config_as_dict(config),
        "codec": codec.fingerprint(),
        "params": digest,
        "meta": extra or {},
    }
    write_json(folder / DESCRIPTION, description)


def load(
    directory: str | os.PathLike, codec: codecs.Codec | None = None
) -> tuple[dict[str, Any], LanguageModelConfig, codecs.Codec, dict[str, Any]]:
    """Opens a folder that `save` wrote: (params, config, codec, meta).

    Args:
      codec: stands in for the folder's own; it has to be the one that the model was trained with.

    Raises:
      UsageError: if there is no such folder or it is no model, or it was saved without its codec
        and none is given.
      FreevocabError: if it is damaged or of a newer version.
    """
    directory = Path(directory)
    description = _description(directory)
    config = config_from_dict(description.get("config"), directory)
    wanted = flatten(
        jax.eval_shape(lambda key: language_model.init(key, config), jax.random.key(0))
    )
    arrays = _KIND.read_arrays(directory / _PARAMS, description.get("params"), wanted)
    if codec is None:
        if not (directory / "codec").is_dir():
            raise UsageError(
                f"{directory} was saved without its codec, which is large: the table that it "
                "belongs to builds it (freevocab reproduce)"
            )
        codec = codecs.load(directory / "codec")
    if codec.fingerprint() != description.get("codec"):
        raise FreevocabError(
            f"{directory}: codec/ is not the codec that the model was trained with; "
            "restore the folder or train again"
        )
    return jax.tree.map(jnp.asarray, unflatten(arrays)), config, codec, description["meta"]


def flatten(params: dict[str, Any]) -> dict[str, Any]:
    """Nested dicts to one dict with names like 'trunk/final_norm/scale', sorted."""
    flat = {}
    for name, value in params.items():
        if isinstance(value, dict):
            flat.update({f"{name}/{rest}": leaf for rest, leaf in flatten(value).items()})
        else:
            flat[name] = value
    return dict(sorted(flat.items()))


def unflatten(flat: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `flatten`."""
    params: dict[str, Any] = {}
    for name, value in flat.items():
        *path, last = name.split("/")
        node = params
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return params


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
    except (TypeError, ValueError, KeyError, UsageError) as error:
        raise FreevocabError(f"{where}: model.json has no usable config ({error})") from None


def _description(directory: Path) -> dict[str, Any]:
    description = _KIND.read(directory)
    meta = description.setdefault("meta", {})
    if not isinstance(meta, dict) or type(meta.get("length", 1)) is not int:
        path = directory / _KIND.description
        raise FreevocabError(f"{path} is damaged: its meta is {meta!r:.80}")
    return description
