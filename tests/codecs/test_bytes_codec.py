import numpy as np
import pytest

from research.codecs.basic import BytesCodec
from research.codecs.protocol import Codec
from research.errors import FreevocabError
from research.tokenizers.static_vocabulary import StaticVocabulary

CODEC = BytesCodec()


def test_an_id_is_the_value_of_a_byte():
    (ids,) = CODEC.encode([b"a\x00\xff"])
    assert ids.dtype == np.int32
    assert ids.tolist() == [97, 0, 255]
    assert CODEC.vocab_size == 256
    assert CODEC.token_bytes()[97] == b"a"
    assert isinstance(CODEC, Codec)


def test_a_str_is_taken_as_utf8():
    (from_str,) = CODEC.encode(["né"])
    (from_bytes,) = CODEC.encode([b"n\xc3\xa9"])
    np.testing.assert_array_equal(from_str, from_bytes)


@pytest.mark.parametrize("wrong", [[256], [-1], [0, 3, 1000]])
def test_ids_out_of_range_are_one_line(wrong):
    with pytest.raises(FreevocabError, match="outside the codec's vocabulary of 256"):
        CODEC.decode([np.array(wrong)])
    with pytest.raises(FreevocabError, match="outside"):
        CODEC.byte_lengths(np.array(wrong))


def test_ids_that_are_not_integers_are_refused():
    with pytest.raises(FreevocabError, match="integers, not float64"):
        CODEC.decode([np.array([1.0])])


def test_a_static_vocabulary_joins_strings_of_any_length():
    vocabulary = StaticVocabulary([b"", b"ab", b"c", b"defg"])
    ids = np.array([[3, 0], [1, 2]])
    assert vocabulary.decode(list(ids)) == [b"defg", b"abc"]
    assert vocabulary.decode([np.zeros(0, np.int32), np.array([0])]) == [b"", b""]
    assert vocabulary.byte_lengths(ids).tolist() == [[4, 0], [2, 1]]
    assert vocabulary.byte_lengths(ids).dtype == np.int32
