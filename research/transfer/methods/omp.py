"""OMP (Goddard and Fernandes Neto, 2025): a new row is written with shared tokens, as a donor's is.

The donor is a model that uses the target's tokenizer. Its row of a new token is approximated by a
few of its rows of tokens that both models have; the same weights on our rows of those tokens give
the new row.

`pursue` is orthogonal matching pursuit of many vectors over the same atoms. Not scikit-learn's:
correlations are kept up to date by the Gram matrix and a Cholesky factor that grows by one row at
each step (Rubinstein et al., 2008), so the work does not depend on the vectors' dimension. For 64
atoms out of 10,000 that is about a quarter of what matrix products of residuals take at 256
dimensions, and a sixth at 768.
"""

import concurrent.futures
import os

import numpy as np
import scipy.sparse

from research.errors import UsageError
from research.numba_jit import compiled
from research.tokenizers import Tokenizer
from research.transfer import matching
from research.transfer.matching import finish
from research.transfer.methods import rows
from research.transfer.methods.rows import Inputs
from research.transfer.vectors import TokenVectors
from research.transfer.vectors.cooccurrence import unit_rows
from research.vocabularies.protocol import EmbeddingTable

ATOMS = 64  # the paper's k
# Steps end when no atom correlates with the residual by more than this part of the vector's
# length (float32 rounds at a tenth of it) ...
TOLERANCE = 1e-5
# ... or when what is new in the best atom is no longer than the root of this.
NEW_PART = 1e-5
MAX_ATOMS = 20_000  # a Gram matrix of 1.6 GB
TILE = 2048  # atoms whose correlations are brought up to date at a time: they stay in cache
CHUNK = 256  # vectors at a time


def omp(
    inputs: Inputs, *, donor_table: EmbeddingTable, donor: Tokenizer, k: int = ATOMS
) -> EmbeddingTable:
    """Equal entries keep their row, others are `k`-sparse in them, by a donor's table.

    Untied models are written table by table, the bias with the output's weights; if either is
    tied, the input table's weights serve for all. Entries that the donor does not have are the
    mean of their source pieces (FVT). The donor's tokenizer may be the target's or a larger one.

    Raises:
      UsageError: no entry is shared by source, target and donor.
    """
    of_donor = matching.match(donor, inputs.target)
    donor_T = np.full(inputs.target.vocab_size, -1, np.int64)
    donor_T[of_donor.overlap_target_N] = of_donor.overlap_source_N
    known_T = donor_T >= 0

    def expanded(table):
        return np.asarray(table)[np.maximum(donor_T, 0)] * known_T[:, None]

    untied = donor_table.output_VxD is not None and inputs.table.output_VxD is not None
    output = expanded(donor_table.output_VxD) if untied else None
    reference = EmbeddingTable(expanded(donor_table.input_VxD), output)
    return _by(reference, known_T, inputs, k, "the donor")


def omp_aux(inputs: Inputs, *, vectors: TokenVectors, k: int = ATOMS) -> EmbeddingTable:
    """As `omp`, with auxiliary vectors of the target's entries in place of a donor's rows.

    Raises:
      UsageError: no entry that both tokenizers have has a vector.
    """
    reference = EmbeddingTable(vectors.vectors_VxK)
    return _by(reference, vectors.known_V, inputs, k, "--aux-text")


def _by(reference, known_T, inputs, k, whose):
    """The target's table, by a reference table of the target's ids (rows where known_T)."""
    match, table = inputs.match, inputs.table
    new_M = match.new_target_M[known_T[match.new_target_M]]
    shared_N = np.flatnonzero(known_T[match.overlap_target_N])
    if len(new_M) and not len(shared_N):
        raise UsageError(f"no entry is shared by the source, the target and {whose}: "
                         "OMP has nothing to write new rows with")
    # In the order of their bytes: ids do not decide between equal atoms.
    tokens = inputs.target.match_bytes()
    shared_N = np.array(sorted(shared_N, key=lambda n: tokens[match.overlap_target_N[n]]), np.int64)
    weights = [_weights(one, new_M, shared_N, inputs, k) for one in reference if one is not None]
    fallback = rows.piece_means(inputs, inputs.source.decompose(tokens))
    input_side = rows.combined(weights[0], EmbeddingTable(table.input_VxD))
    others = rows.combined(weights[-1], table._replace(input_VxD=None))
    pursued = others._replace(input_VxD=input_side.input_VxD)
    return finish(rows.replaced(fallback, pursued, new_M), table, match, copy_overlap=True)


