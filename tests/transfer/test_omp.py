"""Matching pursuit: exact recovery, a slow reference, and whole tables through a donor."""

import numpy as np
import pytest

from research import numba_jit as compiled_loops
from research.codecs.codec_tokenizer import CodecTokenizer
from research.errors import UsageError
from research.testing.tiny import TinyCodec
from research.transfer import matching, methods
from research.transfer.methods import omp
from research.transfer.methods.auxiliary import Auxiliary, Donor
from research.vocabularies.protocol import EmbeddingTable


def reference(vector_D, atoms_AxD, k):
    """One vector, in float64, refitting at every step."""
    length_A = np.linalg.norm(atoms_AxD, axis=1)
    unit_AxD = atoms_AxD / np.where(length_A > 0, length_A, 1)[:, None]
    chosen, residual_D = [], vector_D
    for _ in range(k):
        correlation_A = np.abs(unit_AxD @ residual_D)
        if correlation_A.max() <= omp.TOLERANCE * np.linalg.norm(vector_D):
            break
        chosen.append(int(correlation_A.argmax()))
        weights = np.linalg.lstsq(atoms_AxD[chosen].T, vector_D, rcond=None)[0]
        residual_D = vector_D - weights @ atoms_AxD[chosen]
    out = np.zeros(len(atoms_AxD))
    out[chosen] = weights if chosen else []
    return out


def data(num_vectors=7, num_atoms=90, width=24, *, seed=0):
    rng = np.random.default_rng(seed)
    atoms = rng.normal(size=(num_atoms, width)) * rng.uniform(0.5, 3, size=(num_atoms, 1))
    vectors = rng.normal(size=(num_vectors, width))
    return vectors.astype(np.float32), atoms.astype(np.float32), rng


@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_agrees_with_a_slow_reference(k):
    vectors, atoms, _ = data()
    found = omp.pursue(vectors, atoms, k).toarray()
    for vector, weights in zip(vectors, found, strict=True):
        expected = reference(vector.astype(np.float64), atoms.astype(np.float64), k)
        np.testing.assert_allclose(weights, expected, atol=2e-5)


def test_recovers_a_sparse_combination():
    """Of nearly orthogonal atoms, pursuit finds those that a vector was made of, and stops."""
    _, atoms, rng = data(width=2000)
    expected = np.zeros((6, 90))
    for row in expected:
        places = rng.choice(90, 4, replace=False)
        row[places] = rng.choice([-1, 1], 4) * rng.uniform(1, 2, 4)
    found = omp.pursue((expected @ atoms).astype(np.float32), atoms, 10)
    np.testing.assert_allclose(found.toarray(), expected, atol=1e-5)
    assert (np.diff(found.indptr) == 4).all()


def test_as_many_atoms_as_dimensions_give_every_vector():
    vectors, atoms, _ = data(width=8)
    found = omp.pursue(vectors, atoms, 20)
    np.testing.assert_allclose(found @ atoms, vectors, atol=1e-4)
    assert (np.diff(found.indptr) <= 8).all()


def test_zero_vectors_zero_atoms_and_equal_atoms():
    vectors, atoms, _ = data(width=8)
    vectors[2] = 0
    atoms[5] = 0
    atoms[45:] = atoms[:45]
    found = omp.pursue(vectors, atoms, 12).toarray()
    assert np.isfinite(found).all() and not found[2].any()
    assert not found[:, 5].any() and not found[:, 45:].any()  # of equal atoms the first
    np.testing.assert_allclose(np.delete(found @ atoms, 2, 0), np.delete(vectors, 2, 0), atol=1e-3)


def test_of_too_many_atoms_the_best_correlated_take_part():
    vectors, atoms, _ = data()
    found = omp.pursue(vectors, atoms, 3, max_atoms=7)
    unit = atoms / np.linalg.norm(atoms, axis=1, keepdims=True)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    best = np.argsort(-np.abs(vectors / lengths @ unit.T).max(0))[:7]
    assert set(found.indices) <= set(best)
    expected = omp.pursue(vectors, atoms[np.sort(best)], 3).toarray()
    np.testing.assert_allclose(found.toarray()[:, np.sort(best)], expected)


def test_chunks_and_threads_change_nothing(monkeypatch):
    vectors, atoms, _ = data(num_vectors=30)
    whole = omp.pursue(vectors, atoms, 6)
    monkeypatch.setattr(omp, "TILE", 32)
    assert np.array_equal(omp.pursue(vectors, atoms, 6).toarray(), whole.toarray())


