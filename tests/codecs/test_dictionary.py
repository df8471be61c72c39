"""Dictionaries: what is in them, that coverage is chosen greedily, that it pays."""

import itertools
import json
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research import codecs, corpora
from research.codecs.byte_models import ngram_counts
from research.codecs.byte_models.ngram import NGramModel
from research.codecs.codebook import CodebookCodec, dictionary
from research.codecs.codebook.dictionary import build_dictionary, probable_strings, train_dictionary
from research.errors import UsageError

BYTES = {bytes([byte]) for byte in range(256)}
letters = st.binary(min_size=1, max_size=60).map(lambda data: bytes(97 + b % 3 for b in data))


def library_text(size):
    files = sorted(pathlib.Path(json.__file__).parent.parent.glob("*.py"))
    return b"".join(path.read_bytes() for path in files)[:size]


def coverage(counts, chosen):
    """Sum of the longest match at each start, from the counts of all strings."""
    total = 0
    for string, count in counts.items():
        if string in chosen:
            shorter = max(
                (n for n in range(len(string)) if string[:n] in chosen or n == 0), default=0
            )
            total += count * (len(string) - shorter)
    return total


@settings(max_examples=30, deadline=None, derandomize=True)
@given(letters, st.integers(1, 8))
def test_each_string_is_the_one_with_the_largest_gain(text, more):
    trie = ngram_counts.count(*ngram_counts.join([text]), depth=5)
    counts = dict(zip(trie.strings(), trie.counts_S.tolist(), strict=True))
    chosen = set(BYTES)
    for _ in range(more):
        gains = {s: coverage(counts, chosen | {s}) for s in counts if s and s not in chosen}
        if not gains or max(gains.values()) == coverage(counts, chosen):
            break
        chosen.add(max(gains, key=gains.__getitem__))
    found = build_dictionary(trie, 256 + more)
    assert found == sorted(found)
    assert set(found) >= BYTES
    assert len(found) == len(chosen)
    # Ties may be broken otherwise, and then the next gains may differ a little.
    assert coverage(counts, set(found)) >= 0.9 * coverage(counts, chosen)


def test_greedy_is_near_the_best():
    text = b"abcabcabdabdxyzxyzabcxyz" * 3
    trie = ngram_counts.count(*ngram_counts.join([text]), depth=4)
    counts = dict(zip(trie.strings(), trie.counts_S.tolist(), strict=True))
    candidates = sorted(s for s in counts if len(s) > 1)
    best = max(coverage(counts, {*BYTES, *pair}) for pair in itertools.combinations(candidates, 2))
    assert coverage(counts, set(build_dictionary(trie, 258))) >= (1 - np.exp(-1)) * best


@pytest.mark.parametrize("by", ["coverage", "probability"])
def test_sizes(by):
    trie = ngram_counts.count(*ngram_counts.join([library_text(50_000)]), depth=6, min_count=2)
    for size in (256, 257, 1000):
        strings = build_dictionary(trie, size, by=by)
        assert len(strings) == len(set(strings)) == size
        assert set(strings) >= BYTES
    few = build_dictionary(ngram_counts.count(*ngram_counts.join([b"ab"]), depth=2), 1000, by=by)
    assert set(few) == BYTES | {b"ab"}


def test_probability_takes_the_most_frequent():
    trie = ngram_counts.count(*ngram_counts.join([library_text(20_000)]), depth=4)
    counts = dict(zip(trie.strings(), trie.counts_S.tolist(), strict=True))
    taken = set(build_dictionary(trie, 356, by="probability")) - BYTES
    left = {s: n for s, n in counts.items() if len(s) > 1 and s not in taken}
    assert min(counts[s] for s in taken) >= max(left.values())


def test_from_a_byte_model():
    model = NGramModel.train([library_text(50_000)], order=4)
    trie = probable_strings(model, 0.01)
    probability = dict(zip(trie.strings(), trie.counts_S / 2**40, strict=True))
    first = model.window_frequencies([b""])[0] / 2**model.beta
    assert probability[b""] == 1
    assert {s for s in probability if len(s) == 1} == {
        bytes([byte]) for byte in np.flatnonzero(first >= 0.01)
    }
    longer = max(probability, key=len)
    after = model.window_frequencies([longer[:-1]])[0] / 2**model.beta
    assert probability[longer] == pytest.approx(probability[longer[:-1]] * after[longer[-1]])
    strings = build_dictionary(model, 600)
    assert len(strings) == 600
    assert CodebookCodec(strings).vocab_size == 600


