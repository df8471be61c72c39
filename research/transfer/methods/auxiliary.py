"""What methods are given besides tables and tokenizers, and how it becomes vectors of entries."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from research.errors import UsageError
from research.tokenizers import Tokenizer
from research.transfer.methods.hypernetwork import Network
from research.transfer.vectors import SVDConfig, TokenVectors, WordVectors, cooccurrence, words
from research.vocabularies.protocol import EmbeddingTable


class Donor(NamedTuple):
    """Another model's table (numpy, a row for every id) and its tokenizer."""

    table: EmbeddingTable
    tokenizer: Tokenizer


@dataclasses.dataclass(frozen=True)
class Auxiliary:
    """What the command line reads from --vectors, --aux-text, --dictionary, --donor and so on.

    Vectors made of text are kept: several methods of one pair of tokenizers share them.
    """

    vectors: WordVectors | None = None
    """Word vectors of the target's language (and of the source's, if it has none of its own). See
    `research.transfer.vectors.fasttext.read`."""
    aux_text: Iterable[bytes | str] | None = None
    """Text in place of `vectors`; iterated once for each use, so no iterator."""
    source_vectors: WordVectors | None = None
    """As `vectors`, of the source's language, where it is another."""
    source_aux_text: Iterable[bytes | str] | None = None
    """As `aux_text`, of the source's language."""
    dictionary: Sequence[tuple[str, str]] | None = None
    """Pairs of words of the two languages (`words.read_dictionary`); the target's vectors are then
    rotated onto the source's."""
    donor: Donor | None = None
    """For OMP."""
    hypernetwork: Network | None = None
    """For the method of that name."""
    svd: SVDConfig = SVDConfig()
    """How vectors are made of text."""
    _prepared: dict[Any, dict[str, Any]] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def given(self) -> set[str]:
        """Names of what is there."""
        fields = {field.name for field in dataclasses.fields(self)} - {"svd", "_prepared"}
        return {name for name in fields if getattr(self, name) is not None}

    def check_languages(self, name: str) -> None:
        """Raises a UsageError unless there is one space, or two and a dictionary to align them."""
        of_source = self.given() & {"source_vectors", "source_aux_text"}
        if len(of_source) > 1:
            raise UsageError(f"method {name} takes --source-vectors or --source-aux-text, not both")
        if of_source and self.dictionary is None:
            raise UsageError(f"method {name} needs --dictionary to bring two languages' vectors "
                             "into one space")
        if self.dictionary is not None and not of_source:
            raise UsageError(f"method {name} needs --source-vectors or --source-aux-text for "
                             "--dictionary to align with")

    def prepared(self, takes: str, source: Tokenizer, target: Tokenizer) -> dict[str, Any]:
        """Keyword arguments of a method's function: what `Method.takes` names."""
        key = (takes, source.fingerprint(), target.fingerprint())
        if key not in self._prepared:
            self._prepared[key] = self._arguments(takes, source, target)
        return self._prepared[key]

    def _arguments(self, takes: str, source: Tokenizer, target: Tokenizer) -> dict[str, Any]:
        if takes == "donor":
            assert self.donor is not None  # `Method.check` has asked for it
            return {"donor_table": self.donor.table, "donor": self.donor.tokenizer}
        if takes == "network":
            return {"network": self.hypernetwork}
        if takes == "target":
            return {"vectors": self._of_entries(target)}
        if takes == "both":
            mine, theirs = self._word_spaces()
            return {
                "source_vectors": words.token_vectors(source, mine),
                "target_vectors": words.token_vectors(target, theirs),
            }
        return {}

    def _of_entries(self, target: Tokenizer) -> TokenVectors:
        if self.vectors is not None:
            return words.token_vectors(target, self.vectors)
        return cooccurrence.train(target, self.aux_text or (), self.svd)

    def _word_spaces(self) -> tuple[WordVectors, WordVectors]:
        """Word vectors of the source's and the target's language, in one space."""
        theirs = self.vectors or words.train(self.aux_text or (), self.svd)
        if self.dictionary is None:
            return theirs, theirs
        mine = self.source_vectors or words.train(self.source_aux_text or (), self.svd)
        return mine, words.align(mine, theirs, self.dictionary)
