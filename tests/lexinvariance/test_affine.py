"""Keys that keep the alphabet's order are found in a few letters, and only where they are right."""

import numpy as np
import pytest

from research.lexinvariance.ciphers import cipher_text, ciphers, letters
from research.lexinvariance.ciphers.solvers import affine, problem

PANGRAM = "the quick brown fox jumps over the lazy dog"


def enciphered(text, factor, shift):
    key = "".join(ciphers.LETTERS[(factor * n + shift) % 26] for n in range(26))
    return text.translate(str.maketrans(ciphers.LETTERS, key))


def best(text):
    read = cipher_text.candidates(text)[0]
    made = problem.make(read.stream(), letters.load("clear"))
    key = affine.best(affine.places(read), made, numbers=read.reading == "numbers")
    return key, read.plain("".join(ciphers.LETTERS[letter] for letter in key.key_S))


@pytest.mark.parametrize(
    ("factor", "shift", "name"),
    [(1, 3, "a Caesar shift of 3"), (25, 25, "Atbash"), (5, 8, "an affine key, 5 x + 8 modulo 26")],
)
def test_a_pangram_is_read_and_its_key_named(factor, shift, name):
    key, plain = best(enciphered(PANGRAM, factor, shift))
    assert (plain, key.name) == (PANGRAM, name)
    assert key.margin(35) > 15 and key.confidence(35) > 0.99


def test_numbers_count_from_one():
    key, plain = best("8-5-12-12-15 23-15-18-12-4")
    assert plain == "hello world" and key.name.startswith("A = 1")


def test_a_random_key_is_none_of_them():
    rng = np.random.default_rng(0)
    shuffled = "".join(rng.permutation(list(ciphers.LETTERS)))
    text = "it was a bright cold day in april and the clocks were striking thirteen"
    key, _ = best(text.translate(str.maketrans(ciphers.LETTERS, shuffled)))
    assert key.margin(58) < 0


def test_other_symbols_have_no_place_in_the_alphabet():
    for text, reading in (("a% b", "all"), ("aA b", "all"), ("7 07 30", "numbers")):
        assert affine.places(cipher_text.read(text, "clear", reading)) is None
