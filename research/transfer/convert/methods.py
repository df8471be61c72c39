"""The method that was asked for, ready to be given tables."""

from collections.abc import Callable, Iterator

from research import corpora
from research.corpora.splits import SPLITS
from research.tokenizers import Tokenizer
from research.transfer import methods
from research.transfer.convert import families, folder
from research.transfer.convert.request import Request
from research.transfer.matching import Match
from research.transfer.methods.auxiliary import Auxiliary, Donor
from research.transfer.vectors import fasttext, words
from research.vocabularies.protocol import EmbeddingTable

Prepared = Callable[[EmbeddingTable, Tokenizer, Tokenizer, Match], EmbeddingTable]


class Text:
    """All documents of some files, as often as they are asked for.

    Raises:
      UsageError: if the glob matches none.
    """

    def __init__(self, pattern: str):
        self._corpus = corpora.load(f"text:{pattern}")

    def __iter__(self) -> Iterator[bytes]:
        for split in SPLITS:
            yield from self._corpus.documents(split)


def prepare(asked: Request, base: tuple[EmbeddingTable, Tokenizer] | None = None) -> Prepared:
    """Opens what the method needs, so that it fails before anything else is done.

    Args:
      base: what is at --base, opened.

    Raises:
      UsageError: a glob without files, a donor that is no checkpoint.
      FreevocabError: a file that is damaged.
    """
    if asked.method == methods.HYPERNETWORK:
        from research.transfer.convert.predicted import Predicted

        return Predicted(asked, base)
    method = methods.make(asked.exact_method, auxiliary(asked))

    def prepared(
        table: EmbeddingTable, source: Tokenizer, target: Tokenizer, match: Match
    ) -> EmbeddingTable:
        return method(table, source, target, match=match, seed=asked.seed)

    return prepared


def auxiliary(asked: Request) -> Auxiliary:
    """What the flags name, opened."""
    read = {
        "vectors": fasttext.read,
        "source_vectors": fasttext.read,
        "aux_text": Text,
        "source_aux_text": Text,
        "dictionary": words.read_dictionary,
        "donor": _donor,
    }
    given = {name: getattr(asked, name) for name in read}
    return Auxiliary(**{
        name: read[name](value) for name, value in given.items() if value
    })  # fmt: skip


def _donor(directory: str) -> Donor:
    source = folder.open_source(directory)
    table = families.read_table(source.layout, source.checkpoint, source.tokenizer)
    return Donor(table, source.tokenizer)
