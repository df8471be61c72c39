"""`freevocab decipher`: a substitution cipher in, its plain text, key and confidence out.

With --follow it solves again whenever more text arrives. On a terminal every key counts at once and
the page is drawn again; Ctrl-D ends, backspace and Ctrl-U correct. In a pipe each arrival of text
gives one line.
"""

import codecs
import contextlib
import json
import os
import select
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from research.errors import FreevocabError, UsageError

if TYPE_CHECKING:
    from research.lexinvariance.ciphers.decipher import Deciphered

PIPE = "-"
UNDERLINED = ("\x1b[4m", "\x1b[0m")
_PAUSE = 0.05  # seconds without input after which what has arrived is solved
_END, _CLEAR_LINE, _BACKSPACE = "\x04", "\x15", "\x7f\b"
_HOME_AND_CLEAR = "\x1b[H\x1b[2J"


@dataclass(frozen=True)
class Decipher:
    """Solve a substitution cipher: each letter replaced by a symbol of any alphabet, or by several.

    Caesar, Atbash and affine keys are tried first, then any key that gives each letter one symbol,
    then, with 27 and more symbols, capitals, digits and marks that are enciphered too and
    homophonic keys. Numbers between separators are symbols (12-5 8, 12 5 / 8).
    Prints the plain text, the key, how sure each letter is, and which part of the solver decided.
    A text that is too short to be sure of, or that no key makes readable, is said to be, and is no
    error. Languages are written with a to z (German ae, oe, ue, ss; French without accents).
    """

    file: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """A file, or - for standard input."""
    spaces: Literal["auto", "clear", "enciphered", "none"] = "auto"
    """clear: white space ends words. enciphered: one symbol is the space. none: no spaces."""
    symbols: Literal["auto", "all", "letters", "numbers"] = "auto"
    """all: every character is a symbol, upper and lower case differ. letters: only letters are
    enciphered, whatever their case, and punctuation stays. numbers: each number is one."""
    language: Literal["auto", "english", "german", "french"] = "auto"
    """auto: English, and the others too unless it reads well."""
    crib: str = ""
    """A word or phrase that the plain text is known to hold."""
    seconds: float = 3.0
    """Processor time to search, for each language; 15 times as much for a homophonic key; with
    --follow at most one second."""
    restarts: int | None = None
    """Number of searches in place of a time; the result then depends on the seed alone."""
    seed: int = 0
    """Decides where searches begin."""
    follow: bool = False
    """Solve again whenever more text arrives; ends with the input (Ctrl-D)."""
    json: bool = False
    """One JSON object (with --follow one a line) in place of text."""


def run(options: Decipher) -> None:
    """Solves and prints.

    Raises:
      UsageError: for a missing file or a number below zero.
      FreevocabError: if it is not text, or not such a cipher.
    """
    if options.seconds <= 0 or (options.restarts is not None and options.restarts < 1):
        raise UsageError("--seconds must be above 0 and --restarts at least 1")
    from research.lexinvariance.ciphers import cipher_text, decipher, shipped_solver

    solve = shipped_solver.make(
        seconds=min(options.seconds, 1.0) if options.follow else options.seconds,
        restarts=options.restarts,
        seed=options.seed,
    )

    def solved(text: str) -> decipher.Deciphered:
        return decipher.decipher(
            text,
            solve,
            spaces=options.spaces,
            symbols=options.symbols,
            language=options.language,
            crib=options.crib,
        )

    if options.follow:
        if options.file != PIPE:
            raise UsageError("--follow reads what is typed or piped in: freevocab decipher - ...")
        follow(solved, as_json=options.json)
        return
    result = solved(cipher_text.decode(_read(options.file)))
    if options.json:
        print(json.dumps(result.as_dict(), ensure_ascii=False, indent=1))
    else:
        print(page(result, terminal=sys.stdout.isatty()))


