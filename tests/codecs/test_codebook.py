"""The five properties of WINDOWS, the compiler against the definition, the file."""

import functools
import hashlib
import json
import pathlib
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from research import codecs, folders
from research.codecs import codebook
from research.codecs.byte_models.ngram import NGramModel
from research.codecs.codebook import CodebookCodec, build
from research.codecs.codebook.build import compile_codebook, train_codebook
from research.errors import FreevocabError, UsageError
from tests.codecs import bigint_reference as reference

TEXT = (b"It was the best of times, it was the worst of times, it was the age of wisdom. " * 9) + (
    b"The quick brown fox jumps over the lazy dog; the dog sleeps on.\n\xc3\xa9t\xc3\xa9 " * 9
)
BYTES = [bytes([byte]) for byte in range(256)]


class TableModel:
    """Frequencies made from a digest of the context, so that each context has other ones.

    Kinds: "random", "one" (one byte has nearly everything, always the same one), "steep"
    (powers of two), "changing" (each of these in turn).
    """

    order = None

    def __init__(self, kind, beta, seed=0):
        self.kind, self.beta, self.seed, self.name = kind, beta, seed, kind
        self.row = functools.cache(self._row)

    def _row(self, context):
        digest = hashlib.sha256(f"{self.seed}".encode() + context).digest()
        generator = np.random.default_rng(list(digest[:8]))
        kind = self.kind
        if kind == "changing":
            kind = ("random", "one", "steep")[digest[9] % 3]
        spare = (1 << self.beta) - 256
        if kind == "one":
            extra = np.zeros(256, np.int64)
            extra[self.seed % 256] = spare
        else:
            weights = generator.random(256) if kind == "random" else 2.0 ** -np.arange(256)
            generator.shuffle(weights)
            extra = np.floor(weights / weights.sum() * spare).astype(np.int64)
            extra[0] += spare - extra.sum()
        return (1 + extra).astype(np.uint32)

    def window_frequencies(self, contexts, symbols=256):
        return np.stack([self.row(context) for context in contexts])


@functools.cache
def table_codebook(kind, window_bits, beta, seed=0):
    model = TableModel(kind, beta, seed)
    return model, compile_codebook(model, window_bits)


@functools.cache
def ngram_codebook():
    """An n-gram of little text, W = 12: at beta = W each single byte has one point."""
    return train_codebook([TEXT], 12, rounds=1)


@functools.cache
def english():
    return codecs.load("english-b16")


kinds = st.sampled_from(["random", "one", "steep", "changing"])
sizes = st.sampled_from([(9, 9), (10, 10), (10, 9), (11, 9)])


@settings(max_examples=25, deadline=None, derandomize=True)
@given(kinds, sizes, st.integers(0, 255), st.binary(max_size=60), st.booleans())
@example("one", (10, 10), 97, b"a" * 60, False)
@example("one", (9, 9), 0, bytes(60), False)
@example("one", (9, 9), 255, b"\xff" * 60, False)
def test_ids_are_those_of_the_interval_definition(kind, size, seed, text, from_strings):
    window_bits, beta = size
    model, codec = table_codebook(kind, window_bits, beta, seed % 3 + 253 * (seed % 2))
    if from_strings:  # text that the codebook has long matches for
        text = b"".join(codec.token_bytes()[byte] for byte in text[:12])[:60]
    expected = reference.encode_windows(text, model.row, window_bits, beta)
    ids = codec.encode([text])[0]
    assert ids.tolist() == [code for code, _ in expected]
    assert codec.byte_lengths(ids).tolist() == [length for _, length in expected]


@pytest.mark.parametrize("kind", ["random", "one", "steep", "changing"])
def test_codes_decode_as_the_definition_says(kind):
    model, codec = table_codebook(kind, 9, 9)
    strings = [reference.decode_window(code, model.row, 9, 9) for code in range(0, 512, 7)]
    assert codec.token_bytes()[::7] == strings


