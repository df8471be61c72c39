"""Rows from how the source writes an entry: FVT (Gee et al., 2022), and by single bytes."""

import numpy as np

from research.tokenizers import Pieces, Tokenizer
from research.transfer.matching import Match, finish
from research.transfer.methods import rows
from research.vocabularies.table import Table


def fvt(
    source_table: Table, source: Tokenizer, target: Tokenizer, *, match: Match, seed: int
) -> Table:
    """Equal entries keep their row, others are the mean of their source pieces (`seed` unused)."""
    pieces = source.decompose(target.match_bytes())
    made = rows.combined(rows.means(pieces, source.vocab_size), source_table)
    return finish(made, source_table, match, copy_overlap=True)


def byte_fvt(
    source_table: Table, source: Tokenizer, target: Tokenizer, *, match: Match, seed: int
) -> Table:
    """Every ordinary row is the mean of the rows of the entry's bytes (`seed` is not used).

    Nothing is copied: two entries with the same bytes in another order get the same row. A byte
    that the source has no entry for is left out; an entry of such bytes alone takes the mean row.
    """
    pieces = _bytes_as_pieces(source, target.match_bytes())
    made = rows.combined(rows.means(pieces, source.vocab_size), source_table)
    return finish(made, source_table, match, copy_overlap=False)


def _bytes_as_pieces(source: Tokenizer, tokens: list[bytes]) -> Pieces:
    singles = [bytes([byte]) for byte in range(256)]
    of_source = source.match_bytes()
    first = {token: id_ for id_, token in reversed([*enumerate(of_source)]) if len(token) == 1}
    ids_256 = np.array([first.get(single, -1) for single in singles], np.int32)
    # Of several entries of one byte ("A" and "<0x41>"), the one that the tokenizer uses.
    known = [single for single in singles if single in first]
    for single, own in zip(known, source.decompose(known).padded(1)[:, 0], strict=True):
        if of_source[own] == single and not source.special_V[own]:
            ids_256[single[0]] = own
    text_N = ids_256[np.frombuffer(b"".join(tokens), np.uint8)]
    length_T = np.array([len(token) for token in tokens], np.int64)
    token_N = np.repeat(np.arange(len(tokens)), length_T)[text_N >= 0]
    counts_T = np.bincount(token_N, minlength=len(tokens))
    start_T = np.concatenate([[0], np.cumsum(counts_T)]).astype(np.int64)
    return Pieces(text_N[text_N >= 0], start_T)
