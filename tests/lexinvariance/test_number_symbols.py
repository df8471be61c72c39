"""Letters written as numbers: which separators part letters, which words."""

import pytest

from research.errors import FreevocabError
from research.lexinvariance.ciphers import cipher_text, number_symbols


@pytest.mark.parametrize(
    ("text", "spaces", "plain"),
    [
        ("12-5 8", "clear", "ab c"),
        ("12 5 / 8", "clear", "ab c"),
        ("07 12 / 03", "clear", "ab c"),
        ("12, 5, 8, 5", "none", "abcb"),
        ("12-5. 8-5", "clear", "ab. cb"),
        ("12 5  8 5", "clear", "ab cb"),
        ("12-5\n8-5", "clear", "ab\ncb"),
    ],
)
def test_numbers_between_separators_are_symbols(text, spaces, plain):
    read = cipher_text.candidates(text)[0]
    assert (read.reading, read.spaces) == ("numbers", spaces)
    assert read.plain("abcde"[: len(read.symbols)]) == plain
    assert set(read.symbols) == set(text.replace("-", " ").replace(",", " ").split()) - {
        "/", "5."
    }  # fmt: skip


@pytest.mark.parametrize("text", ["12 3456 31 22", "4k 12 5", "1234", "7-7-7"])
def test_digits_that_are_no_numbers(text):
    assert not number_symbols.likely(text)


def test_numbers_can_be_asked_for():
    assert cipher_text.read("1234 7", "none", "numbers").symbols == ("1234", "7")
    with pytest.raises(FreevocabError, match="letters among"):
        cipher_text.read("a 12 b 7", "none", "numbers")
    with pytest.raises(FreevocabError, match="no numbers"):
        cipher_text.read("?!", "none", "numbers")
