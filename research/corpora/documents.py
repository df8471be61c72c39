"""Documents out of files: plain text, `<doc>` elements, JSON lines; compressed or not.

Everything streams: what is held in memory is one document, one line of JSON, or at most
`WHOLE_FILE_BYTES` of a plain file.
"""

import bz2
import codecs
import gzip
import itertools
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from research import contents
from research.contents import BYTE_ORDER_MARK, HEAD_BYTES
from research.errors import DamagedText, FreevocabError

OnDamage = Callable[[DamagedText], None]

FIELD = "text"  # of JSON lines
WHOLE_FILE_BYTES = 16 * 2**20  # a plain file up to this size is one document
PIECE_BYTES = 64 * 2**10  # a larger one is cut at the first blank line after this many bytes
LINE_BYTES = 128 * 2**20  # a longer line of JSON is refused
ELEMENT_BYTES = 64 * 2**20  # a <doc> element longer than this is taken for an unclosed one
_CHUNK_BYTES = 2**20
_ELEMENT = re.compile(rb"(?:\xef\xbb\xbf)?\s*<doc[ >]")
_BETWEEN_ELEMENTS = re.compile(rb"</doc>\s*(?=<doc[ >])")


def stop(damage: DamagedText) -> None:
    """Raises it: what `documents` does unless it is told to go on."""
    raise damage


def documents(
    path: Path, *, pieces: int = 1, field: str = FIELD, on_damage: OnDamage = stop
) -> Iterator[bytes]:
    """The documents of one file, in order.

    * `.jsonl` (and `.jsonl.zst` ...): the "text" of each line, or another `field`; empty lines are
      skipped.
    * A file that begins with `<doc `: what stands between each `<doc ...>` and `</doc>`, the
      title that such dumps repeat as the first line included; tags are dropped.
    * Anything else: the file is one document, a byte order mark dropped. Above
      `WHOLE_FILE_BYTES` it is cut at blank lines into pieces of `PIECE_BYTES` and a little;
      so is a smaller one, into about so many `pieces`, when it is one of few files of a corpus
      that must be split.

    Empty documents are left out. UTF-16 and UTF-32 are known by their marks; compressed files by
    their names or first bytes (gzip, xz, bzip2, zstandard).

    Args:
      on_damage: called for each line without text and each element without a whole tag. If it
        returns, they are passed over.

    Raises:
      DamagedText: for a file that is no text or cannot be decompressed, an unclosed element, and
        whatever `on_damage` raises; the message names the file and the place.
      FreevocabError: for a file that cannot be read.
    """
    return (document for document in _parts(path, pieces, field, on_damage) if document)


def _parts(path: Path, pieces: int, field: str, on_damage: OnDamage) -> Iterator[bytes]:
    chunks = _chunks(path)
    first = b""  # enough to tell the format by
    while len(first) < HEAD_BYTES and (chunk := next(chunks, None)) is not None:
        first += chunk
    encoding = contents.wide_encoding(first)
    name = None if encoding else contents.no_text(first[:HEAD_BYTES])
    if name is not None:
        raise DamagedText(f"{path} is no text: it is {name}")
    chunks = itertools.chain([first.removeprefix(BYTE_ORDER_MARK)], chunks)
    if encoding:
        chunks = _as_utf8(path, chunks, encoding)
        first = next(chunks, b"")
        chunks = itertools.chain([first], chunks)
    if format_suffix(path) == ".jsonl":
        yield from _json_texts(path, chunks, field, on_damage)
    elif _ELEMENT.match(first):
        yield from _elements(path, chunks, on_damage)
    else:
        yield from _plain(chunks, pieces)


def format_suffix(path: Path) -> str:
    """The suffix below a compression's: '.jsonl' for a.jsonl and a.jsonl.zst."""
    inner = Path(path.stem) if path.suffix.lower() in contents.compressions() else path
    return inner.suffix.lower()


def _json_texts(
    path: Path, chunks: Iterable[bytes], field: str, on_damage: OnDamage
) -> Iterator[bytes]:
    for number, line in enumerate(_lines(path, chunks), start=1):
        if not line.strip():
            continue
        try:
            text = _json_text(line, field)
        except DamagedText as damage:
            on_damage(DamagedText(f"{path}, line {number}: {damage}"))
        else:
            yield text.encode("utf-8", "surrogatepass")


def _json_text(line: bytes, field: str) -> str:
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DamagedText(f"not JSON ({error})") from error
    text = value.get(field) if isinstance(value, dict) else None
    if isinstance(text, str):
        return text
    names = [name for name, one in value.items() if isinstance(one, str)] if isinstance(
        value, dict) else []  # fmt: skip
    others = f"; it has {', '.join(names[:8])}: name one with ;field=" if names else ""
    raise DamagedText(f'no "{field}" field with a string in it{others}')