def _weights(reference_TxD, new_M, shared_N, inputs, k):
    """Weights [target ids, source ids]: those of the donor's rows, for our rows of shared ids."""
    match = inputs.match
    atoms_AxD = reference_TxD[match.overlap_target_N[shared_N]]
    weights = pursue(reference_TxD[new_M], atoms_AxD, k)
    return rows.placed(weights, new_M, match.overlap_source_N[shared_N], inputs)


def pursue(
    vectors_TxD: np.ndarray, atoms_AxD: np.ndarray, k: int, *, max_atoms: int = MAX_ATOMS
) -> scipy.sparse.csr_array:
    """Weights [T, A] float64, at most k a row, with weights @ atoms near the vectors.

    Each step takes the atom whose correlation with the residual is greatest in size, of atoms at
    length 1 (the first of equal atoms); at the end the weights of those taken are refitted by least
    squares in float64. Zero vectors get no weights, zero atoms are never taken.

    Args:
      max_atoms: of more atoms only this many take part: those that correlate best with some vector.
    """
    vectors_TxD, atoms_AxD = (np.asarray(x, np.float32) for x in (vectors_TxD, atoms_AxD))
    unit_TxD = unit_rows(vectors_TxD)
    length_A = np.sqrt(np.einsum("ad,ad->a", atoms_AxD, atoms_AxD, dtype=np.float64))
    part_M = _taking_part(unit_TxD, unit_rows(atoms_AxD), length_A, max_atoms)
    shape = (len(vectors_TxD), len(atoms_AxD))
    if not len(part_M):
        return scipy.sparse.csr_array(shape)
    unit_MxD = unit_rows(atoms_AxD[part_M])
    chosen_TxK = _choose(unit_TxD, unit_MxD, k)
    weights_TxK = np.concatenate([np.zeros((0, k)), *(
        _refit(vectors_TxD[start : start + CHUNK], unit_MxD, chosen_TxK[start : start + CHUNK])
        for start in range(0, len(vectors_TxD), CHUNK)
    )])  # fmt: skip
    t, step = np.nonzero(chosen_TxK >= 0)
    atoms_N = part_M[chosen_TxK[t, step]]
    return scipy.sparse.csr_array((weights_TxK[t, step] / length_A[atoms_N], (t, atoms_N)), shape)


def _taking_part(unit_TxD, unit_AxD, length_A, max_atoms):
    """Atoms that may be taken, ascending: none that is zero, of equal ones the first."""
    _, first = np.unique(unit_AxD, axis=0, return_index=True)
    nonzero_N = np.sort(first[length_A[first] > 0])
    if len(nonzero_N) <= max_atoms:
        return nonzero_N
    best_A = np.zeros(len(unit_AxD), np.float32)
    for start in range(0, len(unit_TxD), CHUNK):
        best_A = np.maximum(best_A, np.abs(unit_TxD[start : start + CHUNK] @ unit_AxD.T).max(0))
    best_first = nonzero_N[np.argsort(-best_A[nonzero_N], kind="stable")]
    return np.sort(best_first[:max_atoms])


