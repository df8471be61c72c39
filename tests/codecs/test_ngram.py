"""Counts against counting by hand; the model's estimates against the formula; saving."""

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.codecs import byte_models
from research.codecs.byte_models import ByteModel, ngram, ngram_counts
from research.codecs.byte_models.ngram import SMOOTHINGS, NGramModel
from research.errors import FreevocabError, UsageError

DOCUMENTS = [b"the cat sat on the mat. the end", b"", b"a cat and the dog; the cat ran", b"then"]
documents = st.lists(
    st.binary(max_size=30).map(lambda data: bytes(97 + byte % 3 for byte in data)), max_size=5
)


def by_hand(texts, depth, starts=None):
    counts, ends = collections.Counter({b"": 0}), collections.Counter()
    base = 0
    for text in texts:
        for start in range(len(text)):
            if starts is None or base + start in starts:
                for end in range(start, min(len(text), start + depth) + 1):
                    counts[text[start:end]] += 1
                if start + depth > len(text):
                    ends[text[start:]] += 1
        counts[b""] += 1
        ends[b""] += 1
        base += len(text)
    return counts, ends


@settings(max_examples=40, deadline=None, derandomize=True)
@given(documents, st.integers(1, 5), st.integers(1, 3), st.booleans())
def test_counts_are_those_made_by_hand(texts, depth, min_count, some):
    starts = set(range(0, sum(map(len, texts)), 2)) if some else None
    expected, ends = by_hand(texts, depth, starts)
    where = np.array(sorted(starts), np.int64) if some else None
    trie = ngram_counts.count(
        *ngram_counts.join(texts), depth=depth, min_count=min_count, starts=where
    )
    strings = trie.strings()
    kept = {s: n for s, n in expected.items() if n >= min_count or not s}
    assert dict(zip(strings, trie.counts_S.tolist(), strict=True)) == kept
    assert strings == sorted(strings, key=lambda s: (len(s), s))
    inner = trie.lengths_S < depth
    assert trie.ends_S[inner].tolist() == [ends[s] for s in np.array(strings, object)[inner]]
    for n in range(1, 5):
        assert trie.once_Dx4[0, n - 1] == sum(
            count == n and len(string) == 1 for string, count in expected.items()
        )


def test_suffixes():
    trie = ngram_counts.count(*ngram_counts.join([b"abcab"]), depth=3)
    strings, suffixes = trie.strings(), ngram_counts.suffixes(trie)
    for string, suffix in zip(strings[1:], suffixes[1:].tolist(), strict=True):
        assert strings[suffix] == string[1:]


def test_witten_bell_is_the_formula():
    model = NGramModel.train(DOCUMENTS, order=2, min_count=1)
    counts, ends = by_hand(DOCUMENTS, 3)
    for symbols in (256, 257):
        for context in (b"", b"t", b"th", b"e ", b"zz", b"the"):
            expected = np.full(symbols, 1 / symbols)
            for length in range(min(len(context), 2) + 1):
                suffix = context[len(context) - length :]
                seen = np.array([counts[suffix + bytes([byte])] for byte in range(256)], float)
                if symbols == 257:
                    seen = np.append(seen, ends[suffix])
                if seen.sum():
                    different = (seen > 0).sum()
                    expected = (seen + different * expected) / (seen.sum() + different)
            found = model.probabilities([context], symbols)[0]
            np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_estimates_are_distributions(smoothing):
    for min_count in (1, 2):
        model = NGramModel.train(DOCUMENTS, order=4, smoothing=smoothing, min_count=min_count)
        contexts = [b"", b"t", b"the", b"\xff\x00", b"the cat sat on the"]
        for symbols in (256, 257):
            probabilities = model.probabilities(contexts, symbols)
            assert (probabilities > 0).all()
            np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-9)
        frequent = model.window_frequencies([b"th"])[0]
        assert frequent.argmax() == ord("e")


def test_frequencies_follow_the_protocol():
    model = NGramModel.train(DOCUMENTS, order=3, beta=12)
    assert isinstance(model, ByteModel)
    for symbols in (256, 257):
        frequencies = model.window_frequencies([b"", b"the", b"q" * 50], symbols)
        assert frequencies.dtype == np.uint32
        assert frequencies.shape == (3, symbols)
        assert (frequencies >= 1).all()
        assert (frequencies.sum(1) == 2**12).all()
    assert model.window_frequencies([], 256).shape == (0, 256)


def test_the_end_of_text_has_its_counted_probability():
    model = NGramModel.train([b"ab"] * 50, order=2, min_count=1)
    end = model.probabilities([b"ab", b"a"], 257)[:, 256]
    assert end[0] > 0.9
    assert end[1] < 0.1


def test_only_the_last_bytes_matter_and_no_batch_does():
    model = NGramModel.train(DOCUMENTS, order=3)
    assert model.order == 3
    alone = model.window_frequencies([b"the"])
    batch = model.window_frequencies([b"a", b"breathe the", b"", b"the"])
    np.testing.assert_array_equal(alone[0], batch[1])
    np.testing.assert_array_equal(alone[0], batch[3])


def test_the_loop_gives_the_same_without_a_compiler(monkeypatch):
    model = NGramModel.train(DOCUMENTS, order=3, smoothing="kneser-ney")
    contexts = [b"", b"th", b"cat", b"qq"]
    compiled = model.probabilities(contexts, 257)
    monkeypatch.setattr(ngram, "compiled", lambda function: function)
    np.testing.assert_array_equal(compiled, model.probabilities(contexts, 257))


def test_saved_and_opened_again(tmp_path):
    model = NGramModel.train(DOCUMENTS, order=3, beta=13, smoothing="discount", name="mine")
    model.save(tmp_path / "model")
    again = byte_models.load(tmp_path / "model")
    assert again.fingerprint() == model.fingerprint()
    assert (again.name, again.beta, again.smoothing) == ("mine", 13, "discount")
    np.testing.assert_array_equal(
        again.window_frequencies([b"the"], 257), model.window_frequencies([b"the"], 257)
    )
    path = tmp_path / "model" / "counts.npz"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(FreevocabError, match="cannot be read"):
        byte_models.load(tmp_path / "model")
    NGramModel.train(DOCUMENTS[:1], order=3).save(tmp_path / "other")
    path.write_bytes((tmp_path / "other" / "counts.npz").read_bytes())
    with pytest.raises(FreevocabError, match="wrong digest"):
        byte_models.load(tmp_path / "model")


def test_fingerprints_differ():
    model = NGramModel.train(DOCUMENTS, order=3)
    others = [
        NGramModel(model.counts, 13),
        NGramModel(model.counts, smoothing="discount"),
        NGramModel.train(DOCUMENTS, order=4),
    ]
    assert len({each.fingerprint() for each in [model, *others]}) == 4


def test_wrong_settings():
    counts = ngram_counts.count(*ngram_counts.join(DOCUMENTS), depth=2)
    with pytest.raises(UsageError, match="no smoothing"):
        NGramModel(counts, smoothing="add-one")
    with pytest.raises(UsageError, match="beta"):
        NGramModel(counts, beta=3)
