"""The method that was asked for, ready to be given tables."""

from collections.abc import Callable

from research.codecs.tokenizer import Tokenizer
from research.transfer.heuristics import plain, subwords
from research.transfer.matching import Match
from research.transfer.rewriting.request import Request
from research.vocabularies.table import Table

Prepared = Callable[[Table, Tokenizer, Tokenizer, Match], Table]


def prepare(asked: Request, tied: bool, d_model: int) -> Prepared:
    """Opens what the method needs, so that it fails before anything else is done."""
    method = {"random": plain.random, "mean": plain.mean, "overlap": plain.overlap,
              "fvt": subwords.fvt, "byte-fvt": subwords.byte_fvt}[asked.method]

    def prepared(table: Table, source: Tokenizer, target: Tokenizer, match: Match) -> Table:
        return method(table, source, target, match=match, seed=asked.seed)

    return prepared