def page(result: "Deciphered", *, terminal: bool = False) -> str:
    """The result for people: plain text, then what there is to know of it.

    Args:
      terminal: underline unsure letters in the text.
    """
    cipher = result.cipher
    spaces = {"clear": "in the clear", "enciphered": "enciphered", "none": "none"}[cipher.spaces]
    what = {"letters": "letters alone", "all": "every character", "numbers": "numbers"}
    unsure = result.unsure()
    language = cipher.language.capitalize() if result.reads else "no language"
    homophonic = ", several may stand for one letter" if cipher.homophonic else ""
    if result.text_confidence is None:
        confidence = "none: no reading"
    else:
        confidence = f"{result.text_confidence:.0%} of the text" + (
            f"; unsure (marked ?): {len(unsure)} symbols" if unsure else "; every letter is sure"
        )
    pairs = (
        f"{symbol}={'space' if letter == ' ' else letter}{'?' if symbol in unsure else ''}"
        for symbol, letter in result.key().items()
    )
    lines = [
        cipher.plain(result.letters, unsure=unsure, marks=UNDERLINED) if terminal else result.plain,
        "",
        f"key         {' '.join(pairs)}",
        f"read as     {len(cipher.ids)} enciphered characters, {len(cipher.symbols)} symbols,"
        f" {what[cipher.reading]}; spaces {spaces}{homophonic}; {language}",
        f"confidence  {confidence}",
        f"decided by  {result.decided}",
    ]
    lines += [f"not sure    {doubt}" for doubt in result.doubts]
    return "\n".join(lines)


def follow(solved: Callable[[str], "Deciphered"], *, as_json: bool) -> None:
    """Prints a solution for each arrival of text on standard input.

    Args:
      solved: text -> `decipher.Deciphered`.
      as_json: one object a line.

    Raises:
      FreevocabError: at the end, if the last text could not be solved.
    """
    from research.lexinvariance.ciphers import cipher_text

    terminal = sys.stdout.isatty() and not as_json
    problem: FreevocabError | None = FreevocabError(
        "there is nothing to decipher: the text is empty"
    )
    for text in arrivals(sys.stdin.fileno()):
        if not text.strip():
            continue
        try:
            result, problem = solved(cipher_text.decode(text.encode())), None
        except FreevocabError as error:
            problem = error
            if terminal:
                print(f"{_HOME_AND_CLEAR}{text}\n\n{error}", flush=True)
            continue
        if as_json:
            print(json.dumps(result.as_dict(), ensure_ascii=False), flush=True)
        elif terminal:
            print(f"{_HOME_AND_CLEAR}{text}\n\n{page(result, terminal=True)}", flush=True)
        else:
            flat = " ".join(result.plain.split())
            sure = "" if not result.doubts else ", not sure"
            confidence = result.text_confidence
            share = "no reading" if confidence is None else f"{confidence:.0%}{sure}"
            print(f"{len(result.cipher.ids)} letters, {share}: {flat}", flush=True)
    if problem is not None:
        raise problem


def arrivals(descriptor: int) -> Iterator[str]:
    """All the text so far, after each arrival of more, until the input ends."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    text, ended = "", False
    with _every_key(descriptor) as typed:
        while not ended:
            data = os.read(descriptor, 1 << 16)
            ended = not data
            while not ended and select.select([descriptor], [], [], _PAUSE)[0]:
                more = os.read(descriptor, 1 << 16)
                ended = not more
                data += more
            new = decoder.decode(data, final=ended)
            if typed:
                ended |= _END in new
                new = new.partition(_END)[0]
                text = edited(text, new)
            else:
                text += new
            if new:
                yield text


def edited(text: str, typed: str) -> str:
    """`text` after some keys: backspace takes a character back, Ctrl-U the line."""
    for character in typed:
        if character in _BACKSPACE:
            text = text[:-1]
        elif character == _CLEAR_LINE:
            text = text[: text.rfind("\n") + 1]
        else:
            text += character
    return text


@contextlib.contextmanager
def _every_key(descriptor: int) -> Iterator[bool]:
    """On a terminal, passes each key on as it is pressed; yields whether it is one."""
    if not os.isatty(descriptor):
        yield False
        return
    import termios
    import tty

    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield True
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _read(name: str) -> bytes:
    if name == PIPE:
        return sys.stdin.buffer.read()
    path = Path(name)
    if not path.is_file():
        raise UsageError(f"there is no file {name}")
    return path.read_bytes()
