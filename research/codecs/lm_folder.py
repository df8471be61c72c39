"""A language model and the codec it was trained with in one folder.

What `research.models.saved` writes (model.json, params.safetensors), and in codec/ what
`codec.save` writes. model.json holds the codec's fingerprint, which `load` checks.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from research import codecs
from research.codecs.protocol import Codec, SavableCodec
from research.errors import FreevocabError, UsageError
from research.files import atomic_path
from research.models import saved
from research.models.language_model import LanguageModelConfig

MANIFEST = saved.SPEC.file
_CODEC = "codec"


def save(
    directory: str | os.PathLike,
    params: Mapping[str, Any],
    config: LanguageModelConfig,
    codec: Codec,
    extra: Mapping[str, Any] | None = None,
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
    options = {"dtype": dtype, "with_codec": with_codec}
    with atomic_path(directory, directory=True, mark=MANIFEST) as temporary:
        write(temporary, params, config, codec, extra, directory, **options)


def write(
    folder: Path,
    params: Mapping[str, Any],
    config: LanguageModelConfig,
    codec: Codec,
    extra: Mapping[str, Any] | None = None,
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
    if with_codec:
        if not isinstance(codec, SavableCodec):
            raise FreevocabError(f"{codec.name} has no folder format: save it with_codec=False")
        codec.save(folder / _CODEC)
    saved.write(folder, params, config, codec.fingerprint(), extra, called, dtype=dtype)


def load(
    directory: str | os.PathLike, codec: Codec | None = None
) -> tuple[dict[str, Any], LanguageModelConfig, Codec, dict[str, Any]]:
    """Opens a folder that `save` wrote: (params, config, codec, meta).

    Args:
      codec: stands in for the folder's own; it has to be the one that the model was trained with.

    Raises:
      UsageError: if there is no such folder or it is not a model, or it was saved without its codec
        and none is given.
      FreevocabError: if it is damaged or of a newer version.
    """
    params, config, description = saved.load(directory)
    if codec is None:
        folder = Path(directory) / _CODEC
        if not folder.is_dir():
            raise UsageError(
                f"{directory} was saved without its codec, which is large: the table that it "
                "belongs to builds it (freevocab reproduce)"
            )
        codec = codecs.load(folder)
    if codec.fingerprint() != description.get("codec"):
        raise FreevocabError(
            f"{directory}: codec/ is not the codec that the model was trained with; "
            "restore the folder or train again"
        )
    return params, config, codec, description["meta"]
