"""fastText's binary models without gensim: how they are told, and what is said of damaged ones."""

import gzip
import struct
import sys

import numpy as np
import pytest

from research.codecs.codec_tokenizer import CodecTokenizer
from research.errors import FreevocabError, UsageError
from research.testing.tiny import TinyCodec
from research.transfer.vectors import WordVectors, fasttext
from research.transfer.vectors import words as word_vectors

WORDS, DIM, BUCKETS = ("the", "of", "naïve"), 4, 5


def model(version=12, labels=0, words=3, dim=DIM, quantised=False, rows=0, pruned=-1):
    """A model as fastText writes it: of three words, with vectors of n-grams and of outputs."""
    parts = [struct.pack("<2i", 793712314, version)]
    parts.append(struct.pack("<12id", dim, 5, 5, 1, 5, 1, 2, 2, BUCKETS, 3, 6, 100, 1e-4))
    parts.append(struct.pack("<3i2q", words, words, labels, 100, pruned))
    for rank, word in enumerate(WORDS, 1):
        parts += [word.encode(), b"\0", struct.pack("<qb", 60 // rank, 0)]
    rng = np.random.default_rng(0)
    for rows_now in (rows or len(WORDS) + BUCKETS, len(WORDS)):
        parts.append(struct.pack("<?2q", quantised, rows_now, DIM))
        parts.append(rng.normal(size=(rows_now, DIM)).astype(np.float32).tobytes())
    return b"".join(parts)


@pytest.fixture
def without_gensim(monkeypatch):
    for name in ("gensim", "gensim.models", "gensim.models.fasttext"):
        monkeypatch.setitem(sys.modules, name, None)


def test_a_model_without_gensim_is_one_line(tmp_path, without_gensim):
    """Whatever the file is called; a .vec of any name needs no gensim."""
    path = tmp_path / "model.vec"
    path.write_bytes(model())
    message = r"model.vec: .* install the extra \[vectors\] .*gensim.*, or give the .vec file$"
    with pytest.raises(UsageError, match=message):
        fasttext.read(path)
    (tmp_path / "words.bin").write_text("1 2\nthe 1 2\n")
    assert fasttext.read(tmp_path / "words.bin").words == ["the"]


def test_a_gzipped_model_is_to_be_unpacked(tmp_path):
    path = tmp_path / "model.bin.gz"
    path.write_bytes(gzip.compress(model()))
    with pytest.raises(UsageError, match="unpack it first"):
        fasttext.read(path)


def test_a_model_cut_off_anywhere_is_one_line(tmp_path):
    """gensim alone would wait for ever where the file ends among the words."""
    path, whole = tmp_path / "model.bin", model()
    message = "a damaged fastText .bin file: .*cut off"
    for size in range(4, len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(FreevocabError, match=message) as found:
            fasttext.read(path)
        assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (model(version=13), UsageError, "version 13 of fastText's format is not known"),
        (model(labels=2), UsageError, "a fastText classifier"),
        (model(quantised=True), UsageError, r"a quantised fastText model \(.ftz\)"),
        (model() + b"more", FreevocabError, "damaged fastText .bin file: 4 bytes too many"),
        (model(words=2), FreevocabError, "its counts make no sense"),
        (model(words=-1), FreevocabError, "its counts make no sense"),
        (model(dim=3), FreevocabError, "its counts make no sense"),
        (model(rows=9), FreevocabError, "its counts make no sense"),
        (model(pruned=1 << 60), FreevocabError, "cut off"),
        (b"", FreevocabError, "line 1 should give the number of words"),
        (b"a model of another kind", FreevocabError, "line 1 should give the number of words"),
    ],
)
def test_other_models_and_other_damage(tmp_path, data, kind, message):
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    with pytest.raises(FreevocabError, match=message) as found:
        fasttext.read(path)
    assert type(found.value) is kind


def test_files_that_are_none(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(b"")
    for wrong in (path, tmp_path, tmp_path / "none.bin"):
        with pytest.raises(FreevocabError, match="cannot read"):
            fasttext.read_bin(wrong)
    path.write_bytes(b"the 1 2\n" * 20)
    with pytest.raises(FreevocabError, match="it does not start as one"):
        fasttext.read_bin(path)


def spelled(strings):
    """Stands in for n-grams: lengths; nothing for less than two letters."""
    lengths = np.array([len(string) for string in strings], np.float32)
    return np.stack([np.where(lengths > 1, lengths, 0), np.zeros_like(lengths)], 1)


def test_a_rule_for_any_string_comes_before_the_mean_of_words():
    tokenizer = CodecTokenizer(TinyCodec((b"in", b" in", b"  ", b"\xc3", b"inner")))
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    words = WordVectors(["in", "inn"], vectors, np.array([3, 1], np.float32), spelled)
    made = word_vectors.token_vectors(tokenizer, words)
    found = dict(zip(tokenizer.match_bytes(), made.vectors_VxK.tolist(), strict=True))
    assert found[b"in"] == found[b" in"] == [2, 0] and found[b"inner"] == [5, 0]
    assert found[b"n"] == [0, 1]  # no rule: the mean of its words
    assert found[b"  "] == found[b"\xc3"] == [0, 0]
    assert not made.vectors_VxK[np.asarray(tokenizer.special_V)].any()
    assert np.array_equal(made.known_V, made.vectors_VxK.any(1))


def test_the_rule_is_rotated_with_the_words():
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(2, 2)))[0]
    vectors = rng.normal(size=(30, 2)).astype(np.float32)
    names = [f"w{i}" for i in range(30)]
    source = WordVectors(names, vectors, np.ones(30, np.float32))
    target = source._replace(vectors_WxK=(vectors @ rotation).astype(np.float32),
                             of_strings=lambda strings: spelled(strings) @ rotation)  # fmt: skip
    aligned = word_vectors.align(source, target, [(name, name) for name in names])
    np.testing.assert_allclose(aligned.of_strings(["four"]), [[4, 0]], atol=1e-5)
    assert word_vectors.align(source, source, [(name, name) for name in names]).of_strings is None
