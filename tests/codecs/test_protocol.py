"""What codecs take as text."""

import pytest

from research.errors import FreevocabError
from research.tokenizers.text_spans import as_bytes


def test_text_becomes_utf8_and_undecodable_bytes_come_back():
    assert as_bytes("né") == "né".encode()
    raw = bytes(range(256))
    assert as_bytes(raw.decode("utf-8", "surrogateescape")) == raw
    assert as_bytes(bytearray(raw)) == raw


def test_a_lone_surrogate_is_one_clear_line():
    with pytest.raises(FreevocabError, match="character 1 .* bytes"):
        as_bytes("a\ud800")
