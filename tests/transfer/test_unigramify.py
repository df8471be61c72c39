"""Scores under which the best path is what the original tokenizer makes."""

import itertools
import json
import math

import numpy as np
import pytest
from scipy import optimize

from research.errors import UsageError
from research.testing.tokenizers import english, sentencepiece_model, tokenizer_json
from research.tokenizers import Pieces
from research.tokenizers.load import of_json, of_sentencepiece
from research.transfer import unigramify as words
from research.transfer.unigramify import unigram_json, unigramify
from research.transfer.unigramify_lp import Constraints

# By kind of tokenizer, the least share of pretokens, seen and held out.
EXPECTED = {"byte-level": (0.995, 0.98), "prefixed": (0.995, 0.98), "wordpiece": (0.999, 0.98)}


@pytest.fixture(scope="module")
def texts():
    return english(120_000)


@pytest.fixture(scope="module")
def made(texts):
    known, held_out = texts[:-3], texts[-3:]
    out = {}
    for kind in EXPECTED:
        tokenizer = of_json(tokenizer_json(kind, 1200, known), name=kind)
        out[kind] = tokenizer, unigramify(tokenizer, known, held_out=held_out, rounds=8)
    return out


@pytest.mark.parametrize("kind", EXPECTED)
def test_the_best_paths_are_the_originals(kind, made):
    _, result = made[kind]
    seen, held_out = EXPECTED[kind]
    assert result.prior_agreement < result.agreement
    assert result.agreement >= seen
    assert result.held_out_agreement >= held_out
    assert 0 < result.rounds <= 8
    assert result.rows > 0
    assert 0 < result.change < 2


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_unigram_with_the_scores_has_the_ids_that_were_counted(kind, made, texts):
    tokenizer, result = made[kind]
    content = unigram_json(tokenizer, result.score_V)
    unigram = of_json(content, name="unigram")
    assert unigram.vocab_size == tokenizer.vocab_size
    assert unigram.roles == tokenizer.roles
    assert unigram.match_bytes() == tokenizer.match_bytes()
    pieces, count_W = tokenizer.pretokens(texts[-3:])
    strings = [b"".join(tokenizer.match_bytes()[i] for i in pieces.ids_N[a:b])
               for a, b in itertools.pairwise(pieces.start_T)]  # fmt: skip
    found = unigram.decompose(strings)
    wrong_W = words.differing(pieces, found)
    share = 1 - count_W[wrong_W].sum() / count_W.sum()
    assert share == pytest.approx(result.held_out_agreement, abs=1e-3)
    for ours, theirs in zip(tokenizer.encode(texts[-3:]), unigram.encode(texts[-3:]), strict=True):
        assert len(theirs) == pytest.approx(len(ours), rel=0.01)


def test_scores_are_finite_and_specials_have_none(made):
    for tokenizer, result in made.values():
        assert np.isfinite(result.score_V).all()
        assert (result.score_V[tokenizer.special_V] == 0).all()
        assert (result.score_V[~tokenizer.special_V] < 0).mean() > 0.99
        np.testing.assert_array_equal(result.score_V * 2**20 % 1, 0)


def test_the_same_texts_give_the_same_scores(made, texts):
    tokenizer, result = made["wordpiece"]
    again = unigramify(tokenizer, texts[:-3], rounds=8)
    np.testing.assert_array_equal(again.score_V, result.score_V)
    assert math.isnan(again.held_out_agreement)


def test_no_rounds_are_the_prior(made, texts):
    tokenizer, result = made["wordpiece"]
    prior = unigramify(tokenizer, texts[:-3], rounds=0)
    assert (prior.rounds, prior.rows, prior.change) == (0, 0, 0.0)
    assert prior.agreement == prior.prior_agreement == result.prior_agreement


def test_the_prior_counts_substrings(made, texts):
    tokenizer, _ = made["byte-level"]
    entries = words.Entries(tokenizer)
    known = entries.pretokens(*tokenizer.pretokens(texts[:3]), 300)
    strings = [bytes(known.words.data[a:b]) for a, b in itertools.pairwise(known.words.start_W)]
    count = [
        sum(
            int(n) * sum(string.startswith(entry, i) for i in range(len(string)))
            for string, n in zip(strings, known.count_W, strict=True)
        )
        for entry in entries.tokens[: entries.size]
    ]
    expected = np.maximum(count, 0.5)
    np.testing.assert_allclose(
        entries.prior(known)[: entries.size], np.log(expected / expected.sum()), rtol=1e-12
    )


