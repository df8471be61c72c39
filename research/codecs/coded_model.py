"""What codecs that run a byte model share: saving it along, and a digest of what it says."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from research.codecs import byte_models, saved
from research.codecs.byte_models import ByteModel
from research.errors import UsageError
from research.files import atomic_path

MODEL_FOLDER = "model"
# Frequencies after every prefix of this text go into a fingerprint.
PROBE = "The probe: naïve café, 2,048 + 17 = 2,065.\n".encode()


def fingerprint(kind: str, parameters: Mapping[str, Any], model: ByteModel, symbols: int) -> str:
    """Hex digest of the parameters, the model and its integer frequencies along `PROBE`.

    The frequencies tell where the same parameters give other numbers, as on another backend.
    """
    contexts = [PROBE[:end] for end in range(len(PROBE) + 1)]
    frequencies_NxA = model.window_frequencies(contexts, symbols)
    state = hashlib.sha256(json.dumps([kind, dict(parameters)], sort_keys=True).encode())
    state.update(model.fingerprint().encode())
    state.update(frequencies_NxA.astype("<u4").tobytes())
    return state.hexdigest()


def save(
    directory: str | os.PathLike, kind: str, parameters: Mapping[str, Any], model: ByteModel
) -> None:
    """Writes codec.json and, next to it, the model's folder, all or nothing."""
    with atomic_path(directory, directory=True, mark=saved.SPEC.file) as temporary:
        model.save(temporary / MODEL_FOLDER)
        saved.SPEC.write(temporary, {"kind": kind} | dict(parameters))


def load_model(directory: str | os.PathLike) -> ByteModel:
    """The model in a codec's folder."""
    return byte_models.load(Path(directory) / MODEL_FOLDER)


def matching_beta(model: ByteModel, beta: int | None) -> int:
    """The model's beta; a UsageError if another one was asked for."""
    if beta is not None and beta != model.beta:
        raise UsageError(f"the byte model has beta={model.beta}, the codec asks for {beta}")
    return model.beta


def environment() -> str:
    """What the floats of a model in a compiled loop depend on, apart from its parameters."""
    from research.codecs.byte_models.transformer import environment as current

    return current()