def _elements(path: Path, chunks: Iterable[bytes], on_damage: OnDamage) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        rest += chunk
        *whole, rest = _BETWEEN_ELEMENTS.split(rest)
        for element in whole:
            yield _without_tag(path, element, on_damage)
        if len(rest) > ELEMENT_BYTES:
            break
    last = rest.strip()
    if not last.endswith(b"</doc>"):
        start = last[:80].decode("utf-8", "replace").split("\n")[0]
        raise DamagedText(f"{path}: the element {start} is not closed by </doc>")
    yield _without_tag(path, last.removesuffix(b"</doc>"), on_damage)


def _without_tag(path: Path, element: bytes, on_damage: OnDamage) -> bytes:
    # A title may hold '>', so the tag ends with its line where it has one to itself.
    line, newline, rest = element.lstrip().partition(b"\n")
    if newline and line.rstrip().endswith(b">"):
        return rest
    tag, closed, rest = element.partition(b">")
    if not closed:
        on_damage(DamagedText(f"{path}: a <doc tag without its '>': {tag[:80]!r}"))
        return b""
    return rest


def _plain(chunks: Iterable[bytes], pieces: int) -> Iterator[bytes]:
    rest, large = b"", False
    for chunk in chunks:
        rest += chunk
        large = large or len(rest) > WHOLE_FILE_BYTES
        if large:
            *whole, rest = _cut(rest, PIECE_BYTES)
            yield from whole
    if large:
        yield from _cut(rest, PIECE_BYTES)
    elif pieces > 1:
        yield from _cut(rest, min(PIECE_BYTES, max(1, len(rest) // pieces)))
    else:
        yield rest


def _cut(text: bytes, size: int) -> list[bytes]:
    """Pieces that join to `text`, each ending at the first blank line after `size` bytes.

    Where no blank line comes before twice the size, at the last line end before that; with
    none of those either, at a character's border.
    """
    pieces, start = [], 0
    while len(text) - start > 2 * size:
        low, high = start + size, start + 2 * size
        blank = _BLANK_LINE.search(text, low, high)
        if blank:
            end = blank.end()
        elif (newline := text.rfind(b"\n", low, high)) >= 0:
            end = newline + 1
        else:
            end = high
            while end > low and text[end] & 0xC0 == 0x80:
                end -= 1
        pieces.append(text[start:end])
        start = end
    return [*pieces, text[start:]]


_BLANK_LINE = re.compile(rb"\n(?:[ \t\r]*\n)+")


def _lines(path: Path, chunks: Iterable[bytes]) -> Iterator[bytes]:
    pieces: list[bytes] = []
    size = number = 0
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            yield b"".join([*pieces, line]) if pieces else line
            pieces, size, number = [], 0, number + 1
        pieces.append(rest)
        size += len(rest)
        if size > LINE_BYTES:
            raise DamagedText(
                f"{path}, line {number + 1}: longer than {LINE_BYTES:,} bytes: the file is damaged,"
                " or holds no JSON lines"
            )
    yield b"".join(pieces)


def _chunks(path: Path) -> Iterator[bytes]:
    """The decompressed content in chunks of about 1 MiB."""
    try:
        with open(path, "rb") as file:
            suffix = contents.compression(path, file.read(HEAD_BYTES))
        if suffix == ".zst":
            yield from _zstandard_chunks(path)
            return
        readers: dict[str | None, Any] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
        with readers.get(suffix, open)(path, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedText(
            f"{path} cannot be decompressed ({error}): the file is damaged or cut short"
        ) from error
    except OSError as error:
        if error.errno is None:  # bz2's for bytes that are none of its own
            raise DamagedText(f"{path} cannot be decompressed ({error}): damaged") from error
        raise FreevocabError(f"cannot read {path}: {error.strerror or error}") from error


def _as_utf8(path: Path, chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        name = encoding.upper()
        raise DamagedText(f"{path} begins as {name} and is damaged: {error}") from error


def _zstandard_chunks(path: Path) -> Iterator[bytes]:
    try:
        import zstandard  # late: few corpora need it
    except ImportError as error:
        raise FreevocabError(
            f"{path} needs the zstandard package: pip install zstandard"
        ) from error
    # The largest window, for files made with --long; one frame may follow another.
    context = zstandard.ZstdDecompressor(max_window_size=2**31)
    frame = None
    try:
        with open(path, "rb") as file:
            while data := file.read(2**16):
                # A block of a few bytes may stand for 128 kB, so few bytes go in at once.
                slices = [data[at : at + 2**9] for at in range(0, len(data), 2**9)]
                for data in slices:
                    while data:
                        frame = frame or context.decompressobj()
                        yield frame.decompress(data)
                        data, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
    except zstandard.ZstdError as error:
        raise DamagedText(f"{path} cannot be decompressed ({error}): damaged") from error
    if frame is not None:
        raise DamagedText(f"{path} cannot be decompressed: the file is cut short")
