import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from research import codecs
from research.codecs.basic import SUBSTITUTE

CODEC = codecs.load("characters")


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_ascii_comes_back(text):
    ids = CODEC.encode([text])
    assert CODEC.decode(ids) == [text.encode()] and len(ids[0]) == len(text)


@given(st.text())
def test_a_character_is_an_id_and_what_is_not_ascii_one_id(text):
    ids = CODEC.encode([text])[0]
    want = [ord(c) if ord(c) < 128 else SUBSTITUTE for c in text]
    np.testing.assert_array_equal(ids, np.asarray(want, np.int32))


@given(st.binary())
def test_any_bytes_encode(data):
    ids = CODEC.encode([data])[0]
    assert ids.dtype == np.int32 and ids.size <= len(data) and (ids < 128).all()


def test_letters_keep_letters_and_where_words_end():
    codec = codecs.load("letters")
    ids = codec.encode(["It's 7 o'clock -- NOW.", "", "Ünder"])
    assert codec.decode(ids) == [b"it s o clock now", b"", b"nder"]
    assert codec.vocab_size == 27 and not codec.lossless


def test_it_is_saved_and_says_that_it_is_lossy(tmp_path):
    CODEC.save(tmp_path / "codec")
    again = codecs.load(tmp_path / "codec")
    assert again.fingerprint() == CODEC.fingerprint()
    assert again.vocab_size == 128 and not again.lossless
    assert again.token_bytes()[65] == b"A"
