"""FOCUS (Dobler and de Melo, 2023): new rows are sparse mixtures of the overlapping ones."""

import numpy as np

from research.errors import UsageError
from research.tokenizers import Tokenizer
from research.transfer.matching import Match, finish
from research.transfer.methods import rows, similarity
from research.transfer.vectors import TokenVectors
from research.vocabularies.table import Table


def focus(
    source_table: Table,
    source: Tokenizer,
    target: Tokenizer,
    *,
    match: Match,
    seed: int,
    vectors: TokenVectors,
) -> Table:
    """Equal entries keep their row; others are sum over the overlap of sparsemax(cosines) * row.

    Cosines are those of `vectors`, auxiliary vectors of the target's entries (the paper: fastText
    trained on text in the target's tokens). Entries without a vector are drawn from N(mean,
    variance) of the source's rows.

    Raises:
      UsageError: no overlapping entry has a vector.
    """
    new_M = match.new_target_M[vectors.known_V[match.new_target_M]]
    anchored_N = vectors.known_V[match.overlap_target_N]
    if len(new_M) and not anchored_N.any():
        raise UsageError("no entry that both tokenizers have has an auxiliary vector: "
                         "give more of --aux-text, or --vectors of the target's language")
    anchors_N = match.overlap_target_N[anchored_N]
    weights = similarity.weights(vectors, new_M, vectors, anchors_N, similarity.sparsemax)
    shape = (target.vocab_size, source.vocab_size)
    placed = rows.placed(weights, new_M, match.overlap_source_N[anchored_N], shape)
    mixed = rows.combined(placed, source_table)
    random = rows.drawn(source_table, match.ordinary_source_V, target.match_bytes(), seed)
    mixed_T = np.zeros(target.vocab_size, bool)
    mixed_T[new_M] = True
    return finish(rows.replaced(random, mixed, mixed_T), source_table, match, copy_overlap=True)
