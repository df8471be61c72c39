"""The integer model as a plain byte model on the host: what was run before is remembered."""

import dataclasses
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from research.codecs.byte_models.integer import layout, reference
from research.codecs.byte_models.integer.reference import History
from research.codecs.coder.frequencies import frequencies_from_counts
from research.errors import UsageError
from research.models.sizes import TrunkConfig

_KNOWN = 4096  # contexts that are remembered besides those just asked for
_FIRST_SLOTS = 16


class HostModel:
    """An integer model by numpy, for coding on the host.

    It remembers keys and values of contexts that it was asked for, so that one byte more takes one
    step; steps of different contexts are taken together.

    Args:
      arrays: as `layout.abstract_arrays` says.
      context: S, symbols that a position sees.

    Raises:
      UsageError: a context that is too long.
    """

    order = None

    def __init__(self, arrays: Mapping[str, Any], config: TrunkConfig, beta: int, context: int):
        if not 1 <= context <= layout.LONGEST:
            raise UsageError(f"an integer model looks back 1 to {layout.LONGEST}, not {context}")
        self._arrays = reference.with_wide_kernels(arrays)
        self._config = config
        self._beta = beta
        self._context = context
        self._known: OrderedDict[bytes, _State] = OrderedDict()

    def window_frequencies(self, contexts: Sequence[bytes], symbols: int = 256) -> np.ndarray:
        """Frequencies of the next symbol after each context, uint32 [N, symbols]."""
        for wave in self._waves(contexts):
            self._run(wave)
        logits_NxA = np.stack([self._known[context].logits_A for context in contexts])
        for context in contexts:
            self._known.move_to_end(context)
        while len(self._known) > _KNOWN + len(contexts):
            self._known.popitem(last=False)
        counts_NxA = reference.counts(self._arrays["exp2"], logits_NxA[:, :symbols])
        return frequencies_from_counts(counts_NxA, self._beta)

    def _waves(self, contexts: Sequence[bytes]) -> list[list[bytes]]:
        """The contexts that are not known, and their beginnings, in the order to run them: what
        stands in one list goes together."""
        waves: list[list[bytes]] = []
        wave_of: dict[bytes, int] = {}
        for context in sorted(contexts, key=len):
            missing: list[bytes] = []
            part: bytes | None = context
            while part is not None and part not in self._known and part not in wave_of:
                missing.append(part)
                part = part[:-1] if part else None
            wave = 0 if part is None else wave_of.get(part, -1) + 1
            for number, beginning in enumerate(reversed(missing), wave):
                wave_of[beginning] = number
                if number == len(waves):
                    waves.append([])
                waves[number].append(beginning)
        return waves

    def _run(self, contexts: list[bytes]) -> None:
        """One step for contexts of which all but the last symbol is known."""
        tapes = [
            self._known[context[:-1]].tape.with_room(len(context)) if context
            else _Tape(reference.empty_history(self._config, _FIRST_SLOTS), 1)
            for context in contexts
        ]  # fmt: skip
        logits_NxA = reference.step(
            self._arrays,
            self._config,
            np.array([context[-1] if context else layout.START for context in contexts]),
            np.array([len(context) for context in contexts]),
            [tape.history for tape in tapes],
            self._context,
        )
        for context, tape, logits_A in zip(contexts, tapes, logits_NxA, strict=True):
            self._known[context] = _State(tape, logits_A)


@dataclasses.dataclass(eq=False)
class _Tape:
    """Positions of a text; contexts that begin alike share it."""

    history: History
    filled: int
    """Positions that are written or about to be."""

    def with_room(self, position: int) -> "_Tape":
        """A tape that holds everything before `position`, to write it on: this one if it is the
        first to go on from there, else a copy."""
        tape = self if self.filled == position else _Tape(self.history, position)
        slots = self.history.keys.shape[2]
        if tape is not self or position == slots:
            slots = max(_FIRST_SLOTS, 2 * position)
            tape.history = History(*(_copied(array, position, slots) for array in self.history))
        tape.filled = position + 1
        return tape


@dataclasses.dataclass(frozen=True, eq=False)
class _State:
    """What is known of a context."""

    tape: _Tape
    logits_A: np.ndarray


def _copied(array: np.ndarray, filled: int, slots: int) -> np.ndarray:
    copy = np.zeros((*array.shape[:2], slots, array.shape[3]), array.dtype)
    copy[:, :, :filled] = array[:, :, :filled]
    return copy
