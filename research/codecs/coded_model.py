"""What codecs that run a byte model share: saving it along, and a digest of what it says."""

import abc
import copy
import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from research.codecs import byte_models, saved
from research.codecs.byte_models import ByteModel, ExactByteModel, SteppedByteModel
from research.errors import UsageError
from research.files import atomic_path

MODEL_FOLDER = "model"
# Frequencies after every prefix of this text go into a fingerprint.
PROBE = "The probe: naïve café, 2,048 + 17 = 2,065.\n".encode()


class ModelCodec(abc.ABC):
    """Base of the codecs that run a byte model, compiled by JAX if it has a `stepper`."""

    kind: ClassVar[str]
    options: ClassVar[tuple[str, ...]]
    """Arguments after the model that a saved codec is made from, apart from the two below."""
    symbols: ClassVar[int]
    """256, or 257 with the end of the text."""

    # A compressed file's unit: long enough that the last window hardly counts.
    block_bytes: int | None = 1 << 16
    name: str
    model: ByteModel
    batch_size: int
    context_bytes: int
    _host_model: ByteModel | None = None
    """What stands in for a model with a `stepper` that is not to be compiled."""

    @property
    def any_machine(self) -> bool:
        """Whether ids decode on every machine, with every version of JAX. Floats need not: they are
        rounded as the compiler likes."""
        return byte_models.exact(self.model)

    def token_bytes(self) -> None:
        return None

    def on_host(self) -> Self:
        """The same codec by numpy: a model of integers is not compiled. Slower, with the same ids.

        Raises:
          UsageError: the model can only be compiled.
        """
        if not isinstance(self.model, SteppedByteModel):
            return self
        if not isinstance(self.model, ExactByteModel):
            raise UsageError(
                f"{self.name} runs a model of floats, which differ between engines: freevocab"
                " quantize makes a codec of integers"
            )
        host = copy.copy(self)
        vars(host).pop("_engine", None)
        host._host_model = self.model.on_host(self.context_bytes)
        return host

    def fingerprint(self) -> str:
        """Hex digest of the options, the model and its frequencies along `PROBE`.

        The frequencies tell where the same parameters give other numbers. With a compiled model of
        floats it also holds what the compiled loop makes of the probe, and the backend: another
        machine may round otherwise and must not decode. Of a model of integers not even the batch
        size matters.
        """
        parameters = self._parameters()
        if isinstance(self.model, ExactByteModel):
            del parameters["batch_size"]
        elif isinstance(self.model, SteppedByteModel):
            from research.codecs.byte_models.transformer import environment

            parameters |= {"environment": environment(), "probe": self._encoded_probe()}
        contexts = [PROBE[:end] for end in range(len(PROBE) + 1)]
        frequencies_NxA = self.model.window_frequencies(contexts, self.symbols)
        state = hashlib.sha256(json.dumps([self.kind, parameters], sort_keys=True).encode())
        state.update(self.model.fingerprint().encode())
        state.update(frequencies_NxA.astype("<u4").tobytes())
        return state.hexdigest()

    def save(self, directory: str | os.PathLike) -> None:
        """Writes codec.json and, next to it, the model's folder, all or nothing."""
        with atomic_path(directory, directory=True, mark=saved.SPEC.file) as temporary:
            self.model.save(temporary / MODEL_FOLDER)
            saved.SPEC.write(temporary, {"kind": self.kind} | self._parameters())

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> Self:
        arguments = {name: meta[name] for name in cls.options}
        arguments |= {name: meta[name] for name in ("batch_size", "context_bytes") if name in meta}
        return cls(byte_models.load(Path(directory) / MODEL_FOLDER), **arguments)

    def _parameters(self) -> dict[str, Any]:
        parameters = {name: self._option(name) for name in self.options}
        if isinstance(self.model, SteppedByteModel):
            parameters |= {"batch_size": self.batch_size, "context_bytes": self.context_bytes}
        return parameters

    @abc.abstractmethod
    def __init__(self, model: ByteModel, *args: Any, **options: Any):
        """As the class says."""

    @functools.cached_property
    def _engine(self) -> Any:
        """Encoder and decoder, made when they are first needed: a compiled one takes seconds."""
        if self._host_model is not None:
            return self._host_engine(self._host_model)
        if isinstance(self.model, SteppedByteModel):
            return self._compiled_engine(self.model)
        return self._host_engine(self.model)

    @abc.abstractmethod
    def _compiled_engine(self, model: SteppedByteModel) -> Any:
        """Runs `model` inside a compiled loop."""

    @abc.abstractmethod
    def _host_engine(self, model: ByteModel) -> Any:
        """Asks `model` for its `window_frequencies`."""

    def _option(self, name: str) -> Any:
        """The value of one of `options`."""
        return getattr(self, name)

    @abc.abstractmethod
    def _encoded_probe(self) -> list[int]:
        """What the compiled loop makes of `PROBE`."""


def matching_beta(model: ByteModel, beta: int | None) -> int:
    """The model's beta; a UsageError if another one was asked for."""
    if beta is not None and beta != model.beta:
        raise UsageError(f"the byte model has beta={model.beta}, the codec asks for {beta}")
    return model.beta
