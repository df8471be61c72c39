"""tokenizer.json: the same ids as ours in the `tokenizers` package."""

import json
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research import codecs
from research.codecs.codebook import CodebookCodec, codebook_export

tokenizers = pytest.importorskip("tokenizers")

STRINGS = [b"ab", b"abcde", b"abcdx", b" the", b" th", b"\n\n", b"[a]", b"^-&&~", b"\xc3\xa9"]


@pytest.fixture(scope="module")
def small():
    codec = CodebookCodec([*(bytes([byte]) for byte in range(256)), *STRINGS])
    return codec, tokenizers.Tokenizer.from_str(codebook_export.tokenizer_json(codec))


@pytest.fixture(scope="module")
def english():
    codec = codecs.load("english-b16")
    return codec, tokenizers.Tokenizer.from_str(codebook_export.tokenizer_json(codec))


def library_text(size):
    files = sorted(pathlib.Path(json.__file__).parent.parent.glob("*.py"))
    return "".join(path.read_text(encoding="utf-8") for path in files)[:size]


def assert_agree(codec, tokenizer, text):
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert ids == codec.encode([text])[0].tolist()
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.text(st.sampled_from("abcdex the\n[]^-&~'s\\é\U0001f600"), max_size=40))
def test_small_codebook(small, text):
    assert_agree(*small, text)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=60))
def test_any_text(small, english, text):
    assert_agree(*small, text)
    assert_agree(*english, text)


def test_a_megabyte(english):
    assert_agree(*english, library_text(1_000_000))


def test_a_megabyte_without_spaces(english):
    assert_agree(*english, "pneumonoultramicroscopicsilicovolcanoconiosis" * 22_000)


def test_every_entry_that_is_text(english):
    codec, tokenizer = english
    for index, string in enumerate(codec.token_bytes()[::50]):
        if string.isascii():
            assert tokenizer.encode(string.decode()).ids == [50 * index]


def test_bytes_have_the_usual_characters():
    characters = codebook_export.byte_characters()
    assert len(set(characters)) == 256
    assert (characters[ord("A")], characters[32], characters[10]) == ("A", "Ġ", "Ċ")
    assert set(characters) == set(tokenizers.pre_tokenizers.ByteLevel.alphabet())


def test_written_whole(tmp_path, small):
    codec, _ = small
    path = tmp_path / "tokenizer.json"
    codebook_export.export(codec, path)
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    assert tokenizer.get_vocab_size() == codec.vocab_size
    assert_agree(codec, tokenizer, "the abcdx thé abcdabcde")