MAKERS = {
    "random": lambda: table_codebook("random", 10, 10)[1],
    "one": lambda: table_codebook("one", 10, 10)[1],
    "steep": lambda: table_codebook("steep", 10, 10)[1],
    "changing": lambda: table_codebook("changing", 10, 10)[1],
    "n-gram": lambda: ngram_codebook()[0],
    "english-b16": english,
}


@pytest.mark.parametrize("name", MAKERS)
def test_every_code_has_a_string_of_its_own(name):
    codec = MAKERS[name]()
    strings = codec.token_bytes()
    assert len(set(strings)) == codec.vocab_size
    assert min(map(len, strings)) == 1
    assert sum(len(string) == 1 for string in strings) == 256
    assert strings == sorted(strings)
    codes = codec.encode(strings)
    assert [each.tolist() for each in codes] == [[code] for code in range(codec.vocab_size)]
    assert codec.decode([np.arange(codec.vocab_size)]) == [b"".join(strings)]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=80), max_size=5))
def test_round_trip(texts):
    for codec in (ngram_codebook()[0], english()):
        ids = codec.encode(texts)
        assert all(each.dtype == np.int32 for each in ids)
        assert codec.decode(ids) == texts
        assert [int(codec.byte_lengths(each).sum()) for each in ids] == [*map(len, texts)]


@pytest.mark.parametrize(
    "text", [b"", b"q", bytes(3000), b"\xff\xfe\x80" * 500, b"a" * 100_000, TEXT * 200]
)
def test_round_trip_of_special_texts(text):
    for codec in (table_codebook("one", 10, 10, 97)[1], english()):
        assert codec.decode(codec.encode([text])) == [text]


def test_round_trip_of_a_megabyte():
    text = b"".join(path.read_bytes() for path in library_files())[:1_000_000]
    codec = english()
    ids = codec.encode([text])[0]
    assert codec.decode([ids]) == [text]
    assert len(text) / len(ids) > 2  # code is not the English that it was made for


def library_files():
    return sorted(pathlib.Path(json.__file__).parent.parent.glob("*.py"))


def test_precision_and_window():
    """beta <= W: each byte has its own code, 2^(W - beta) or more points of it."""
    for window_bits, beta in ((12, 12), (12, 9), (9, 9)):
        _, codec = table_codebook("steep", window_bits, beta)
        assert {string for string in codec.token_bytes() if len(string) == 1} == set(BYTES)
    with pytest.raises(UsageError, match="must not exceed"):
        compile_codebook(TableModel("random", 12), 10)
    for window_bits in (7, 17):
        with pytest.raises(UsageError, match="8 to 16 bits"):
            compile_codebook(TableModel("random", 9), window_bits)


def test_a_wrong_model_is_refused():
    model = TableModel("random", 9)
    for wrong, problem in (
        (np.zeros((1, 256), np.uint32), "at least 1"),
        (np.ones((1, 256), np.uint32), "sum to 2"),
        (np.ones((1, 255), np.uint32), "shape"),
    ):
        model.window_frequencies = lambda contexts, symbols, wrong=wrong: wrong
        with pytest.raises(FreevocabError, match=problem):
            compile_codebook(model, 10)


def test_batches_do_not_change_the_codebook(monkeypatch):
    codec, model = ngram_codebook()
    monkeypatch.setattr(build, "_BATCH", 7)
    assert compile_codebook(model, 12).fingerprint() == codec.fingerprint()


def test_counting_at_windows_makes_longer_windows():
    text = [b"".join(path.read_bytes() for path in library_files()[:12])[:400_000]]
    found = []
    train_codebook(text, 12, rounds=2, progress=lambda _, codec: found.append(codec))
    tokens = [len(codec.encode(text)[0]) for codec in found]
    assert len(tokens) == 3
    assert tokens[2] < tokens[0]


def test_without_a_compiler(monkeypatch):
    codec, _ = ngram_codebook()
    texts = [TEXT[:500], b"", b"\xff\x00"]
    ids = codec.encode(texts)
    monkeypatch.setattr(codebook, "available", lambda: False)
    monkeypatch.setattr("research.tokenizers.trie.available", lambda: False)
    for compiled, plain in zip(ids, codec.encode(texts), strict=True):
        np.testing.assert_array_equal(compiled, plain)
    assert codec.decode(ids) == texts


