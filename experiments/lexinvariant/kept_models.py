"""How the models of scale hours are kept in the repository; see `experiments.shared.weights`."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from configs.lexinvariant.parts import ModelConfig
from experiments.shared.weights import Format
from research.artifact import Spec, flatten, unflatten, write_arrays
from research.codecs import lm_folder
from research.codecs.protocol import Codec
from research.files import atomic_path
from research.models.language_model import LanguageModelConfig

_ARRAYS = Spec("arrays", "arrays.json")
_FILE = "arrays.safetensors"


def settings(model: ModelConfig) -> dict[str, Any]:
    """What decides on a trained model; how a step is computed and kept does not."""
    fields = dataclasses.asdict(model)
    for name in ("parallelism", "remat", "save_every", "name"):
        del fields[name]
    return fields


def language_model(config: LanguageModelConfig, codec: Codec) -> Format:
    """A model's folder, with its codec."""

    def save(folder: Path, params: Any) -> None:
        lm_folder.save(folder, params, config, codec, dtype="bfloat16")

    return Format(save, lambda folder: lm_folder.load(folder, codec)[0])


def arrays(init: Callable[[jax.Array], Any]) -> Format:
    """Parameters alone, of something that has no codec: arrays.json and arrays.safetensors.

    Args:
      init: typed key -> parameters like those that are kept.
    """

    def save(folder: Path, params: Any) -> None:
        with atomic_path(folder, directory=True) as temporary:
            flat = flatten(jax.device_get(params))
            digest = write_arrays(temporary / _FILE, flat, folder, "bfloat16")
            _ARRAYS.write(temporary, {"arrays": digest})

    def load(folder: Path) -> Any:
        expected = flatten(jax.eval_shape(init, jax.random.key(0)))
        digest = _ARRAYS.read(folder).get("arrays")
        found = _ARRAYS.read_arrays(folder / _FILE, digest, expected)
        return jax.tree.map(jnp.asarray, unflatten(found))

    return Format(save, load)
