"""The paper's M1: a byte-level Transformer that gives integer frequencies.

Two ways to ask it. `window_frequencies` runs whole contexts, for compiling a codebook or for a
fingerprint. `stepper` is a pure function with a key-value cache, which a codec compiles into its
loop. The two round differently in the last bits, so a codec uses one of them for everything: its
encoder and its decoder run the same compiled program at the same fixed shape.
"""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research.artifact import flatten
from research.codecs import lm_folder
from research.codecs.basic import BytesCodec
from research.codecs.byte_models import Stepper, transformer_step
from research.codecs.coder.frequencies import check, integer_frequencies
from research.errors import UsageError
from research.models import language_model, saved
from research.models.decoding import power_of_two
from research.models.language_model import LanguageModelConfig
from research.vocabularies import cross_entropy, learned

BYTES = 256
START = 256  # the symbol before the first byte of a context (BOS)


@dataclasses.dataclass(frozen=True, eq=False)
class TransformerModel:
    """A language model over bytes as a `ByteModel`.

    Raises:
      UsageError: not a causal model over 258 ids, or beta out of range.
    """

    params: dict[str, Any]
    """Of `research.models.language_model`."""
    config: LanguageModelConfig
    """With vocab_size 258: the bytes, BOS (the start of a context), EOS (the text's end)."""
    beta: int = 14
    """Frequencies sum to 2**beta."""
    name: str = "transformer"
    """What tables call it."""
    context: int = 1024
    """Symbols that `window_frequencies` looks at, at most."""
    batch_size: int = 64
    """Contexts of one call; fixed, as is every shape here."""

    @property
    def order(self) -> None:
        """No limit but `context`."""
        return None

    def __post_init__(self):
        if self.config.vocab_size != BYTES + 2 or not self.config.trunk.causal:
            raise UsageError("a byte model is a causal language model over 256 bytes, BOS and EOS")
        if options := self.config.trunk.family_options:
            raise UsageError(f"a byte model's trunk cannot have {', '.join(options)}")
        check(BYTES, self.beta)

    def window_frequencies(self, contexts: Sequence[bytes], symbols: int = 256) -> np.ndarray:
        """Frequencies of the next symbol after each context, uint32 [N, symbols].

        Contexts are run in batches of one size, padded to a power of two: which row a context
        gets, and what is in the others, makes no difference.
        """
        result = np.empty((len(contexts), symbols), np.uint32)
        clipped = [self._ids(context) for context in contexts]
        buckets: dict[int, list[int]] = {}
        for index, ids in enumerate(clipped):
            buckets.setdefault(power_of_two(len(ids), 8), []).append(index)
        for length, members in sorted(buckets.items()):
            for start in range(0, len(members), self.batch_size):
                part = members[start : start + self.batch_size]
                ids_BxL = np.zeros((self.batch_size, length), np.int32)
                length_B = np.ones(self.batch_size, np.int32)
                for row, index in enumerate(part):
                    ids_BxL[row, : len(clipped[index])] = clipped[index]
                    length_B[row] = len(clipped[index])
                rows = _after(self.params, self.config, ids_BxL, length_B, self.beta, symbols)
                result[part] = np.asarray(rows)[: len(part)]
        return result

    def stepper(self, batch: int, context: int, symbols: int = 256) -> Stepper:
        """Pure functions for `batch` rows that each look back `context` symbols."""
        config, beta = self.config, self.beta
        ids = (*range(BYTES), config.eos_id)[:symbols]
        weights = jax.jit(lambda params: transformer_step.prepare(params, config, ids))(self.params)

        def start(weights):
            logits_A, state = transformer_step.start(weights, config, batch, context)
            return _frequencies(logits_A[None], beta)[0], state

        def step(weights, state, last_B, length_B):
            logits_BxA, state = transformer_step.step_logits(
                weights, config, last_B, length_B, state
            )
            return _frequencies(logits_BxA, beta), state

        return Stepper(weights, start, step)

    def fingerprint(self) -> str:
        """Hex digest of the parameters, the shape, beta and what bounds a context."""
        facts = [saved.config_as_dict(self.config), self.beta, self.context, self.batch_size]
        state = hashlib.sha256(repr(facts).encode())
        for name, array in flatten(self.params).items():
            state.update(name.encode())
            state.update(np.ascontiguousarray(jax.device_get(array)).tobytes())
        return state.hexdigest()

    def save(self, directory: str | os.PathLike) -> None:
        """Writes a language model's folder; its meta says the rest."""
        extra = {"beta": self.beta, "name": self.name}
        extra |= {"context": self.context, "batch_size": self.batch_size}
        lm_folder.save(directory, self.params, self.config, BytesCodec(), {"byte_model": extra})

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> "TransformerModel":
        """Opens what `save`, or `freevocab train m1`, wrote."""
        params, config, _, extra = lm_folder.load(directory)
        return cls(params, config, **extra.get("byte_model", {}))

    def _ids(self, context: bytes) -> list[int]:
        ids = [self.config.bos_id, *context]
        return ids[max(0, len(ids) - self.context) :]


def environment() -> str:
    """What a compiled model's floats depend on apart from its parameters: backend, device, step."""
    device = f"{jax.default_backend()} {jax.devices()[0].device_kind}"
    return f"{device}, step {transformer_step.VERSION}"


@functools.partial(jax.jit, static_argnames=("config", "beta", "symbols"))
def _after(params, config, ids_BxL, length_B, beta, symbols):
    """Frequencies [B, symbols] after `length_B` ids of each row."""
    table = learned.table(params["vocabulary"])
    y_BxLxD = language_model.hidden(params, config, ids_BxL, table=table)
    last_BxD = jnp.take_along_axis(y_BxLxD, (length_B - 1)[:, None, None], axis=1)[:, 0]
    logits_BxV = cross_entropy.masked_logits(table, last_BxD, config.vocab_size)
    logits_BxA = logits_BxV[:, :BYTES]
    if symbols > BYTES:
        end_Bx1 = logits_BxV[:, config.eos_id : config.eos_id + 1]
        logits_BxA = jnp.concatenate([logits_BxA, end_Bx1], axis=1)
    return _frequencies(logits_BxA, beta)


def _frequencies(logits_BxA, beta):
    return integer_frequencies(jax.nn.softmax(logits_BxA, axis=-1), beta)
