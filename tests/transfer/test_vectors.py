"""Auxiliary vectors: counts, PPMI and SVD against dense sums, word vectors, files, alignment."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.codecs.codec_tokenizer import CodecTokenizer
from research.codecs.subword import BPECodec
from research.errors import FreevocabError, UsageError
from research.testing.tiny import TinyCodec, tiny_corpus
from research.transfer.vectors import SVDConfig, WordVectors, cooccurrence, fasttext
from research.transfer.vectors import words as word_vectors


def dense_counts(sequences, size, window):
    company = np.zeros((size, size))
    for ids in sequences:
        for i, a in enumerate(ids):
            for j in range(max(0, i - window), min(len(ids), i + window + 1)):
                if i != j:
                    company[a, ids[j]] += 1 / abs(i - j)
    return company


sequences_ = st.lists(st.lists(st.integers(0, 5), max_size=12), max_size=6)


@given(sequences_, st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_counts(sequences, window):
    company, counts_V = cooccurrence.counts(map(np.array, sequences), 6, window)
    np.testing.assert_allclose(company.toarray(), dense_counts(sequences, 6, window), atol=1e-12)
    assert counts_V.tolist() == [sum(ids.count(v) for ids in sequences) for v in range(6)]


def test_counting_in_parts_is_counting_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    sequences = [rng.integers(6, size=9) for _ in range(20)]
    whole, counts_V = cooccurrence.counts(sequences, 6, 3)
    monkeypatch.setattr(cooccurrence, "BATCH", 30)
    parts, again_V = cooccurrence.counts(sequences, 6, 3)
    np.testing.assert_allclose(parts.toarray(), whole.toarray())
    assert np.array_equal(counts_V, again_V)


def test_ppmi_by_its_formula():
    config = SVDConfig(context_power=0.75, shift=0.1)
    rng = np.random.default_rng(0)
    company, _ = cooccurrence.counts([rng.integers(8, size=60)], 8, 2)
    dense = company.toarray()
    context = dense.sum(0) ** 0.75
    with np.errstate(divide="ignore"):
        information = np.log((dense / dense.sum(1)[:, None]) / (context / context.sum())[None])
    expected = np.maximum(information - 0.1, 0)
    np.testing.assert_allclose(cooccurrence.ppmi(company, config).toarray(), expected, atol=1e-12)


def test_truncated_svd_is_numpys_with_the_signs_set():
    import scipy.sparse

    rng = np.random.default_rng(0)
    matrix = np.where(rng.random((30, 30)) < 0.3, rng.random((30, 30)), 0)
    found = cooccurrence.truncated_svd(scipy.sparse.csr_array(matrix), 6)
    left, values, _ = np.linalg.svd(matrix)
    expected = left[:, :6] * np.sqrt(values[:6])
    expected *= np.sign(expected[np.abs(expected).argmax(0), np.arange(6)])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_truncated_svd_of_flat_values_is_nearly_the_best():
    """A random matrix, the hardest case: what is left out is at most 2 % more than it must be."""
    import scipy.sparse

    rng = np.random.default_rng(0)
    matrix = np.where(rng.random((300, 300)) < 0.1, rng.random((300, 300)), 0)
    found = cooccurrence.truncated_svd(scipy.sparse.csr_array(matrix), 20).astype(np.float64)
    directions = found / np.linalg.norm(found, axis=0)
    np.testing.assert_allclose(directions.T @ directions, np.eye(20), atol=1e-4)
    left_out = np.linalg.norm(matrix - directions @ (directions.T @ matrix))
    values = np.linalg.svd(matrix, compute_uv=False)
    assert left_out <= 1.02 * np.linalg.norm(values[20:])


def test_entries_in_like_company_get_like_vectors():
    """Two ids that stand in the same places, and one that does not."""
    rng = np.random.default_rng(0)
    text = []
    for _ in range(600):
        group = rng.integers(2)
        text += [rng.choice([0, 1]) if group else rng.choice([2, 3]), 4 + group, 6 + group]
    made = cooccurrence.from_ids([np.array(text)], 10, SVDConfig(dim=4, window=2))
    assert made.known_V.tolist() == [True] * 8 + [False] * 2
    assert not made.vectors_VxK[8:].any()
    unit = made.unit(np.arange(4))
    cosines = unit @ unit.T
    assert cosines[0, 1] > 0.95 and cosines[2, 3] > 0.95 and cosines[0, 2] < 0.5


def test_training_streams_and_stops_and_repeats():
    texts = list(tiny_corpus(30_000).documents("train"))
    tokenizer = CodecTokenizer(BPECodec.train(texts, 300))
    config = SVDConfig(dim=8, max_bytes=9_000)
    seen = []

    def stream():
        for text in texts:
            seen.append(len(text))
            yield text

    made = cooccurrence.train(tokenizer, stream(), config)
    assert sum(seen[:-1]) < 9_000 <= sum(seen)
    again = cooccurrence.train(tokenizer, texts, config)
    assert np.array_equal(made.vectors_VxK, again.vectors_VxK)
    assert made.vectors_VxK.shape == (302, 8) and not made.known_V[300:].any()
    batches = cooccurrence.batches(["ab", "c" * 10, "d"], 7)
    assert b"".join(b"".join(batch) for batch in batches) == b"abccccc"


def test_too_little_text_is_one_line():
    with pytest.raises(UsageError, match="0 entries that occur 3 times or more"):
        cooccurrence.train(CodecTokenizer(TinyCodec()), ["ab"])
    with pytest.raises(UsageError, match="fewer than two words"):
        word_vectors.train(["one two"])


def test_words_of_a_text_most_frequent_first():
    assert word_vectors.split("It's 3 naïve\nmen") == ["It", "s", "3", "naïve", "men"]
    text = "b a b c b a " * 4 + "rare"
    made = word_vectors.train([text], SVDConfig(dim=2, min_count=2))
    assert made.words == ["b", "a", "c"]
    assert made.weights_W.tolist() == [12, 8, 4]


def test_a_tokens_vector_is_the_weighted_mean_of_its_words():
    tokenizer = CodecTokenizer(TinyCodec((b"in", b" in")))
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    words = WordVectors(["in", "inn"], vectors, np.array([3, 1], np.float32))
    made = word_vectors.token_vectors(tokenizer, words)
    tokens = tokenizer.match_bytes()
    known = [tokens[i] for i in np.flatnonzero(made.known_V)]
    assert sorted(known) == sorted([b"in", b" in", b"n"])
    for token, expected in ((b"in", [0.75, 0.25]), (b" in", [0.75, 0.25]), (b"n", [0, 1])):
        np.testing.assert_allclose(made.vectors_VxK[tokens.index(token)], expected)


def vec_file(path, lines, header=None):
    header = header or f"{len(lines)} {len(lines[0].split()) - 1}"
    path.write_bytes("\n".join([header, *lines, ""]).encode())
    return path


def test_a_fasttext_file_plain_and_zipped(tmp_path):
    lines = ["the 1.5 -2", "naïve 0 3e-1", "the 9 9", "zero 0 0", "odd\u00a0one 4 5"]
    path = vec_file(tmp_path / "a.vec", lines)
    made = fasttext.read(path)
    assert made.words == ["the", "naïve", "odd\u00a0one"]
    np.testing.assert_allclose(made.vectors_WxK, [[1.5, -2], [0, 0.3], [4, 5]])
    np.testing.assert_allclose(made.weights_W, [1, 1 / 2, 1 / 5])
    zipped = tmp_path / "a.vec.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    again = fasttext.read(zipped)
    assert again.words == made.words and np.array_equal(again.vectors_WxK, made.vectors_WxK)
    assert fasttext.read(path, max_words=1).words == ["the"]


def test_a_file_of_glove_has_no_first_line(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("the 1.5 -2 0\n. . 0 3e-1 1\n42 1 2 3\n")
    made = fasttext.read(path)
    assert made.words == ["the", ". .", "42"]
    np.testing.assert_allclose(made.vectors_WxK, [[1.5, -2, 0], [0, 0.3, 1], [1, 2, 3]])
    assert fasttext.read(path, max_words=2).words == ["the", ". ."]
    path.write_text("the 1.5 -2 0\nand 1 2\n")
    with pytest.raises(FreevocabError, match="line 2 should hold a word and 3 numbers"):
        fasttext.read(path)


@pytest.mark.parametrize(
    ("lines", "header", "message"),
    [
        (["a 1 2", "b 1"], "2 2", "line 3 should hold a word and 2 numbers"),
        (["a 1 2", "b 1 x"], "2 2", "line 3 should hold a word and 2 numbers"),
        (["a 1 nan"], "1 2", "line 2 should hold a word and 2 numbers"),
        (["a 1 2"], "5 2", "ends after 1 of 5 words: cut off"),
        (["a 1 2"], "100000 100000000", "line 2 should hold a word and 100000000 numbers"),
        (["a 1 2"], "a b c", "line 1 should give the number of words"),
    ],
)
def test_a_damaged_vector_file_is_one_line(tmp_path, lines, header, message):
    with pytest.raises(FreevocabError, match=message):
        fasttext.read(vec_file(tmp_path / "a.vec", lines, header))


def test_a_cut_gzip_file_and_a_missing_one(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"w{i} {rng.normal()} {rng.normal()}" for i in range(50)]
    path = vec_file(tmp_path / "a.vec", lines)
    (tmp_path / "b.gz").write_bytes(gzip.compress(path.read_bytes())[:-200])
    with pytest.raises(FreevocabError, match="damaged gzip file"):
        fasttext.read(tmp_path / "b.gz")
    with pytest.raises(FreevocabError, match="cannot read .*none.vec: No such file"):
        fasttext.read(tmp_path / "none.vec")


def test_procrustes_recovers_a_rotation():
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(30, 30)))[0]
    points = rng.normal(size=(200, 30)).astype(np.float32)
    found = word_vectors.procrustes(points, points @ rotation)
    np.testing.assert_allclose(found, rotation, atol=1e-5)
    noisy = points @ rotation + 0.3 * rng.normal(size=points.shape)
    found = word_vectors.procrustes(points, noisy)
    np.testing.assert_allclose(found @ found.T, np.eye(30), atol=1e-10)
    best = np.linalg.norm(points @ found - noisy)
    for _ in range(20):
        nearby = np.linalg.qr(found + 0.02 * rng.normal(size=(30, 30)))
        other = nearby[0] * np.sign(np.diag(nearby[1]))
        assert np.linalg.norm(points @ other - noisy) >= best


@pytest.mark.parametrize("turned", [False, True])
def test_two_languages_are_brought_into_one_space(turned):
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    vectors = rng.normal(size=(60, 6)).astype(np.float32)
    weights = np.ones(60, np.float32)
    english = WordVectors([f"word{i}" for i in range(60)], vectors, weights)
    german = WordVectors([f"Wort{i}" for i in range(60)], (vectors @ rotation).astype(np.float32),
                         weights)  # fmt: skip
    pairs = [(f"Word{i}", f"wort{i}") for i in range(40)] + [("two words", "Wort1")]
    pairs = [(b, a) for a, b in pairs] if turned else pairs
    aligned = word_vectors.align(english, german, pairs)
    np.testing.assert_allclose(aligned.vectors_WxK, vectors, atol=1e-5)
    with pytest.raises(UsageError, match="only 5 pairs of the dictionary"):
        word_vectors.align(english, german, pairs[:5])
    narrow = german._replace(vectors_WxK=vectors[:, :4])
    with pytest.raises(UsageError, match="vectors of 6 and 4 numbers"):
        word_vectors.align(english, narrow, pairs)


def test_a_dictionary_file(tmp_path):
    path = tmp_path / "german.txt"
    path.write_text("free\tfrei\n\nfree of charge\tumsonst\r\n", encoding="utf-8")
    assert word_vectors.read_dictionary(path) == [("free", "frei"), ("free of charge", "umsonst")]
    path.write_text("free frei\nhouse\thaus\nfree kostenlos\n", encoding="utf-8")
    muse = [("free", "frei"), ("house", "haus"), ("free", "kostenlos")]
    assert word_vectors.read_dictionary(path) == muse
    for content, message in (
        (b"free\tfrei\nnot a tab\n", "line 2: expected two words with a tab between"),
        (b"a\tb\tc\n", "line 1: expected two words"),
        (b"\n\n", "an empty dictionary"),
        (b"a\t\xff\n", "not UTF-8"),
    ):
        path.write_bytes(content)
        with pytest.raises(FreevocabError, match=message):
            word_vectors.read_dictionary(path)
    with pytest.raises(FreevocabError, match="cannot read .*none.txt: No such file"):
        word_vectors.read_dictionary(tmp_path / "none.txt")
