"""In-context n-grams: their definition by brute force, and that they cannot tell ids apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research import numba_jit
from research.errors import UsageError
from research.lexinvariance import ngrams

VOCAB = 9
ORDER = 3
rows = st.lists(st.integers(0, VOCAB - 1), min_size=12, max_size=12)
texts = st.lists(rows, min_size=2, max_size=2).map(np.array)
few = st.lists(st.lists(st.integers(0, 1), min_size=40, max_size=40), min_size=1, max_size=1)


def by_definition(prefix, vocab_size, order):
    """The module's formula, from counts made anew for every context."""
    seen = set(prefix)
    new = vocab_size - len(seen)
    escape = len(seen) if new else 0
    whole = len(prefix) + escape
    p = np.empty(vocab_size)
    for x in range(vocab_size):
        if x in seen:
            p[x] = prefix.count(x) / whole
        else:
            p[x] = (len(seen) / whole if seen else 1.0) / new
    for n in range(1, order + 1):
        context = prefix[len(prefix) - n :]
        after = [prefix[j] for j in range(n, len(prefix)) if prefix[j - n : j] == context]
        if len(prefix) >= n and after:
            kinds = len(set(after))
            counts = np.array([after.count(x) for x in range(vocab_size)])
            p = (counts + kinds * p) / (len(after) + kinds)
    return p


@given(texts | few.map(np.array))
@settings(max_examples=60, deadline=None)
def test_distributions_are_the_definition(ids_BxL):
    vocab_size = VOCAB if ids_BxL.shape[1] == 12 else 2
    found = ngrams.distributions(ids_BxL, vocab_size=vocab_size, order=ORDER)
    for row, ids_L in enumerate(ids_BxL.tolist()):
        for position in range(len(ids_L)):
            expected = by_definition(ids_L[:position], vocab_size, ORDER)
            np.testing.assert_allclose(found[row, position], expected, rtol=1e-12)
    np.testing.assert_allclose(found.sum(axis=2), 1.0, rtol=1e-12)


@given(texts)
@settings(max_examples=40, deadline=None)
def test_nats_are_those_of_the_distributions_to_the_bit(ids_BxL):
    found = ngrams.nats(ids_BxL, vocab_size=VOCAB, order=ORDER)
    for order in range(ORDER + 1):
        whole = ngrams.distributions(ids_BxL, vocab_size=VOCAB, order=order)
        picked = np.take_along_axis(whole, ids_BxL[:, :, None], axis=2)[:, :, 0]
        np.testing.assert_array_equal(found[order], -np.log(picked))


@given(texts, st.permutations(range(VOCAB)))
@settings(max_examples=40, deadline=None)
def test_renaming_ids_changes_no_bit(ids_BxL, renaming):
    renaming = np.array(renaming)
    before = ngrams.nats(ids_BxL, vocab_size=VOCAB)
    np.testing.assert_array_equal(before, ngrams.nats(renaming[ids_BxL], vocab_size=VOCAB))
    whole = ngrams.distributions(ids_BxL, vocab_size=VOCAB)
    renamed = ngrams.distributions(renaming[ids_BxL], vocab_size=VOCAB)
    np.testing.assert_array_equal(whole, renamed[:, :, renaming])


def test_the_past_alone_decides():
    ids_BxL = np.random.default_rng(0).integers(0, VOCAB, (1, 60))
    changed = ids_BxL.copy()
    changed[0, 40:] = (changed[0, 40:] + 1) % VOCAB
    before, after = (ngrams.distributions(ids, vocab_size=VOCAB) for ids in (ids_BxL, changed))
    np.testing.assert_array_equal(before[:, :41], after[:, :41])
    assert (before[:, 41:] != after[:, 41:]).any()


def test_without_numba_the_numbers_are_the_same(monkeypatch):
    ids_BxL = np.random.default_rng(1).integers(0, 5, (3, 90)) * 7
    fast = ngrams.nats(ids_BxL, vocab_size=40)
    monkeypatch.setattr(numba_jit, "available", lambda: False)
    np.testing.assert_array_equal(fast, ngrams.nats(ids_BxL, vocab_size=40))


def test_a_longer_context_helps_on_repeated_text():
    ids_L = np.frombuffer(b"the cat sat on the mat and the rat sat on the cat " * 4, "u1")
    means = ngrams.nats(ids_L[None], vocab_size=128).mean(axis=(1, 2))
    assert (np.diff(means) < 0).all() and means[-1] < 1.5


def test_first_occurrence():
    ranks_BxL, most = ngrams.first_occurrence(np.array([[7, 7, 2, 9, 2], [1, 1, 1, 1, 1]]))
    assert ranks_BxL.tolist() == [[0, 0, 1, 2, 1], [0, 0, 0, 0, 0]] and most == 3


def test_wrong_requests():
    with pytest.raises(UsageError, match="ids from 0 to 3 do not fit a vocabulary of 3"):
        ngrams.nats(np.array([[0, 3]]), vocab_size=3)
    with pytest.raises(UsageError, match="at least 0, not -1"):
        ngrams.nats(np.array([[0, 1]]), vocab_size=3, order=-1)