def test_texts_are_taken_in_groups(monkeypatch):
    codec, _ = ngram_codebook()
    texts = [TEXT[:n] for n in range(0, 300, 7)]
    together = codec.encode(texts)
    monkeypatch.setattr(codebook, "_CHUNK_BYTES", 100)
    for one, other in zip(together, codec.encode(texts), strict=True):
        np.testing.assert_array_equal(one, other)


def test_ids_out_of_range():
    codec, _ = ngram_codebook()
    for wrong in (-1, 4096):
        with pytest.raises(FreevocabError, match=f"id {wrong} is outside"):
            codec.decode([np.array([0, wrong])])


def test_saved_and_loaded(tmp_path):
    codec, _ = ngram_codebook()
    codec.save(tmp_path / "mine")
    again = codecs.load(tmp_path / "mine")
    assert again.token_bytes() == codec.token_bytes()
    assert again.fingerprint() == codec.fingerprint()
    assert (again.name, again.notes) == (codec.name, codec.notes)
    names = {path.name for path in (tmp_path / "mine").iterdir()}
    assert names == {folders.MANIFEST, "codec.json", "codebook.bin"}
    other = table_codebook("steep", 12, 9)[1]
    (tmp_path / "mine" / "codebook.bin").write_bytes(codebook.pack(other.token_bytes()))
    with pytest.raises(FreevocabError, match="not the one that codec.json describes"):
        codecs.load(tmp_path / "mine")


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.sets(st.binary(min_size=2, max_size=300), max_size=20))
def test_any_strings_can_be_packed(strings):
    strings = [*strings, *BYTES]
    assert codebook.unpack(codebook.pack(strings)) == strings


def test_damaged_files():
    whole = codebook.pack(ngram_codebook()[0].token_bytes())
    newer = whole[:4] + struct.pack("<H", 2) + whole[6:]
    with pytest.raises(FreevocabError, match="format version 2.*reads up to 1"):
        codebook.unpack(newer)
    with pytest.raises(FreevocabError, match="is not a codebook"):
        codebook.unpack(b"\x1f\x8b" + whole)
    with pytest.raises(FreevocabError, match="is not a codebook"):
        codebook.unpack(whole[:20])
    for end in (45, len(whole) // 2, len(whole) - 1):
        with pytest.raises(FreevocabError, match="damaged"):
            codebook.unpack(whole[:end])
    for position in range(6, len(whole), len(whole) // 60):
        flipped = bytearray(whole)
        flipped[position] ^= 4
        with pytest.raises(FreevocabError, match="^the codebook is damaged.*again$"):
            codebook.unpack(bytes(flipped))


@pytest.mark.parametrize(
    ("strings", "problem"),
    [
        (BYTES[:-1], "256 to"),
        ([*BYTES[1:], b"ab"], "1 are missing"),
        ([*BYTES, b"ab", b"ab"], "twice"),
        ([*BYTES, b""], "1 to 65535 bytes"),
        ([*BYTES, b"a" * 65536], "1 to 65535 bytes"),
    ],
)
def test_what_is_no_codebook(strings, problem):
    with pytest.raises(FreevocabError, match=problem):
        CodebookCodec(strings)


def test_the_shipped_codebook_is_small_and_says_how_it_was_made():
    codec = english()
    assert codec.vocab_size == 65536
    assert codec.lossless
    assert codec.notes["closing"] == "point+delay"
    assert codec.notes["trained_on"]["enwiki"]["bytes"] > 10**8
    text = b"The three currently living species are: African savanna elephants."
    pieces = codec.encode([text])[0]
    assert len(text) / len(pieces) > 4
    model = NGramModel.train([TEXT], order=2, beta=9)
    assert compile_codebook(model, 10).fingerprint() != codec.fingerprint()
