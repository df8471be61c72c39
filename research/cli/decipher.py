"""`freevocab decipher`: a substitution cipher in, its plain text, key and confidence out."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from research.errors import UsageError

PIPE = "-"
UNDERLINED = ("\x1b[4m", "\x1b[0m")


@dataclass(frozen=True)
class Decipher:
    """Solve a substitution cipher of English: each letter replaced by one symbol of any alphabet.

    With more symbols than letters, capitals, digits and punctuation are taken to be enciphered too.
    Prints the plain text, the key, how sure each letter is, and which part of the solver decided.
    A text that is too short to be sure of is said to be, and is no error.
    """

    file: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """A file, or - for standard input."""
    spaces: Literal["auto", "clear", "enciphered", "none"] = "auto"
    """clear: white space ends words. enciphered: one symbol is the space. none: no spaces."""
    symbols: Literal["auto", "all", "letters"] = "auto"
    """all: every character is a symbol, upper and lower case differ. letters: only letters are
    enciphered, whatever their case, and punctuation stays."""
    seconds: float = 3.0
    """Processor time to search; with --follow at most one second."""
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
      FreevocabError: for what is no text or no such cipher.
    """
    if options.seconds <= 0 or (options.restarts is not None and options.restarts < 1):
        raise UsageError("--seconds must be above 0 and --restarts at least 1")
    from research.lexinvariance.ciphers import cipher_text, decipher, solving

    solve = solving.make(
        seconds=min(options.seconds, 1.0) if options.follow else options.seconds,
        restarts=options.restarts,
        seed=options.seed,
    )

    def solved(text: str) -> decipher.Deciphered:
        return decipher.decipher(text, solve, spaces=options.spaces, symbols=options.symbols)

    if options.follow:
        if options.file != PIPE:
            raise UsageError("--follow reads what is typed or piped in: freevocab decipher - ...")
        from research.cli import following

        following.follow(solved, json=options.json)
        return
    found = solved(cipher_text.decode(_read(options.file)))
    if options.json:
        import json

        print(json.dumps(found.as_dict(), ensure_ascii=False, indent=1))
    else:
        print(page(found, terminal=sys.stdout.isatty()))


def page(found, *, terminal: bool = False) -> str:
    """The result for people: plain text, then what there is to know of it.

    Args:
      terminal: underline unsure letters in the text.
    """
    cipher = found.cipher
    spaces = {
        "clear": "in the clear",
        "enciphered": "enciphered",
        "none": "none",
    }[cipher.spaces]
    what = "letters alone" if cipher.reading == "letters" else "every character"
    unsure = found.unsure()
    pairs = (
        f"{symbol}={'space' if letter == ' ' else letter}{'?' if symbol in unsure else ''}"
        for symbol, letter in found.key().items()
    )
    lines = [
        cipher.plain(found.letters, unsure=unsure, marks=UNDERLINED) if terminal else found.plain,
        "",
        f"key         {' '.join(pairs)}",
        f"read as     {len(cipher.ids)} enciphered characters, {len(cipher.symbols)} symbols,"
        f" {what}; spaces {spaces}",
        f"confidence  {found.text_confidence:.0%} of the text"
        + (f"; unsure (marked ?): {len(unsure)} symbols" if unsure else "; every letter is sure"),
        f"decided by  {found.decided}",
    ]
    lines += [f"not sure    {doubt}" for doubt in found.doubts]
    return "\n".join(lines)


def _read(name: str) -> bytes:
    if name == PIPE:
        return sys.stdin.buffer.read()
    path = Path(name)
    if not path.is_file():
        raise UsageError(f"there is no file {name}")
    return path.read_bytes()
