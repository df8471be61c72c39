"""OMP (Goddard and Fernandes Neto, 2025): a new row is written with shared tokens, as a donor's is.

The donor is a model that uses the target's tokenizer. Its row of a new token is approximated by a
few of its rows of tokens that both models have; the same weights on our rows of those tokens give
the new row.
"""

import numpy as np

from research.errors import UsageError
from research.tokenizers import Tokenizer
from research.transfer import matching
from research.transfer.matching import Match, finish
from research.transfer.methods import pursuit, rows
from research.transfer.vectors import TokenVectors
from research.vocabularies.table import Table

ATOMS = 64  # the paper's k


def omp(
    source_table: Table,
    source: Tokenizer,
    target: Tokenizer,
    *,
    match: Match,
    seed: int,
    donor_table: Table,
    donor: Tokenizer,
    k: int = ATOMS,
) -> Table:
    """Equal entries keep their row, others are `k`-sparse in them, by a donor's table.

    Untied models are written table by table, the bias with the output's weights; if either is
    tied, the input table's weights serve for all. Entries that the donor does not have are the
    mean of their source pieces (FVT). The donor's tokenizer may be the target's or a larger one;
    `seed` is not used.

    Raises:
      UsageError: no entry is shared by source, target and donor.
    """
    of_donor = matching.match(donor, target)
    donor_T = np.full(target.vocab_size, -1, np.int64)
    donor_T[of_donor.overlap_target_N] = of_donor.overlap_source_N
    known_T = donor_T >= 0

    def expanded(table):
        return np.asarray(table)[np.maximum(donor_T, 0)] * known_T[:, None]

    untied = donor_table.output_VxD is not None and source_table.output_VxD is not None
    output = expanded(donor_table.output_VxD) if untied else None
    reference = Table(expanded(donor_table.input_VxD), output)
    return _by(reference, known_T, source_table, source, target, match, k, "the donor")


def omp_aux(
    source_table: Table,
    source: Tokenizer,
    target: Tokenizer,
    *,
    match: Match,
    seed: int,
    vectors: TokenVectors,
    k: int = ATOMS,
) -> Table:
    """As `omp`, with auxiliary vectors of the target's entries in place of a donor's rows.

    Raises:
      UsageError: no entry that both tokenizers have has a vector.
    """
    reference = Table(vectors.vectors_VxK)
    return _by(reference, vectors.known_V, source_table, source, target, match, k, "--aux-text")


def _by(reference, known_T, source_table, source, target, match, k, whose):
    """The target's table, by a reference table of the target's ids (rows where known_T)."""
    new_M = match.new_target_M[known_T[match.new_target_M]]
    shared_N = np.flatnonzero(known_T[match.overlap_target_N])
    if len(new_M) and not len(shared_N):
        raise UsageError(f"no entry is shared by the source, the target and {whose}: "
                         "OMP has nothing to write new rows with")
    # In the order of their bytes: ids do not decide between equal atoms.
    tokens = target.match_bytes()
    shared_N = np.array(
        sorted(shared_N, key=lambda n: tokens[match.overlap_target_N[n]]), np.int64
    )
    weights = [
        _weights(one, new_M, shared_N, match, (target.vocab_size, source.vocab_size), k)
        for one in (reference.input_VxD, reference.output_VxD)
        if one is not None
    ]
    pieces = source.decompose(tokens)
    fallback = rows.combined(rows.means(pieces, source.vocab_size), source_table)
    inputs = rows.combined(weights[0], Table(source_table.input_VxD))
    others = rows.combined(weights[-1], source_table._replace(input_VxD=None))
    pursued = others._replace(input_VxD=inputs.input_VxD)
    pursued_T = np.zeros(target.vocab_size, bool)
    pursued_T[new_M] = True
    made = rows.replaced(fallback, pursued, pursued_T)
    return finish(made, source_table, match, copy_overlap=True)


def _weights(reference_TxD, new_M, shared_N, match, shape, k):
    """Weights [target ids, source ids]: those of the donor's rows, for our rows of shared ids."""
    atoms_AxD = reference_TxD[match.overlap_target_N[shared_N]]
    found = pursuit.pursue(reference_TxD[new_M], atoms_AxD, k)
    return rows.placed(found, new_M, match.overlap_source_N[shared_N], shape)