def _choose(unit_TxD, unit_MxD, k):
    """The atoms of each vector in the order taken, int64 [T, k], -1 after the last."""
    chosen_TxK = np.full((len(unit_TxD), k), -1, np.int64)
    gram_MxM = unit_MxD @ unit_MxD.T
    loop = compiled(pursuit_loop)

    def one(start):
        rows = slice(start, start + CHUNK)
        correlation_CxM = unit_TxD[rows] @ unit_MxD.T
        basis_KxM = np.empty((k, len(unit_MxD)), np.float32)
        loop(correlation_CxM, gram_MxM, basis_KxM, chosen_TxK[rows], TOLERANCE, NEW_PART, TILE)

    # Each vector for itself, so neither chunks nor threads change a bit.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(one, range(0, len(unit_TxD), CHUNK)))
    return chosen_TxK


def pursuit_loop(correlation_TxM, gram_MxM, basis_KxM, chosen_TxK, tolerance, new_part, tile):
    """Fills `chosen_TxK`; the correlations and the basis are scratch. For numba.

    basis[j] holds <atom, q_j> of every atom with the j-th direction of the orthonormal basis that
    the taken atoms span; it is row j of a Cholesky factor, extended to all atoms.
    """
    num_vectors, num_atoms = correlation_TxM.shape
    limit = chosen_TxK.shape[1]
    shares = np.empty(limit, np.float32)
    for t in range(num_vectors):
        # Floats without a sign are ordered as their bits are, and integers compare faster.
        correlation = correlation_TxM[t]
        bits = correlation.view(np.int32)
        for k in range(limit):
            greatest = np.int32(0)
            for a in range(num_atoms):
                greatest = max(greatest, bits[a] & np.int32(0x7FFFFFFF))
            best = 0
            while bits[best] & np.int32(0x7FFFFFFF) != greatest:
                best += 1
            rest = np.float64(1.0)
            for j in range(k):
                shares[j] = basis_KxM[j, best]
                rest -= np.float64(shares[j]) ** 2
            if abs(correlation[best]) <= tolerance or rest <= new_part:
                break
            chosen_TxK[t, k] = best
            scale = np.float32(1.0 / np.sqrt(rest))
            step = correlation[best] * scale
            for start in range(0, num_atoms, tile):
                stop = min(start + tile, num_atoms)
                # Loops over whole slices of one length: these are what becomes vector code.
                new, here = basis_KxM[k, start:stop], correlation[start:stop]
                from_gram = gram_MxM[best, start:stop]
                for a in range(len(new)):
                    new[a] = from_gram[a]
                j = 0
                while j + 4 <= k:
                    old_0, old_1 = basis_KxM[j, start:stop], basis_KxM[j + 1, start:stop]
                    old_2, old_3 = basis_KxM[j + 2, start:stop], basis_KxM[j + 3, start:stop]
                    by_0, by_1, by_2, by_3 = shares[j], shares[j + 1], shares[j + 2], shares[j + 3]
                    for a in range(len(new)):
                        new[a] -= (by_0 * old_0[a] + by_1 * old_1[a]) + (
                            by_2 * old_2[a] + by_3 * old_3[a]
                        )
                    j += 4
                while j < k:
                    old, by = basis_KxM[j, start:stop], shares[j]
                    for a in range(len(new)):
                        new[a] -= by * old[a]
                    j += 1
                for a in range(len(new)):
                    new[a] *= scale
                    here[a] -= step * new[a]
            for j in range(k + 1):
                correlation[chosen_TxK[t, j]] = np.float32(0.0)


def _refit(vectors_CxD, unit_MxD, chosen_CxK):
    """Least-squares weights of the chosen atoms at length 1, float64 [C, k]; 0 where none."""
    here_CxK = chosen_CxK >= 0
    taken_CxKxD = unit_MxD[np.maximum(chosen_CxK, 0)].astype(np.float64) * here_CxK[..., None]
    normal_CxKxK = np.einsum("ckd,cjd->ckj", taken_CxKxD, taken_CxKxD, optimize=True)
    k = chosen_CxK.shape[1]
    normal_CxKxK[:, np.arange(k), np.arange(k)] += ~here_CxK
    right_CxK = np.einsum("ckd,cd->ck", taken_CxKxD, vectors_CxD.astype(np.float64))
    return np.linalg.solve(normal_CxKxK, right_CxK[..., None])[..., 0]
