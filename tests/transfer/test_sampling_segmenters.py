"""Tokens are found as brute force and `tokenizers` find them."""

import functools
import itertools

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from research import corpora
from research.errors import FreevocabError
from research.tokenizers.tokenizer_json import byte_alphabet
from research.transfer.sampling import (
    Codebook,
    Pretokens,
    SampledTokenizer,
    kinds,
    lattice,
    pretokens,
    sampled_tokenizer,
)
from research.transfer.sampling.sampled_tokenizer import LongestMatch, Merges, Unigram

BYTES = [bytes((byte,)) for byte in range(256)]
CUT = Pretokens()
WHOLE = Pretokens(whole=True)
LEVEL = {byte: character for character, byte in byte_alphabet().items()}
SMALL = st.lists(st.text("ab c", min_size=2, max_size=5).map(str.encode), unique=True, max_size=12)


@functools.cache
def documents():
    return list(itertools.islice(corpora.load("builtin:topics").documents("train"), 60))


def mapped(token):
    return "".join(LEVEL[byte] for byte in token)


def library(model):
    """`model` of `tokenizers` behind our pretokens, on bytes."""
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Split(tokenizers.Regex(pretokens.pattern(CUT)), "isolated"),
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def with_scores(longer, seed=0):
    tokens = BYTES + longer
    return tokens, Unigram(tokens, np.log(np.random.default_rng(seed).random(len(tokens)) + 1e-9))


def segmentations(text, tokens):
    """Every way to write `text` in entries."""
    if not text:
        yield []
    for end in range(1, len(text) + 1):
        if text[:end] in tokens:
            for rest in segmentations(text[end:], tokens):
                yield [tokens[text[:end]], *rest]


@settings(max_examples=150, deadline=None)
@given(SMALL, st.text("ab c", max_size=9).map(str.encode), st.integers(0, 9))
def test_viterbi_finds_the_best_of_all_segmentations(longer, text, seed):
    tokens, unigram = with_scores(longer, seed)
    ids_N, _ = unigram.segment(pretokens.split(WHOLE, [text]))
    number = {token: v for v, token in enumerate(tokens)}
    best = max(unigram.score_V[one].sum() for one in segmentations(text, number))
    assert b"".join(tokens[id_] for id_ in ids_N) == text
    np.testing.assert_allclose(unigram.score_V[ids_N].sum(), best, rtol=1e-12, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(SMALL, st.text("ab c", min_size=1, max_size=9).map(str.encode), st.integers(0, 9))
def test_the_best_score_may_be_one_without_an_entry(longer, text, seed):
    tokens, unigram = with_scores(longer, seed)
    number = {token: v for v, token in enumerate(tokens)}
    without = np.arange(255, len(tokens))
    words = pretokens.split(WHOLE, [text] * len(without))
    found = lattice.best_scores(
        words, lattice.build_trie(tokens), unigram.score_V, np.where(without > 255, without, -1)
    )
    paths = list(segmentations(text, number))
    for score, v in zip(found, without.tolist(), strict=True):
        best = max(unigram.score_V[path].sum() for path in paths if v == 255 or v not in path)
        assert score == pytest.approx(best, rel=1e-12)


def test_viterbi_gives_the_ids_of_tokenizers():
    """With scores that make no two segmentations equally good."""
    words = {word for text in documents() for word in text.split()[:50]}
    longer = sorted({b" " + w[:n] for w in words for n in range(1, 6)} - set(BYTES))
    tokens, unigram = with_scores(longer)
    entries = [(mapped(token), float(s)) for token, s in zip(tokens, unigram.score_V, strict=True)]
    peer = library(tokenizers.models.Unigram(entries, None, False))
    ours = SampledTokenizer(tokens, unigram, CUT, pieces=len(tokens))
    texts = documents()
    for text, ids in zip(texts, ours.encode(texts), strict=True):
        assert peer.encode(text.decode()).ids == ids.tolist()


def test_merges_give_the_ids_of_tokenizers():
    texts = documents()
    tokens, merges = kinds.train_bpe(texts[:30], CUT, 1500)
    ours = SampledTokenizer(tokens, merges, CUT, pieces=1500)
    vocab = {mapped(token): v for v, token in enumerate(tokens)}
    pairs = [tuple(pair) for pair in kinds.bpe_model(texts[:30], CUT, 1500)["merges"]]
    peer = library(tokenizers.models.BPE(vocab, pairs))
    for text, ids in zip(texts, ours.encode(texts), strict=True):
        assert peer.encode(text.decode()).ids == ids.tolist()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), unique=True, max_size=25),
    st.text("abcd", max_size=14).map(str.encode),
)
def test_merges_go_by_rank_then_from_the_left(pairs, text):
    """Against the algorithm as its paper has it, one merge at a time."""
    tokens = [*BYTES]
    kept, letters = [], [97, 98, 99, 100]
    for left, right in pairs:
        known = [*letters, *range(256, len(tokens))]
        left, right = known[left % len(known)], known[right % len(known)]
        if tokens[left] + tokens[right] not in tokens:
            kept.append((left, right, len(tokens)))
            tokens.append(tokens[left] + tokens[right])
    merges = Merges(*np.array(kept, np.int32).reshape(-1, 3).T)
    symbols = list(text)
    while True:
        here = [(rank, i) for i in range(len(symbols) - 1) for rank, (left, right, _)
                in enumerate(kept) if (left, right) == (symbols[i], symbols[i + 1])]
        if not here:
            break
        rank, i = min(here)
        symbols[i : i + 2] = [kept[rank][2]]
    ids_N, _ = merges.segment(pretokens.split(WHOLE, [text]))
    assert ids_N.tolist() == symbols


