"""`freevocab decipher`: solves held-out text, says when it is not sure, and fails in one line."""

import json
import math
import os
import pty
import random
import subprocess
import sys
import termios
import time

import numpy as np
import pytest

from experiments.benchmarks import puzzles
from research import corpora
from research.cli import decipher as command
from research.cli.decipher import edited
from research.lexinvariance.ciphers import cipher_text, ciphers, decipher, letters, shipped_solver
from tests.one_line import is_one_line

ASCII = [chr(code) for code in range(33, 127)]
GREEK = [chr(code) for code in range(0x391, 0x3A2)] + [chr(code) for code in range(0x3B1, 0x3CA)]


@pytest.fixture(scope="module")
def text():
    """English that no shipped model was trained on: documentation of the Python installation."""
    documents = corpora.load("builtin:topics").documents("valid")
    prose = max((ciphers.normalise(document) for document in documents), key=len)
    return prose[1_000:1_400].strip()


def enciphered(text, symbols, seed=0, letters=ciphers.LETTERS):
    chosen = random.Random(seed).sample(symbols, len(letters))
    table = str.maketrans(dict(zip(letters, chosen, strict=True)))
    return text.translate(table)


def write(tmp_path, text):
    path = tmp_path / "cipher.txt"
    path.write_text(text + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("symbols", [ASCII, GREEK], ids=["ASCII", "Greek"])
def test_held_out_text_with_clear_spaces_is_solved(text, symbols, tmp_path, freevocab):
    code, out, err = freevocab("decipher", write(tmp_path, enciphered(text, symbols)))
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == text
    assert "spaces in the clear" in out and "letter 5-grams" in out and "not sure" not in out


def test_an_enciphered_space_is_noticed(text, tmp_path, freevocab):
    cipher = enciphered(text, ASCII, 1, ciphers.LETTERS + " ")
    code, out, err = freevocab("decipher", write(tmp_path, cipher), "--json")
    found = json.loads(out)
    assert (code, err, found["spaces"]) == (0, "", "enciphered")
    assert found["plain"] == text and found["sure"] and found["doubts"] == []


def test_no_spaces_are_noticed_and_groups_of_five_are_layout(text, tmp_path, freevocab):
    solid = text.replace(" ", "")
    cipher = enciphered(solid, list("abcdefghijklmnopqrstuvwxyz"), 2)
    groups = " ".join(cipher[at : at + 5] for at in range(0, len(cipher), 5))
    for given in (cipher, groups):
        code, out, _ = freevocab("decipher", write(tmp_path, given), "--json")
        found = json.loads(out)
        assert (code, found["spaces"], found["plain"]) == (0, "none", solid)


def test_punctuation_and_case_of_a_newspapers_cryptogram_stay(text, tmp_path, freevocab):
    plain = ". ".join(part.strip().capitalize() for part in text[:320].split(" the ")) + "."
    table = enciphered(ciphers.LETTERS, list(ciphers.LETTERS), 3)
    cipher = plain.translate(
        str.maketrans(ciphers.LETTERS + ciphers.LETTERS.upper(), table + table.upper())
    )
    code, out, _ = freevocab("decipher", write(tmp_path, cipher), "--json")
    found = json.loads(out)
    assert (code, found["symbols"], found["plain"]) == (0, "letters", plain)


def test_capitals_digits_and_marks_may_be_enciphered_too(tmp_path, freevocab):
    documents = corpora.load("builtin:topics").documents("valid")
    prose = " ".join(max(documents, key=len).decode("utf-8").split())[2_000:4_000].strip()
    plain = "".join(c for c in prose if c.isascii())
    letters = "".join(sorted(set(plain)))
    cipher = enciphered(plain, [chr(0x4E00 + n) for n in range(99)], 6, letters)
    code, out, _ = freevocab("decipher", write(tmp_path, cipher), "--json")
    found = json.loads(out)
    right = sum(a == b for a, b in zip(found["plain"], plain, strict=True)) / len(plain)
    assert code == 0 and found["spaces"] == "enciphered" and right > 0.9


def test_a_short_text_is_answered_and_said_to_be_unsure(text, tmp_path, freevocab):
    path = write(tmp_path, enciphered(text[:24].rsplit(" ", 1)[0], ASCII))
    code, out, err = freevocab("decipher", path, "--restarts", 8)
    assert (code, err) == (0, "")
    assert "letters are few for" in out and "?" in out
    assert freevocab("decipher", path, "--restarts", 8)[1] == out  # the seed decides


@pytest.mark.parametrize(
    ("content", "options", "code", "words"),
    [
        (b"", (), 1, "empty"),
        (b"\x00\x01\x02", (), 1, "control character"),
        (b"\xff\xfe\x00", (), 1, "not UTF-8"),
        ("".join(map(chr, range(0x4E00, 0x4E90))).encode(), (), 1, "144 different symbols"),
        ("".join(map(chr, range(0x4E00, 0x4E60))).encode(), (), 1, "96 different symbols for 95"),
        (b"abc", ("--spaces", "some"), 2, "--spaces"),
        (b"abc", ("--seconds", "0"), 2, "--seconds"),
        (b"abc", ("--follow",), 2, "--follow"),
        (None, (), 2, "there is no file"),
    ],
)
def test_what_cannot_be_read_is_one_line(content, options, code, words, tmp_path, freevocab):
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    returned, out, err = freevocab("decipher", path, *options)
    assert (returned, out) == (code, "")
    assert is_one_line(err) and words in err


def run(*options, **streams):
    program = "import research.cli as c, sys; sys.exit(c.call(['decipher', '-', *sys.argv[1:]]))"
    return subprocess.Popen([sys.executable, "-c", program, *options], **streams)


def test_following_a_pipe_gives_a_line_for_each_arrival(text):
    cipher = enciphered(text, ASCII, 4)
    at = cipher.index(" ", 40)
    pipe = subprocess.PIPE
    with run("--follow", "--seconds", "1", stdin=pipe, stdout=pipe, text=True) as process:
        process.stdin.write(cipher[:at])
        process.stdin.flush()
        first = process.stdout.readline()
        process.stdin.write(cipher[at:] + "\n")
        process.stdin.close()
        rest = process.stdout.read().splitlines()
        assert process.wait(timeout=60) == 0
    assert first.startswith(f"{at - cipher[:at].count(' ')} letters, ")
    assert len(rest) == 1 and rest[0].endswith(f"%: {text}")


def test_following_a_terminal_redraws_and_ends_with_control_d(text):
    cipher = enciphered(text[:30], list(ciphers.LETTERS), 5).strip()
    ours, theirs = pty.openpty()
    with run("--follow", "--restarts", "1", stdin=theirs, stdout=theirs) as process:
        os.close(theirs)
        # Keys from before every key counts would be thrown away.
        while termios.tcgetattr(ours)[3] & termios.ICANON:
            time.sleep(0.05)
        os.write(ours, cipher.encode() + b"zz\x7f\x7f")
        seen = b""
        while b"decided by" not in seen:
            seen += os.read(ours, 4096)
        os.write(ours, b"\x04")
        assert process.wait(timeout=60) == 0
    os.close(ours)
    assert seen.startswith(b"\x1b[H\x1b[2J" + cipher.encode() + b"\r\n")


def test_keys_that_correct():
    assert edited("ab\ncd", "e\x7f\x7ff") == "ab\ncf"
    assert edited("ab\ncd", "\x15x") == "ab\nx"


def test_a_page_marks_what_is_unsure():
    cipher = cipher_text.read("ab a!", "clear", "letters")
    found = decipher.Deciphered(cipher, "xy", (1.0, 0.5), 2.0, 1.0, "a guess", ("too short",))
    lines = command.page(found).splitlines()
    assert lines[0] == "xy x!" and "a=x b=y?" in lines[2]
    assert "83% of the text; unsure (marked ?): 1 symbols" in lines[4]
    assert lines[-1].split(maxsplit=2) == ["not", "sure", "too short"]


def test_the_shortest_description_wins_and_a_near_one_is_named():
    """Of two readings that a stand-in solves at costs given."""
    costs = {"all": 100.0, "letters": 98.0}

    def solve(cipher, share):
        assert share == 0.5
        count = len(cipher.symbols)
        key = ciphers.LETTERS[:count]
        nats = costs[cipher.reading] - shipped_solver.key_nats(cipher)
        return shipped_solver.Solution(
            key, nats - math.log(2) * cipher.clear_bits, np.ones(count), 1.0, "x"
        )

    found = decipher.decipher("ab, cd", solve)
    assert found.cipher.reading == "letters"
    assert any("nearly as good: spaces clear, symbols all" in doubt for doubt in found.doubts)
    costs["letters"] = 200.0
    found = decipher.decipher("ab, cd", solve)
    assert found.cipher.reading == "all"
    assert not any("nearly" in doubt for doubt in found.doubts)


def test_what_is_shipped_is_small():
    files = [path for path in letters.SHIPPED.rglob("*") if path.is_file()]
    assert files and sum(path.stat().st_size for path in files) < 15e6


CRYPTOGRAM = (
    "VWLOO, WKH ROG PDQ ZDONHG GRZQ WR WKH KDUERU; KH ORRNHG DW WKH VKLSV DQG WKH JUHB ZDWHU. KH"
    " DVNHG, EXW QRERGB DQVZHUHG."
)


@pytest.mark.parametrize("key", ["caesar", "random"])
def test_marks_of_a_cryptogram_in_capitals_are_marks(key, tmp_path, freevocab):
    plain = (
        "STILL, THE OLD MAN WALKED DOWN TO THE HARBOR; HE LOOKED AT THE SHIPS AND THE GREY WATER."
        " HE ASKED, BUT NOBODY ANSWERED."
    )
    capitals = ciphers.LETTERS.upper()
    text = CRYPTOGRAM if key == "caesar" else enciphered(plain, list(capitals), 7, capitals)
    code, out, _ = freevocab("decipher", write(tmp_path, text), "--json")
    found = json.loads(out)
    assert (code, found["symbols"], found["sure"]) == (0, "letters", True)
    assert found["plain"] == plain


def test_numbers_between_separators_are_letters(text, tmp_path, freevocab):
    names = [f"{number:02} " for number in range(1, 27)]
    cipher = enciphered(text[:200].rsplit(" ", 1)[0].replace(" ", "/ "), names, 8)
    code, out, _ = freevocab("decipher", write(tmp_path, cipher), "--json")
    found = json.loads(out)
    assert (code, found["symbols"]) == (0, "numbers") and set(found["key"]) <= {
        name.strip() for name in names
    }
    assert found["plain"].strip() == text[:200].rsplit(" ", 1)[0]


GERMAN = (
    "als der junge mann am naechsten morgen erwachte lag der schnee schon hoch vor dem hause und"
    " die leute auf der strasse gingen langsam und schweigend zur kirche"
)
FRENCH = (
    "quand le jeune homme se reveilla le lendemain matin la neige couvrait deja les toits du"
    " village et les gens marchaient lentement vers la petite eglise"
)


@pytest.mark.parametrize(("language", "plain"), [("german", GERMAN), ("french", FRENCH)])
def test_a_language_is_recognised(language, plain, tmp_path, freevocab):
    cipher = enciphered(plain, list(ciphers.LETTERS.upper()), 9)
    path = write(tmp_path, cipher)
    code, out, _ = freevocab("decipher", path, "--json", "--seconds", "0.5")
    found = json.loads(out)
    assert (code, found["language"]) == (0, language)
    assert found["plain"].lower() == plain


def test_a_crib_settles_a_short_text_and_one_that_fits_nowhere_is_said(tmp_path, freevocab):
    plain = "the quick wizard jumped over a lazy fox"
    path = write(tmp_path, enciphered(plain, GREEK, 10))
    code, out, _ = freevocab("decipher", path, "--crib", "Quick wizard jumped", "--json")
    assert code == 0 and json.loads(out)["plain"].startswith("the quick wizard jumped")
    code, out, err = freevocab("decipher", path, "--crib", "aaaa")
    assert (code, out) == (1, "") and is_one_line(err) and "fits nowhere" in err


@pytest.mark.parametrize("kind", ["vigenere", "random"])
def test_what_is_no_simple_substitution_has_no_reading(kind, text, tmp_path, freevocab):
    cipher = puzzles.enciphered(text[:300], kind, np.random.default_rng(11))
    options = ("--seconds", "0.2", "--language", "english")
    code, out, _ = freevocab("decipher", write(tmp_path, cipher), *options)
    assert code == 0 and "confidence  none: no reading" in out and "%" not in out
    assert "it does not read like English" in out and "no simple substitution" in out
    found = json.loads(freevocab("decipher", write(tmp_path, cipher), *options, "--json")[1])
    assert found["text_confidence"] is found["confidence"] is found["language"] is None
    assert not found["sure"]


def test_an_unread_text_of_many_symbols_is_said_to_look_homophonic(text, tmp_path, freevocab):
    solid = text.replace(" ", "")[:200]
    cipher = puzzles.homophonic(solid, np.random.default_rng(12), uniform=False)
    options = ("--restarts", "1", "--language", "german")
    code, out, _ = freevocab("decipher", write(tmp_path, cipher), *options)
    assert code == 0 and "no reading" in out and "it looks homophonic" in out