def test_training_shortens_text_it_has_not_seen():
    # Which way is best depends on the text, and the library's on the Python version.
    text = b"\n".join(corpora.load("synthetic:700000").documents("train"))[:600_000]
    train, held_out = [text[:400_000]], text[400_000:]
    tokens = {}
    for by, number in (("probability", 2), ("coverage", 2), ("lookahead", 5)):
        rounds = []
        codec = train_dictionary(
            train,
            1000,
            rounds=number,
            by=by,
            progress=lambda _, each, seen=rounds: seen.append(each),
        )
        assert codec.vocab_size == 1000
        assert codec.decode(codec.encode([held_out])) == [held_out]
        tokens[by] = [len(each.encode([held_out])[0]) for each in rounds]
        assert tokens[by][-1] < tokens[by][0]
    assert tokens["lookahead"][-1] < tokens["coverage"][-1] < tokens["probability"][-1]


def test_tokens_ahead_are_those_that_encoding_gives():
    texts = [library_text(300), b"", b"the end of it", b"x"]
    codec = train_dictionary(texts, 300, rounds=1)
    data, offsets = ngram_counts.join(texts)
    lengths = codec.trie.match_lengths(data, offsets)
    for compile in (dictionary.compiled, lambda function: function):
        ahead = np.zeros(len(data), np.float32)
        compile(dictionary._tokens_ahead)(offsets, lengths, 2.5, ahead)
        for text, start in zip(texts, offsets.tolist(), strict=False):
            for i in range(len(text)):
                tokens = len(codec.encode([text[i:]])[0])
                expected = tokens - (len(text) - i) / 2.5
                assert ahead[start + i] == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_lookahead_leaves_out_a_match_that_costs_a_token_later():
    """'abc' is the longer match, but "ab" + "cde" is shorter than 'abc' + 'd' + 'e'."""
    texts = [b"abcde!"] * 40 + [b"abc?"] * 3
    data, offsets = ngram_counts.join(texts)
    codec = CodebookCodec(sorted({*BYTES, b"ab", b"abc", b"cde"}))
    trie = ngram_counts.count(data, offsets, depth=3, starts=codec.token_starts(data, offsets))
    strings = np.array(trie.strings(), object)
    found = set(strings[dictionary.choose_by_lookahead(trie, codec, data, offsets, 3)])
    assert b"abc" in set(build_dictionary(trie, 257))
    assert b"abc" not in found
    assert b"ab" in found


def test_lookahead_is_the_same_without_a_compiler(monkeypatch):
    texts = [library_text(3000)]
    compiled = train_dictionary(texts, 300, rounds=3)
    for module in (dictionary, ngram_counts):
        monkeypatch.setattr(module, "compiled", lambda function: function)
    assert train_dictionary(texts, 300, rounds=3).token_bytes() == compiled.token_bytes()


def test_the_same_text_gives_the_same_dictionary():
    train = [library_text(30_000)]
    one, other = (train_dictionary(train, 400, rounds=1) for _ in range(2))
    assert one.fingerprint() == other.fingerprint()


def test_without_a_compiler(monkeypatch):
    trie = ngram_counts.count(*ngram_counts.join([library_text(20_000)]), depth=5)
    compiled = build_dictionary(trie, 400)
    monkeypatch.setattr(dictionary, "compiled", lambda function: function)
    assert build_dictionary(trie, 400) == compiled


def test_the_shipped_dictionary():
    codec = codecs.load("english-dictionary")
    assert codec.vocab_size == 65536
    assert codec.lossless
    strings = codec.token_bytes()
    assert [ids.tolist() for ids in codec.encode(strings)] == [[n] for n in range(65536)]
    text = b"It is a truth universally acknowledged, that a single man must be in want."
    assert len(codec.encode([text])[0]) < len(codecs.load("english-b16").encode([text])[0])


def test_wrong_settings():
    trie = ngram_counts.count(*ngram_counts.join([b"ab"]), depth=2)
    with pytest.raises(UsageError, match="all 256 bytes"):
        build_dictionary(trie, 255)
    with pytest.raises(UsageError, match="coverage or probability"):
        build_dictionary(trie, 300, by="luck")
