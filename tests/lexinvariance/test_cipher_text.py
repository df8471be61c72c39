"""Ways to read a cipher text: what is a symbol, where words end, and back to the layout."""

import numpy as np
import pytest

from research.errors import FreevocabError, UsageError
from research.lexinvariance.ciphers import cipher_text


def kinds(text, **options):
    return [(each.spaces, each.reading) for each in cipher_text.candidates(text, **options)]


def test_every_character_is_a_symbol_and_case_counts():
    read = cipher_text.read("aA %a", "clear", "all")
    assert read.symbols == ("a", "A", "%") and read.ids == (0, 1, 2, 0)
    assert read.breaks == (False, False, True, False) and read.clear_bits == 0
    assert read.stream().tolist() == [-1, 0, 1, -1, 2, 0, -1]
    assert read.plain("xyz") == "xy zx"
    assert read.plain("xyz", unsure={"A", "%"}, marks=("<", ">")) == "x<y> <z>x"


def test_letters_alone_keep_case_and_punctuation():
    read = cipher_text.read("Xli, x'Y-z!", "clear", "letters")
    assert read.symbols == ("x", "l", "i", "y", "z")
    assert read.stream().tolist() == [-1, 0, 1, 2, -1, 0, 3, -1, 4, -1]  # the hyphen parts words
    assert read.plain("theno") == "The, t'N-o!"


def test_what_english_leaves_in_the_clear_is_cheap():
    bits = {
        text: cipher_text.read(text, "clear", "letters").clear_bits
        for text in ("ab cd", "Ab cd.", "ab, c'd", "a,b cd", "aB cd", "a%;b c&d")
    }
    assert bits["ab cd"] == 0 and bits["Ab cd."] == bits["ab, c'd"] == 6
    assert bits["a,b cd"] == 12 and bits["aB cd"] == 6 and bits["a%;b c&d"] > 20
    every = {text: cipher_text.read(text, "clear", "all").clear_bits for text in bits}
    assert every["ab cd"] == every["a,b cd"] == every["a%;b c&d"] == 0
    assert every["Ab cd."] == every["ab, c'd"] == 15 + 6  # a coincidence


def test_an_enciphered_space_is_a_symbol_and_lines_are_layout():
    read = cipher_text.read("a b\nc", "enciphered", "all")
    assert read.symbols == ("a", " ", "b", "c") and read.letters == 27
    assert read.plain("x yz") == "x y\nz"
    assert (read.stream() >= 0).all()


def test_groups_of_five_are_no_words():
    text = "abcde fghab\ncdefg hab"
    assert kinds(text) == [("none", "all")]
    read = cipher_text.candidates(text)[0]
    assert read.plain("abcdefgh") == "abcdefghab\ncdefghab"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abc defg hi", [("clear", "all")]),
        ("abc, defg hi.", [("clear", "all"), ("clear", "letters")]),
        ("Abc defg ba", [("clear", "all"), ("clear", "letters")]),
        ("ab1c2", [(s, k) for k in ("all", "letters") for s in ("enciphered", "none")]),
        ("12 3456 31 22", [("clear", "all")]),
        ("abcdefghijklmnop q rstuvwabcdefghijk", [("clear", "all"), ("enciphered", "all")]),
    ],
)
def test_readings_worth_a_try(text, expected):
    assert kinds(text) == expected


def test_what_is_asked_for_is_not_guessed():
    assert kinds("ab, cd", spaces="none", symbols="letters") == [("none", "letters")]
    with pytest.raises(UsageError, match="spaces 'some'"):
        cipher_text.read("ab", "some", "all")


def test_with_more_symbols_than_letters_marks_are_enciphered_too():
    capitals = "".join(map(chr, range(65, 91)))
    text = f"{capitals} {capitals.lower()}"
    assert kinds(text, spaces="clear") == [("clear", "letters"), ("clear", "all")]
    narrow, wide = cipher_text.candidates(text, spaces="clear")
    assert (narrow.wide, narrow.letters, wide.wide, wide.letters) == (False, 26, True, 94)
    assert kinds("The quick, brown: fox's. Jumps! (Over) \"the\" lazy-Dogs? Bill-Of Mike") == [
        ("clear", "letters")  # no need to think of marks as symbols
    ]


def test_any_alphabet():
    read = cipher_text.read("ЖЩ Ж☂ 中", "clear", "all")
    assert read.symbols == ("Ж", "Щ", "☂", "中") and read.plain("abcd") == "ab ac d"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b" \n\t ", "empty"),
        (b"\xff\xfeab", "not UTF-8"),
        (b"ab\x00cd", "control character"),
    ],
)
def test_what_is_no_text(data, words):
    with pytest.raises(FreevocabError, match=words):
        cipher_text.decode(data)


def test_more_symbols_than_can_be_read():
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 129)))
    with pytest.raises(FreevocabError, match="129 different symbols"):
        cipher_text.candidates(text)
    assert len(cipher_text.read(text[:128], "none", "all").symbols) == 128


def test_marks_and_line_ends_of_files_are_dropped():
    assert cipher_text.decode(b"\xef\xbb\xbfab\r\ncd\n\n") == "ab\ncd"


def test_reading_and_writing_with_the_key_itself_changes_nothing():
    rng = np.random.default_rng(0)
    for _ in range(20):
        text = "".join(rng.choice(list("abc XY,.\n"), 40)).strip() or "a"
        for each in cipher_text.candidates(text):
            given = "".join(each.symbols)
            if each.spaces != "none":
                assert each.plain(given) == text
