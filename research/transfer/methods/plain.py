"""What needs nothing but the source's rows: random, mean, and lexical overlap."""

import numpy as np

from research.tokenizers import Tokenizer
from research.transfer.matching import Match, finish, mean_row
from research.transfer.methods import rows
from research.vocabularies.table import Table


def random(
    source_table: Table, source: Tokenizer, target: Tokenizer, *, match: Match, seed: int
) -> Table:
    """Every ordinary row drawn from N(mean, variance) of the source's, per dimension.

    Nothing is copied but special rows: the floor that any method has to beat.
    """
    made = rows.drawn(source_table, match.ordinary_source_V, target.match_bytes(), seed)
    return finish(made, source_table, match, copy_overlap=False)


def mean(
    source_table: Table, source: Tokenizer, target: Tokenizer, *, match: Match, seed: int
) -> Table:
    """Every ordinary row is the mean of the source's; a model then predicts nothing (`seed` is
    not used)."""
    made = Table(*(
        None if one is None
        else np.repeat(mean_row(np.asarray(one), match)[None], match.target_size, 0)
        for one in source_table
    ))  # fmt: skip
    return finish(made, source_table, match, copy_overlap=False)


def overlap(
    source_table: Table, source: Tokenizer, target: Tokenizer, *, match: Match, seed: int
) -> Table:
    """Lexical: equal entries keep their row, all others are drawn as `random` draws them."""
    made = rows.drawn(source_table, match.ordinary_source_V, target.match_bytes(), seed)
    return finish(made, source_table, match, copy_overlap=True)
