"""Batches of one tokenizer, for n-shot training on the target itself."""

from typing import NamedTuple

import numpy as np

from research.codecs.tokenizer import Tokenizer
from research.errors import UsageError
from research.transfer.sampling import TextWindows


class FixedBatch(NamedTuple):
    """As `research.transfer.sampling.SampledBatch`, with any tokenizer."""

    tokenizer: Tokenizer
    batch: dict[str, np.ndarray]
    rows: list[list[bytes]]


class FixedBatches:
    """Batches of text in the ids of one tokenizer, a pure function of the step.

    Args:
      tokenizer: it needs BOS and EOS, which begin rows and join documents.
      windows: the text.
      length: L, ids of a row.

    Raises:
      UsageError: if the tokenizer has no BOS or EOS.
    """

    def __init__(self, tokenizer: Tokenizer, windows: TextWindows, *, length: int):
        like = {"bos": ("bos", "cls", "eos"), "eos": ("eos", "sep", "bos")}
        found = {
            role: next((tokenizer.roles[name] for name in names if name in tokenizer.roles), None)
            for role, names in like.items()
        }
        if None in found.values():
            raise UsageError(f"the tokenizer {tokenizer.name} has no token to begin a text with")
        self.tokenizer = _WithRoles(tokenizer, found)
        self._windows, self._length = windows, length

    def at(self, step: int) -> FixedBatch:
        """The batch of a step."""
        rows = self._windows.batch(step)
        encoded = iter(self.tokenizer.encode([part for row in rows for part in row]))
        bos, eos = self.tokenizer.roles["bos"], self.tokenizer.roles["eos"]
        targets_BxL = np.full((len(rows), self._length), eos, np.int32)
        weights_BxL = np.zeros((len(rows), self._length), np.float32)
        for b, row in enumerate(rows):
            joined = [piece for _ in row for piece in (next(encoded), [eos])][:-1]
            ids_L = np.concatenate(joined)[: self._length]
            targets_BxL[b, : len(ids_L)] = ids_L
            weights_BxL[b, : len(ids_L)] = 1
        first_Bx1 = np.full((len(rows), 1), bos, np.int32)
        batch = {
            "inputs_BxL": np.concatenate([first_Bx1, targets_BxL[:, :-1]], axis=1),
            "targets_BxL": targets_BxL,
            "weights_BxL": weights_BxL,
        }
        return FixedBatch(self.tokenizer, batch, rows)


class _WithRoles:
    """A tokenizer whose BOS and EOS are known by these roles, whatever it calls them."""

    def __init__(self, tokenizer: Tokenizer, roles: dict[str, int]):
        self._tokenizer = tokenizer
        self.roles = {**tokenizer.roles, **roles}

    def __getattr__(self, name: str):
        return getattr(self._tokenizer, name)