def test_the_loop_without_numba_takes_the_same_atoms(monkeypatch):
    vectors, atoms, _ = data(num_vectors=3, num_atoms=30)
    fast = omp.pursue(vectors, atoms, 6)
    monkeypatch.setattr(omp, "compiled", lambda function: function)
    slow = omp.pursue(vectors, atoms, 6)
    assert compiled_loops.available()
    assert np.array_equal(slow.indices, fast.indices)
    np.testing.assert_allclose(slow.data, fast.data, rtol=1e-6)


def test_nothing_to_do():
    _, atoms, _ = data()
    assert omp.pursue(np.zeros((0, 24)), atoms, 3).shape == (0, 90)
    assert omp.pursue(np.ones((2, 24)), atoms[:0], 3).shape == (2, 0)


SOURCE = CodecTokenizer(TinyCodec())
TARGET = CodecTokenizer(TinyCodec((b"ing", b"zz", b"the sea", b"th", b"qu")))


def tables(*, tied, seed=0):
    """A donor's table, and ours as the same linear map of it where both have a token."""
    rng = np.random.default_rng(seed)
    match = matching.match(SOURCE, TARGET)
    pairs = []
    for _ in range(1 if tied else 2):
        donor = rng.normal(size=(TARGET.vocab_size, 40)).astype(np.float32)
        # Each new row is a combination of three shared ones.
        for new in match.new_target_M:
            shared = rng.choice(match.overlap_target_N, 3, replace=False)
            donor[new] = rng.uniform(0.5, 1, 3) @ donor[shared]
        linear = rng.normal(size=(40, 6)).astype(np.float32)
        ours = rng.normal(size=(SOURCE.vocab_size, 6)).astype(np.float32)
        ours[match.overlap_source_N] = (donor @ linear)[match.overlap_target_N]
        pairs.append((donor, ours, donor @ linear))
    donor, ours, true = ([*parts] for parts in zip(*pairs, strict=True))
    return EmbeddingTable(*donor), EmbeddingTable(*ours), true, match


@pytest.mark.parametrize("tied", [True, False])
def test_new_rows_are_written_as_the_donors_are(tied):
    donor, ours, true, match = tables(tied=tied)
    method = methods.make("omp", Auxiliary(donor=Donor(donor, TARGET)))
    out = method(ours, SOURCE, TARGET)
    assert (out.output_VxD is None) == tied
    for one, expected in zip(out[: len(true)], true, strict=True):
        ordinary = ~TARGET.special_V
        np.testing.assert_allclose(one[ordinary], expected[ordinary], atol=2e-3)


def test_a_tied_side_lends_its_weights_to_both_tables():
    donor, ours, _, match = tables(tied=False)
    tied_donor = EmbeddingTable(donor.input_VxD)
    method = methods.make("omp", Auxiliary(donor=Donor(tied_donor, TARGET)))
    out = method(ours._replace(output_VxD=2 * ours.input_VxD), SOURCE, TARGET)
    np.testing.assert_allclose(out.output_VxD, 2 * out.input_VxD, rtol=1e-6)


def test_what_the_donor_lacks_is_the_mean_of_its_pieces():
    donor, ours, _, match = tables(tied=True)
    smaller = CodecTokenizer(TinyCodec((b"ing", b"qu")))
    rows = EmbeddingTable(donor.input_VxD[: smaller.vocab_size])
    out = methods.make("omp", Auxiliary(donor=Donor(rows, smaller)))(ours, SOURCE, TARGET)
    fvt = methods.make("fvt")(ours, SOURCE, TARGET)
    tokens = TARGET.match_bytes()
    missing, known = tokens.index(b"the sea"), tokens.index(b"qu")
    assert np.array_equal(out.input_VxD[missing], fvt.input_VxD[missing])
    assert not np.array_equal(out.input_VxD[known], fvt.input_VxD[known])


def test_a_donor_of_other_entries_is_one_line(monkeypatch):
    donor, ours, _, match = tables(tied=True)
    nothing = match._replace(overlap_target_N=match.overlap_target_N[:0],
                             overlap_source_N=match.overlap_source_N[:0])  # fmt: skip
    method = methods.make("omp", Auxiliary(donor=Donor(donor, TARGET)))
    with pytest.raises(UsageError, match="no entry is shared by the source, the target and the"):
        method(ours, SOURCE, TARGET, match=nothing)
