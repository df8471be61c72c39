import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research import codecs
from research.cli import generate
from research.codecs.byte_models.ngram import UnigramModel
from research.codecs.windows import EqualInfoCodec
from research.errors import UsageError
from research.testing.tiny import TinyCodec

TEXT = "The naïve café, and the rest of it.".encode()


@pytest.fixture(scope="module")
def model():
    return UnigramModel.train([TEXT * 20], beta=12)


def stream(codec, prompt, ids):
    prompt_ids, shown = generate.encode_prompt(codec, prompt)
    return shown, list(generate.stream_bytes(codec, prompt_ids, iter(ids)))


def test_a_static_vocabulary_streams_id_by_id():
    codec = TinyCodec()
    ids = codec.encode([TEXT])[0]
    shown, pieces = stream(codec, b"and the ", ids)
    assert shown == b"and the "
    assert len(pieces) == len(ids)
    assert b"".join(pieces) == TEXT


@pytest.mark.parametrize(("window_bits", "bits"), [(16, 8), (24, 16), (32, 8), (24, 24)])
def test_windows_stream_as_soon_as_they_are_whole(model, window_bits, bits):
    codec = EqualInfoCodec(model, window_bits, min(bits, 16))
    ids = codec.encode([TEXT])[0]
    shown, pieces = stream(codec, TEXT, ids)
    assert TEXT.startswith(shown) and shown
    text = b"".join(pieces)
    assert TEXT.startswith(text) and len(pieces) > 2
    # Without the last id, its window's bytes are not guessed.
    fewer = b"".join(stream(codec, b"", ids[:-1])[1])
    assert text.startswith(fewer)


def test_any_ids_give_some_bytes(model):
    codec = EqualInfoCodec(model, 16, 8)
    ids = np.random.default_rng(0).integers(0, 256, 101)
    shown, pieces = stream(codec, b"", ids)
    assert shown == b""
    assert b"".join(pieces) == codec.decode([ids[:100].astype(np.int32)])[0]


def test_a_model_that_is_not_reset_answers_at_the_end(model):
    codec = EqualInfoCodec(model, 16, 8, reset="never")
    ids = codec.encode([TEXT])[0]
    _, pieces = stream(codec, b"", ids)
    assert pieces == [TEXT]


def test_gzip_gives_what_it_can_and_takes_no_prompt():
    codec = codecs.load("gzip")
    ids = codec.encode([TEXT])[0]
    _, pieces = stream(codec, "", ids)
    assert b"".join(pieces) == TEXT
    noise = np.random.default_rng(0).integers(0, codec.vocab_size, 50)
    assert isinstance(b"".join(stream(codec, "", noise)[1]), bytes)
    with pytest.raises(UsageError, match="one closed message.*leave out --prompt"):
        generate.encode_prompt(codec, "text")


def test_a_codec_that_only_encodes_gets_one_line(model):
    codec = EqualInfoCodec(model, 16, 16, closing="point")
    with pytest.raises(UsageError, match="only encodes"):
        stream(codec, b"", [1, 2, 3])
    with pytest.raises(UsageError, match="only encodes"):
        generate.encode_prompt(codec, b"and")


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=5)))
def test_text_never_fails_and_keeps_characters_whole(pieces):
    whole = b"".join(pieces)
    assert "".join(generate.as_text(pieces)) == whole.decode("utf-8", "replace")


def test_a_character_split_over_pieces_stays_one():
    assert "".join(generate.as_text([b"na", b"\xc3", b"\xaf", b"ve\xff"])) == "naïve\ufffd"