def test_pretokens_of_a_sentencepiece_model():
    """A BPE over whole texts is cut before spaces, which its pieces never cross."""
    tokenizer = of_sentencepiece(sentencepiece_model(800, model_type="bpe"), name="bpe")
    texts = english(40_000)
    result = unigramify(tokenizer, texts, rounds=5)
    assert result.prior_agreement < 0.99 < result.agreement
    pieces, count_W = tokenizer.pretokens(texts)
    assert (np.diff(count_W) <= 0).all()
    ids = np.concatenate(tokenizer.encode(texts))
    assert np.repeat(count_W, pieces.counts_T).sum() == pytest.approx(len(ids), rel=0.01)


def test_equal_piece_counts_are_no_constraint():
    rows = Constraints()
    assert not rows.add(0, np.array([1, 2]), np.array([2, 1]), 5)
    assert len(rows) == 0
    assert rows.add(1, np.array([1, 2, 3]), np.array([3, 4]), 5)
    assert not rows.add(1, np.array([1, 2]), np.array([4]), 5)  # the same row of the same string
    assert rows.add(2, np.array([1, 2, 9]), np.array([9, 4]), 2)  # of another: counted together
    assert len(rows) == 1


def test_ties_are_counted(texts):
    spec = json.loads(tokenizer_json("byte-level", 300, ["ab ab"]))
    spec["model"] |= {"vocab": {"a": 0, "aa": 1, " ": 2}, "merges": [["a", "a"]]}
    spec["added_tokens"] = []
    tokenizer = of_json(json.dumps(spec).encode(), name="a")
    result = unigramify(tokenizer, ["aaa", "aa", "aaaaa"], rounds=3)
    # BPE makes "aa a", the tie-break "a aa".
    assert result.ties == 2
    assert result.agreement == pytest.approx(1 / 3)


def test_the_dual_is_the_program():
    rng = np.random.default_rng(0)
    for _ in range(10):
        entries, rows, prior_V = 20, Constraints(), rng.normal(size=20) * 3
        dense: dict[bytes, tuple[np.ndarray, int]] = {}
        for string in range(30):
            wanted, found = (rng.integers(entries, size=rng.integers(1, 4)) for _ in range(2))
            count = int(rng.integers(1, 9))
            rows.add(string, wanted, found, count)
            row_V = np.bincount(wanted, minlength=entries) - np.bincount(found, minlength=entries)
            if row_V.any():
                _, before = dense.get(row_V.tobytes(), (row_V, 0))
                dense[row_V.tobytes()] = row_V, before + count
        matrix = np.stack([row for row, _ in dense.values()])
        counts = np.array([count for _, count in dense.values()])
        score_V = rows.solve(prior_V, margin=1e-3, penalty=0.05)
        slack = np.maximum(0, 1e-3 - matrix @ score_V)
        value = counts @ slack + 0.05 * np.abs(score_V - prior_V).sum()
        primal = optimize.linprog(
            np.concatenate([np.full(2 * entries, 0.05), counts]),
            A_ub=np.hstack([-matrix, matrix, -np.eye(len(matrix))]),
            b_ub=matrix @ prior_V - 1e-3,
        )
        assert value == pytest.approx(primal.fun, abs=1e-6)


def test_differing_compares_every_string():
    one = Pieces.of([[1, 2], [3], [], [4, 5], [6, 7]])
    other = Pieces.of([[1, 2], [8], [], [4], [7, 6]])
    assert words.differing(one, other).tolist() == [False, True, False, True, True]


def test_wrong_requests_are_one_line(made):
    tokenizer, _ = made["wordpiece"]
    with pytest.raises(UsageError, match="no string that the tokenizer knows"):
        unigramify(tokenizer, ["大象"])
    with pytest.raises(UsageError, match="rounds is a number"):
        unigramify(tokenizer, ["a"], rounds=-1)
