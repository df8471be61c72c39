"""Methods that need only the source's rows: random, mean, overlap, FVT (Gee et al., 2022)."""

import jax
import numpy as np

from research.tokenizers import Pieces, Tokenizer
from research.transfer.matching import finish, mean_row
from research.transfer.methods import rows
from research.transfer.methods.rows import Inputs
from research.vocabularies.protocol import EmbeddingTable


def random(inputs: Inputs) -> EmbeddingTable:
    """Every ordinary row drawn from N(mean, variance) of the source's, per dimension.

    Nothing is copied but special rows: the floor that any method has to beat.
    """
    return finish(rows.drawn(inputs), inputs.table, inputs.match, copy_overlap=False)


def mean(inputs: Inputs) -> EmbeddingTable:
    """Every ordinary row is the mean of the source's; a model then predicts nothing."""
    match = inputs.match
    means = jax.tree.map(lambda rows: mean_row(np.asarray(rows), match), inputs.table)
    table = jax.tree.map(lambda mean: np.repeat(mean[None], match.target_size, 0), means)
    return finish(table, inputs.table, match, copy_overlap=False)


def overlap(inputs: Inputs) -> EmbeddingTable:
    """Lexical: equal entries keep their row, all others are drawn as `random` draws them."""
    return finish(rows.drawn(inputs), inputs.table, inputs.match, copy_overlap=True)


def fvt(inputs: Inputs) -> EmbeddingTable:
    """Equal entries keep their row, others are the mean of their source pieces."""
    pieces = inputs.source.decompose(inputs.target.match_bytes())
    table = rows.piece_means(inputs, pieces)
    return finish(table, inputs.table, inputs.match, copy_overlap=True)


def byte_fvt(inputs: Inputs) -> EmbeddingTable:
    """Every ordinary row is the mean of the rows of the entry's bytes.

    Nothing is copied: two entries with the same bytes in another order get the same row. A byte
    that the source has no entry for is left out; an entry of such bytes alone takes the mean row.
    """
    pieces = _bytes_as_pieces(inputs.source, inputs.target.match_bytes())
    table = rows.piece_means(inputs, pieces)
    return finish(table, inputs.table, inputs.match, copy_overlap=False)


def _bytes_as_pieces(source: Tokenizer, tokens: list[bytes]) -> Pieces:
    singles = [bytes([byte]) for byte in range(256)]
    of_source = source.match_bytes()
    first = {token: id_ for id_, token in reversed([*enumerate(of_source)]) if len(token) == 1}
    ids_256 = np.array([first.get(single, -1) for single in singles], np.int32)
    # Of several entries of one byte ("A" and "<0x41>"), the one that the tokenizer uses.
    known = [single for single in singles if single in first]
    pieces = source.decompose(known)
    first_T = pieces.start_T[:-1][pieces.counts_T > 0]
    covered = [single for single, count in zip(known, pieces.counts_T, strict=True) if count]
    for single, own in zip(covered, pieces.ids_N[first_T], strict=True):
        if of_source[own] == single and not source.special_V[own]:
            ids_256[single[0]] = own
    text_N = ids_256[np.frombuffer(b"".join(tokens), np.uint8)]
    length_T = np.array([len(token) for token in tokens], np.int64)
    token_N = np.repeat(np.arange(len(tokens)), length_T)[text_N >= 0]
    counts_T = np.bincount(token_N, minlength=len(tokens))
    start_T = np.concatenate([[0], np.cumsum(counts_T)]).astype(np.int64)
    return Pieces(text_N[text_N >= 0], start_T)