@functools.cache
def sampled():
    """One tokenizer of each way to find tokens."""
    longer = [b" the", b" of", b"th", b"the", b"in", b" i", "é".encode(), "日本".encode()]
    tokens, unigram = with_scores(longer)
    bpe_tokens, merges = kinds.train_bpe(documents()[:5], CUT, 400)
    book, match = kinds.sample_codebook(Codebook(), 3000, np.random.default_rng(0))
    return [
        SampledTokenizer(tokens, unigram, CUT, pieces=300),
        SampledTokenizer(tokens, LongestMatch(tokens), CUT, pieces=len(tokens)),
        SampledTokenizer(bpe_tokens, merges, CUT, pieces=400, special=("eos", "bos", "unk")),
        SampledTokenizer(book, match, WHOLE, pieces=3000),
    ]


@pytest.mark.parametrize("kind", range(4), ids=["unigram", "longest", "merges", "codebook"])
def test_a_sampled_tokenizer_is_a_lossless_tokenizer(kind):
    tokenizer = sampled()[kind]
    strings = tokenizer.token_bytes()
    assert len(strings) == tokenizer.vocab_size == len(tokenizer.special_V)
    assert tokenizer.match_bytes() == strings
    assert [not string for string in strings] == tokenizer.special_V.tolist()
    assert all(tokenizer.special_V[id_] for id_ in tokenizer.roles.values())
    assert sorted(tokenizer.roles.values())[-1] == tokenizer.vocab_size - 1

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.binary(max_size=60) | st.text("the é日本 of\n").map(str.encode)))
    def check(texts):
        ids = tokenizer.encode(texts)
        assert tokenizer.decode(ids) == texts
        assert all(one.dtype == np.int32 and not tokenizer.special_V[one].any() for one in ids)
        for one, some in zip(ids, tokenizer.encode_some(texts, 3), strict=True):
            np.testing.assert_array_equal(one[:3], some)
        pieces = tokenizer.decompose(texts)
        parts = [pieces.ids_N[a:b] for a, b in itertools.pairwise(pieces.start_T)]
        assert [b"".join(strings[id_] for id_ in part) for part in parts] == texts
        assert ((pieces.counts_T > 0) == [bool(text) for text in texts]).all()

    check()


def test_a_vocabulary_of_many_long_strings_has_all_of_them():
    longer = [bytes((97 + n % 7, 97 + n % 11)) + b"%d" % n * 9 for n in range(3000)]
    tokens = [*longer, *BYTES]
    unigram = Unigram(tokens, np.zeros(len(tokens)) - 1)
    ids_N, count_T = unigram.segment(pretokens.split(WHOLE, longer))
    assert ids_N.tolist() == list(range(3000)) and (count_T == 1).all()


def test_a_long_run_of_one_byte_is_encoded():
    run = b"a" * 100_000
    for tokenizer in sampled():
        assert tokenizer.decode(tokenizer.encode([run])) == [run]


def test_fingerprints_tell_tokenizers_apart():
    tokens, unigram = with_scores([b"th"])
    made = [
        SampledTokenizer(tokens, unigram, CUT, pieces=257),
        SampledTokenizer(tokens, unigram, CUT, pieces=258),
        SampledTokenizer(tokens, unigram, WHOLE, pieces=257),
        SampledTokenizer(tokens, LongestMatch(tokens), CUT, pieces=257),
        SampledTokenizer(tokens, with_scores([b"th"], seed=1)[1], CUT, pieces=257),
        SampledTokenizer([*BYTES, b"he"], unigram, CUT, pieces=257),
        SampledTokenizer(tokens, unigram, CUT, pieces=257, special=("eos", "bos")),
    ]
    assert len({one.fingerprint() for one in made}) == len(made)
    again = SampledTokenizer(tokens, unigram, CUT, pieces=257)
    assert again.fingerprint() == made[0].fingerprint()


def test_what_is_no_vocabulary_is_refused():
    for wrong in (BYTES[1:], [*BYTES, b""], [*BYTES, b"a"], [*BYTES, b"ab", b"ab"]):
        with pytest.raises(FreevocabError, match="a vocabulary holds"):
            lattice.build_trie(wrong)
    tokens, unigram = with_scores([b"th"])
    with pytest.raises(FreevocabError, match="257 entries do not fit a vocabulary of 256"):
        SampledTokenizer(tokens, unigram, CUT, pieces=256)
    with pytest.raises(FreevocabError, match="the first 256"):
        SampledTokenizer(tokens[1:], unigram, CUT, pieces=256)


def test_compiled_and_not_are_the_same(monkeypatch):
    texts = [b"the thin one in the middle", b"\xff of \xe6\x97\xa5\xe6\x9c\xac", b""]
    fast = [(one.encode(texts), one.encode_some(texts, 2)) for one in sampled()]
    for module in (lattice, sampled_tokenizer):
        monkeypatch.setattr(module, "compiled", lambda function: function)
    sampled.cache_clear()  # tries are built once
    for tokenizer, (all_ids, some_ids) in zip(sampled(), fast, strict=True):
        for one, other in zip(tokenizer.encode(texts), all_ids, strict=True):
            np.testing.assert_array_equal(one, other)
        for one, other in zip(tokenizer.encode_some(texts, 2), some_ids, strict=True):
            np.testing.assert_array_equal(one, other)


def test_training_leaves_bytes_that_are_no_text_out():
    tokens, _ = kinds.train_wordpiece([b"abab abab \xff\xff\xff\xff"] * 9, CUT, 270)
    assert b"abab" in tokens and not any(b"\xff\xff" in token for token in tokens)
    assert all(token.decode() for token in tokens[256:])
