"""Bytes for libraries that take only text: what is text goes to them, the rest goes by byte ids."""

import re
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from research.errors import FreevocabError, UsageError


def each_as_bytes(texts: Iterable[bytes | str]) -> Iterator[bytes]:
    """`as_bytes` of every text.

    Raises:
      UsageError: if `texts` is a single text, which would be taken apart letter by letter.
    """
    if isinstance(texts, str | bytes | bytearray | memoryview):
        raise UsageError("a list of texts is wanted, not one text: write [text]")
    return map(as_bytes, texts)


def as_bytes(text: bytes | str) -> bytes:
    """`str` as UTF-8 (escaped bytes of undecodable input come back), bytes as they are.

    Raises:
      UsageError: if it is neither.
      FreevocabError: if the text holds a lone surrogate, which has no UTF-8.
    """
    if isinstance(text, bytes | bytearray | memoryview):
        return bytes(text)
    if not isinstance(text, str):
        raise UsageError(f"a text is bytes or str, not {type(text).__name__}")
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise FreevocabError(
            f"character {error.start} of the text is a lone surrogate, which UTF-8 cannot hold:"
            " give the text as bytes"
        ) from error


def spans(data: bytes, reserved: str) -> Iterator[str | bytes]:
    """Cuts `data` into text (str) and what must go byte by byte (bytes), in order.

    The second kind is what is not UTF-8 (lone continuation bytes, encoded surrogates, ...), and
    the characters of `reserved`, which mean something else to the library.
    """
    text = data.decode("utf-8", "surrogateescape")
    end = 0
    for match in re.finditer(f"[\udc80-\udcff{re.escape(reserved)}]+", text):
        if match.start() > end:
            yield text[end : match.start()]
        yield match.group().encode("utf-8", "surrogateescape")
        end = match.end()
    if end < len(text):
        yield text[end:]


def cut(text: str, size: int, before: str = "\n ") -> Iterator[str]:
    """Pieces of at most `size` characters, each but the first starting at a newline or a space.

    `before` lists the characters to cut before, best first; of one kind the last in reach is
    taken. A run of them is cut at its first, so that no piece starts inside a run. Where there
    are none the cut falls anywhere.
    """
    start = 0
    while len(text) - start > size:
        end = start + size
        for character in before:
            place = text.rfind(character, start + 1, start + size + 1)
            while place > start and text[place - 1] == character:
                place -= 1
            if place > start:
                end = place
                break
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]


def encode_spans(
    data: bytes, reserved: str, encode_text: Callable[[str], list[np.ndarray]], byte_ids: np.ndarray
) -> np.ndarray:
    """The ids of `data`, int32: text spans through `encode_text`, other bytes as `byte_ids[byte]`.

    Args:
      byte_ids: int32 [256], the id of each single byte.
    """
    parts: list[np.ndarray] = []
    for span in spans(data, reserved):
        if isinstance(span, str):
            parts.extend(encode_text(span))
        else:
            parts.append(byte_ids[np.frombuffer(span, np.uint8)])
    return np.concatenate(parts).astype(np.int32) if parts else np.zeros(0, np.int32)


def training_pieces(
    texts: Iterable[bytes | str], *, size: int, max_bytes: int | None, reserved: str = ""
) -> Iterator[str]:
    """The text of `texts` to train a tokenizer on: lines, the long ones cut at spaces.

    A line starts with the newlines before it: trainers strip those at the end. Stops after
    `max_bytes` bytes.
    """
    left = max_bytes
    for text in each_as_bytes(texts):
        data = text[:left]
        for span in spans(data, reserved):
            if isinstance(span, str):
                for line in re.split(r"(?<!\n)(?=\n)", span):
                    yield from cut(line, size, " ")
        if left is not None:
            left -= len(data)
            if left <= 0:
                return
