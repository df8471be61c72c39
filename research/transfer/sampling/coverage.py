"""Which entries of a held-out tokenizer the tokenizers of a training have contained."""

from collections.abc import Iterable

from research.transfer.sampling.sampled_tokenizer import SampledTokenizer


class Seen:
    """Watches strings; nothing that is sampled depends on it.

    Args:
      strings: entries of all the tokenizers that will be asked for.
    """

    def __init__(self, strings: Iterable[bytes]):
        self._watched = frozenset(strings) - {b""}
        self._missing = set(self._watched)

    def add(self, tokenizer: SampledTokenizer) -> None:
        """A training's step has used this tokenizer."""
        self._missing.difference_update(tokenizer.token_bytes())

    @property
    def missing(self) -> frozenset[bytes]:
        """Watched strings that no tokenizer has had yet."""
        return frozenset(self._missing)

    def restore(self, missing: Iterable[bytes]) -> None:
        """Goes on from where `missing` was noted."""
        self._missing &= set(missing)

    def share(self, strings: Iterable[bytes]) -> float:
        """Share of these different strings (watched ones, b"" left out) that have been seen."""
        asked = self._watched.intersection(strings)
        return 1 - len(asked & self._missing) / len(asked) if asked else 0.0
