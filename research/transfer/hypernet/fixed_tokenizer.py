"""Batches of one tokenizer, for n-shot training on the target itself."""

from typing import NamedTuple

import numpy as np

from research.errors import UsageError
from research.tokenizers import Tokenizer
from research.transfer.sampling import TextWindows
from research.transfer.sampling.batches import filled


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
      language: of the text, for a network that has several.

    Raises:
      UsageError: if the tokenizer has no BOS or EOS.
    """

    def __init__(
        self, tokenizer: Tokenizer, windows: TextWindows, *, length: int, language: int = 0
    ):
        like = {"bos": ("bos", "cls", "eos"), "eos": ("eos", "sep", "bos")}
        found = {
            role: next((tokenizer.roles[name] for name in names if name in tokenizer.roles), None)
            for role, names in like.items()
        }
        if None in found.values():
            raise UsageError(f"the tokenizer {tokenizer.name} has no token to begin a text with")
        self.tokenizer = _WithRoles(tokenizer, found)
        self._windows, self._length, self._language = windows, length, language

    def at(self, step: int) -> FixedBatch:
        """The batch of a step."""
        rows = self._windows.batch(step)
        ids = self.tokenizer.encode([part for row in rows for part in row])
        roles = self.tokenizer.roles
        batch = filled(ids, rows, self._length, roles["bos"], roles["eos"])
        return FixedBatch(self.tokenizer, batch, rows)

    def source(self, step: int) -> tuple[int, int]:
        """The language, and how many steps before it took the same."""
        return self._language, step


class _WithRoles:
    """A tokenizer whose BOS and EOS are known by these roles, whatever it calls them."""

    def __init__(self, tokenizer: Tokenizer, roles: dict[str, int]):
        self._tokenizer = tokenizer
        self.roles = {**tokenizer.roles, **roles}

    def __getattr__(self, name: str):
        return getattr(self._tokenizer, name)
