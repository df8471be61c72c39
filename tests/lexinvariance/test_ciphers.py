"""Ciphers: texts, keys, held-out pieces, and what a solution is worth."""

import numpy as np
import pytest

from research.errors import UsageError
from research.lexinvariance.ciphers import ciphers

TEXT = "It's a café --\n\nin 1902, said the OLD man; nobody's there. " * 4


def test_normalised_text_is_letters_and_single_spaces():
    assert ciphers.normalise(TEXT).startswith("its a cafe in said the old man nobodys there its")
    assert ciphers.normalise("  Ab--c'd é ", spaces=False) == "abcde"
    assert ciphers.normalise(b"caf\xc3\xa9 \xff x") == "cafe x"
    assert ciphers.normalise(" .. ") == "" == ciphers.normalise("")
    again = ciphers.normalise(TEXT)
    assert ciphers.normalise(again) == again
    assert set(again) <= set(ciphers.LETTERS + " ") and "  " not in again


@pytest.mark.parametrize("condition", ciphers.CONDITIONS)
def test_a_cipher_is_undone_by_its_key_and_by_no_other(condition):
    rng = np.random.default_rng(0)
    cipher = ciphers.make(TEXT, condition, rng)
    size = ciphers.enciphered_letters(condition)
    assert sorted(cipher.key_S) == list(range(size))
    found_L = ciphers.decipher(cipher.symbols_L, cipher.key_S)
    assert found_L.dtype == cipher.symbols_L.dtype == np.int32
    np.testing.assert_array_equal(found_L, cipher.plain_L)
    plain = ciphers.text_of(found_L, ciphers.alphabet(condition))
    assert plain == ciphers.normalise(TEXT, spaces=condition != "none")
    assert ((cipher.symbols_L < 0).any()) == (condition == "clear")
    assert ciphers.symbol_error_rate(cipher, found_L) == 0.0
    assert ciphers.key_precision(cipher, cipher.key_S) == 1.0
    other = ciphers.decipher(cipher.symbols_L, np.roll(cipher.key_S, 1))
    assert ciphers.symbol_error_rate(cipher, other) == 1.0


@pytest.mark.parametrize("condition", ciphers.CONDITIONS)
def test_names_by_first_occurrence_do_not_depend_on_the_key(condition):
    rng = np.random.default_rng(1)
    texts = [ciphers.renamed(ciphers.make(TEXT, condition, rng)) for _ in range(3)]
    for cipher in texts:
        np.testing.assert_array_equal(cipher.symbols_L, texts[0].symbols_L)
        np.testing.assert_array_equal(cipher.key_S, texts[0].key_S)
        np.testing.assert_array_equal(cipher.occurring, np.arange(len(cipher.key_S)))
        found_L = ciphers.decipher(cipher.symbols_L, cipher.key_S)
        np.testing.assert_array_equal(found_L, cipher.plain_L)


def test_errors_count_enciphered_symbols_and_occurring_ones():
    cipher = ciphers.Cipher(
        np.array([0, -1, 1, 1, 3], np.int32),
        np.array([4, ciphers.SPACE, 5, 5, 7], np.int32),
        np.array([4, 5, 6, 7], np.int32),
    )
    found_S = np.array([4, 9, 9, 7], np.int32)
    found_L = ciphers.decipher(cipher.symbols_L, found_S)
    assert ciphers.symbol_error_rate(cipher, found_L) == 2 / 4
    assert ciphers.key_precision(cipher, found_S) == 2 / 3


@pytest.mark.parametrize("condition", ciphers.CONDITIONS)
def test_pieces_have_the_length_and_begin_words(condition):
    texts = [TEXT, "short", "", "another one of several longer texts to be cut into pieces"]
    normal = [ciphers.normalise(text) for text in texts]
    pieces = ciphers.windows(texts, 20, 12, condition, np.random.default_rng(5))
    assert pieces == ciphers.windows(normal, 20, 12, condition, np.random.default_rng(5))
    assert len({*pieces}) > 6
    words = {word for text in normal for word in text.split()}
    for piece in pieces:
        cipher = ciphers.make(piece, condition, np.random.default_rng(0))
        assert (cipher.symbols_L >= 0).sum() == 20
        if condition == "none":
            places = [("".join(t[i:].split()))[:20] for t in normal for i in _borders(t)]
            assert piece in places
        else:
            *whole, last = piece.split()
            assert {*whole} <= words and any(word.startswith(last) for word in words)
    with pytest.raises(UsageError, match="hold .* pieces of 20 symbols, not 1000"):
        ciphers.windows(texts, 20, 1000, condition, np.random.default_rng(0))


def _borders(text):
    return [i for i in range(len(text)) if text[i] != " " and (i == 0 or text[i - 1] == " ")]


def test_conditions_that_there_are_not():
    with pytest.raises(UsageError, match="clear, enciphered, none"):
        ciphers.alphabet("kept")
