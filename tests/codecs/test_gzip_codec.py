import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.codecs.basic import GZipCodec
from research.errors import FreevocabError, UsageError

TEXT = b"the cat sat on the mat, and the dog sat on the cat. " * 40
WIDTHS = [1, 5, 8, 16, 24]
ANY = settings(max_examples=60, deadline=None, derandomize=True)


def test_ids_of_eight_bits_are_the_bytes_of_zlib():
    (ids,) = GZipCodec().encode([TEXT])
    assert bytes(ids.tolist()) == zlib.compress(TEXT)


def test_header_and_footer_are_two_and_four_bytes():
    (with_both,) = GZipCodec().encode([TEXT])
    (without,) = GZipCodec(header=False).encode([TEXT])
    np.testing.assert_array_equal(with_both[2:-4], without)
    assert int.from_bytes(bytes(with_both[-4:].tolist())) == zlib.adler32(TEXT)


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_width_holds_the_same_bits(width, header):
    codec = GZipCodec(width, header)
    (narrow,) = GZipCodec(8, header).encode([TEXT])
    (ids,) = codec.encode([TEXT])
    assert codec.vocab_size == 2**width
    assert len(ids) == -(-8 * len(narrow) // width)
    assert codec.decode_prefix(ids) == (TEXT, True)


@pytest.mark.parametrize("header", [True, False])
def test_a_cut_stream_gives_a_prefix_and_says_so(header):
    codec = GZipCodec(8, header)
    (ids,) = codec.encode([TEXT])
    lengths = []
    for count in range(len(ids)):
        text, complete = codec.decode_prefix(ids[:count])
        assert not complete
        assert TEXT.startswith(text)
        lengths.append(len(text))
    assert lengths == sorted(lengths)
    assert lengths[-1] > len(TEXT) // 2


@pytest.mark.parametrize("header", [True, False])
@ANY
@given(place=st.integers(0, 10_000), value=st.integers(1, 255))
def test_what_stands_before_an_error_is_kept(header, place, value):
    codec = GZipCodec(8, header)
    (ids,) = codec.encode([TEXT])
    place %= len(ids)
    broken = ids.copy()
    broken[place] ^= value
    before, _ = codec.decode_prefix(ids[:place])
    text, complete = codec.decode_prefix(broken)
    # A wrong first byte is a wrong header; later bytes cannot take back what came out.
    assert text.startswith(before)
    assert not (header and complete and text != TEXT)


def test_a_wrong_checksum_keeps_the_text_and_is_told():
    (ids,) = GZipCodec().encode([TEXT])
    ids[-1] ^= 1
    assert GZipCodec().decode_prefix(ids) == (TEXT, False)


@pytest.mark.parametrize("width", [1, 8, 16])
@pytest.mark.parametrize("header", [True, False])
@ANY
@given(numbers=st.lists(st.integers(0, 2**16 - 1), max_size=60))
def test_any_ids_decode(width, header, numbers):
    codec = GZipCodec(width, header)
    ids = np.array(numbers, np.int64) % codec.vocab_size
    (text,) = codec.decode([ids])
    assert codec.decode_prefix(ids)[0] == text
    assert codec.byte_lengths(ids).sum() == len(text)


def test_what_follows_the_end_makes_it_incomplete_unless_it_is_padding():
    codec = GZipCodec()
    (ids,) = codec.encode([TEXT])
    assert codec.decode_prefix(np.append(ids, [0, 0])) == (TEXT, True)
    assert codec.decode_prefix(np.append(ids, [0, 7])) == (TEXT, False)


def test_the_last_id_carries_the_bytes_of_its_row():
    codec = GZipCodec(16)
    (ids,) = codec.encode([TEXT])
    lengths = codec.byte_lengths(np.stack([ids, ids]))
    assert lengths.shape == (2, len(ids))
    assert lengths[:, -1].tolist() == [len(TEXT)] * 2
    assert lengths[:, :-1].sum() == 0
    assert codec.token_bytes() is None


def test_names_and_fingerprints_tell_the_options_apart():
    codecs = [GZipCodec(width, header) for width in WIDTHS for header in (True, False)]
    assert len({codec.name for codec in codecs}) == len(codecs)
    assert len({codec.fingerprint() for codec in codecs}) == len(codecs)
    assert GZipCodec().name == "gzip"


@pytest.mark.parametrize("wrong", [0, 25, 8.0, True, "8"])
def test_wrong_widths_are_refused(wrong):
    with pytest.raises(UsageError, match="bits_per_token"):
        GZipCodec(wrong)


def test_ids_out_of_range_are_refused():
    with pytest.raises(FreevocabError, match="outside"):
        GZipCodec(5).decode([np.array([32])])


@ANY
@given(st.binary(max_size=400), st.integers(1, 60), st.booleans())
def test_a_text_is_decoded_no_further_than_asked_for(text, most, damaged):
    codec = GZipCodec()
    (ids,) = codec.encode([text * 20])
    if damaged:
        ids = ids[: len(ids) // 2]
    whole = codec.decode([ids])[0]
    assert codec.decode_at_most([ids], [most]) == [whole[: most + 1]]
