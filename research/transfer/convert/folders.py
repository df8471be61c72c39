"""What a transfer needs to know of a model's folder; see `hf_folder` and `own_folder`."""

import abc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from research.tokenizers import Tokenizer
from research.transfer.matching import Match
from research.vocabularies.protocol import EmbeddingTable


class Source(abc.ABC):
    """The model that is moved, or its base, opened."""

    hugging_face: ClassVar[bool]

    def __init__(self, name: str, tokenizer: Tokenizer):
        self.name = name
        """The folder as it was given."""
        self.tokenizer = tokenizer

    @abc.abstractmethod
    def table(self) -> EmbeddingTable:
        """Float32 rows of the tokenizer's ids, numpy; read anew by each call."""

    @abc.abstractmethod
    def check_measurable(self) -> None:
        """Raises UsageError for a model that has no bits/byte."""

    @abc.abstractmethod
    def open_target(self, name: str) -> Tokenizer:
        """The new tokenizer.

        Raises:
          UsageError: there is none of that name, or this model cannot have it.
          FreevocabError: it is damaged.
        """

    @abc.abstractmethod
    def move(self, target: Tokenizer, match: Match, dtype: str | None) -> "Move":
        """What will become of the model; nothing is written yet.

        Raises:
          UsageError: the model cannot have this tokenizer, or numbers of this type.
          FreevocabError: a file is damaged.
        """

    @abc.abstractmethod
    def digests(self) -> dict[str, str]:
        """Which model it is, by what is replaced: SHA-256 or fingerprint by name."""

    @abc.abstractmethod
    def licences(self) -> list[Path]:
        """The files that say on which terms the model may be used, sorted."""


class Move(abc.ABC):
    """A model with its new tokenizer, as it will be written."""

    def __init__(self, tokenizer: Tokenizer, match: Match, notes: list[str]):
        self.tokenizer, self.match = tokenizer, match
        self.notes = notes
        """What a reader should know, one line each."""

    @abc.abstractmethod
    def facts(self) -> dict[str, Any]:
        """Fields of `plan.Plan` about the model, its tables and its size, before and after."""

    @abc.abstractmethod
    def change_trunk(
        self,
        trunk: Mapping[str, Any],
        weight: float,
        check: Callable[[str], None],
        base: Source | None,
    ) -> None:
        """Adds what n-shot training did to the trunk of `base`, or of the model itself.

        Args:
          trunk: what training left, of our layout.
          weight: how much of the change is added.
          check: takes `task_vectors.fingerprint` of the trunk that the change is taken from.

        Raises:
          UsageError: the trunks are not of one shape; and what `check` raises.
        """

    @abc.abstractmethod
    def write(
        self,
        directory: Path,
        table: EmbeddingTable,
        record: Mapping[str, Any],
        progress: Callable[[int], None],
    ) -> None:
        """Fills an empty folder with all but the card.

        Args:
          table: the new one.
          record: content of freevocab_transfer.json, without scores.
          progress: called with the bytes of each piece.
        """
