import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from research import codecs
from research.codecs.basic import SUBSTITUTE, BytesCodec
from research.codecs.protocol import Codec
from research.errors import FreevocabError
from research.tokenizers.static_vocabulary import StaticVocabulary

BYTES = BytesCodec()
CHARACTERS = codecs.load("characters")


def test_an_id_is_the_value_of_a_byte():
    (ids,) = BYTES.encode([b"a\x00\xff"])
    assert ids.dtype == np.int32
    assert ids.tolist() == [97, 0, 255]
    assert BYTES.vocab_size == 256
    assert BYTES.token_bytes()[97] == b"a"
    assert isinstance(BYTES, Codec)


def test_a_str_is_taken_as_utf8():
    (from_str,) = BYTES.encode(["né"])
    (from_bytes,) = BYTES.encode([b"n\xc3\xa9"])
    np.testing.assert_array_equal(from_str, from_bytes)


@pytest.mark.parametrize("wrong", [[256], [-1], [0, 3, 1000]])
def test_ids_out_of_range_are_one_line(wrong):
    with pytest.raises(FreevocabError, match="outside the codec's vocabulary of 256"):
        BYTES.decode([np.array(wrong)])
    with pytest.raises(FreevocabError, match="outside"):
        BYTES.byte_lengths(np.array(wrong))


def test_ids_that_are_not_integers_are_refused():
    with pytest.raises(FreevocabError, match="integers, not float64"):
        BYTES.decode([np.array([1.0])])


def test_a_static_vocabulary_joins_strings_of_any_length():
    vocabulary = StaticVocabulary([b"", b"ab", b"c", b"defg"])
    ids = np.array([[3, 0], [1, 2]])
    assert vocabulary.decode(list(ids)) == [b"defg", b"abc"]
    assert vocabulary.decode([np.zeros(0, np.int32), np.array([0])]) == [b"", b""]
    assert vocabulary.byte_lengths(ids).tolist() == [[4, 0], [2, 1]]
    assert vocabulary.byte_lengths(ids).dtype == np.int32


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_ascii_comes_back(text):
    ids = CHARACTERS.encode([text])
    assert CHARACTERS.decode(ids) == [text.encode()] and len(ids[0]) == len(text)


@given(st.text())
def test_a_character_is_an_id_and_what_is_not_ascii_one_id(text):
    ids = CHARACTERS.encode([text])[0]
    want = [ord(c) if ord(c) < 128 else SUBSTITUTE for c in text]
    np.testing.assert_array_equal(ids, np.asarray(want, np.int32))


@given(st.binary())
def test_any_bytes_encode_as_characters(data):
    ids = CHARACTERS.encode([data])[0]
    assert ids.dtype == np.int32 and ids.size <= len(data) and (ids < 128).all()


def test_letters_keep_letters_and_where_words_end():
    codec = codecs.load("letters")
    ids = codec.encode(["It's 7 o'clock -- NOW.", "", "Ünder"])
    assert codec.decode(ids) == [b"it s o clock now", b"", b"nder"]
    assert codec.vocab_size == 27 and not codec.lossless


def test_characters_are_saved_and_say_that_they_are_lossy(tmp_path):
    CHARACTERS.save(tmp_path / "codec")
    again = codecs.load(tmp_path / "codec")
    assert again.fingerprint() == CHARACTERS.fingerprint()
    assert again.vocab_size == 128 and not again.lossless
    assert again.token_bytes()[65] == b"A"
