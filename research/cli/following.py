"""`freevocab decipher --follow`: solves again whenever more text arrives.

On a terminal every key counts at once and the page is drawn anew; Ctrl-D ends, backspace and
Ctrl-U correct. In a pipe each arrival of text gives one line.
"""

import codecs
import contextlib
import json as json_text
import os
import select
import sys
from collections.abc import Callable, Iterator

from research.cli.decipher import page
from research.errors import FreevocabError
from research.lexinvariance.ciphers import cipher_text

_PAUSE = 0.05  # seconds without input after which what has arrived is solved
_END, _CLEAR_LINE, _BACKSPACE = "\x04", "\x15", "\x7f\b"
_HOME_AND_CLEAR = "\x1b[H\x1b[2J"


def follow(solved: Callable, *, json: bool) -> None:
    """Prints a solution for each arrival of text on standard input.

    Args:
      solved: text -> `decipher.Deciphered`.
      json: one object a line.

    Raises:
      FreevocabError: at the end, if the last text could not be solved.
    """
    terminal = sys.stdout.isatty() and not json
    problem: FreevocabError | None = FreevocabError(
        "there is nothing to decipher: the text is empty"
    )
    for text in arrivals(sys.stdin.fileno()):
        if not text.strip():
            continue
        try:
            found, problem = solved(cipher_text.decode(text.encode())), None
        except FreevocabError as error:
            problem = error
            if terminal:
                print(f"{_HOME_AND_CLEAR}{text}\n\n{error}", flush=True)
            continue
        if json:
            print(json_text.dumps(found.as_dict(), ensure_ascii=False), flush=True)
        elif terminal:
            print(f"{_HOME_AND_CLEAR}{text}\n\n{page(found, terminal=True)}", flush=True)
        else:
            flat = " ".join(found.plain.split())
            sure = "" if not found.doubts else ", not sure"
            print(
                f"{len(found.cipher.ids)} letters, {found.text_confidence:.0%}{sure}: {flat}",
                flush=True,
            )
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
