"""`compress`, `decompress`, `inspect`: any lossless codec as a file format (format.py).

Text is cut into blocks of fixed size, anywhere, and each block is encoded on its own: memory does
not grow with the file, and a pipe is served block by block. The codec itself is not in the file,
only its name and digest: a shipped codec is found by name, any other is given by its directory
at both ends. (A file that named code to import, or carried it, could not be opened safely.)
"""

import dataclasses
import itertools
import os
import sys
import zlib
from collections.abc import Iterator
from typing import Literal

import numpy as np

from research import codecs
from research.codecs import protocol
from research.codecs.container import format as fmt
from research.codecs.container.streams import PIPE, Reader, reading, writing
from research.codecs.protocol import Codec
from research.errors import FreevocabError, UsageError
from research.tokenizers.static_vocabulary import checked
from research.units import counted

CodecOrName = str | os.PathLike | Codec
Engine = Literal["jax", "numpy"]
DEFAULT_CODEC = "english-b16"
# A codec may name its own (`block_bytes`). Without a table a codec runs a model: it gets short
# blocks, many at once, since it works on several texts faster than on one.
TABLE_BLOCK = 1 << 20
LIVE_BLOCK = 1 << 14
GROUP = 1 << 18
_SHOWN = 60  # bytes of a string in a report


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a run of `compress` or `decompress` did, or what `inspect` found."""

    codec: str
    """Its name."""
    num_bytes: int
    """Of text."""
    file_bytes: int
    """Of the compressed file."""
    num_ids: int
    num_blocks: int

    def __str__(self) -> str:
        rate = f" ({8 * self.file_bytes / self.num_bytes:.3f} bits/byte)" if self.num_bytes else ""
        return (
            f"{counted(self.num_bytes, 'byte')} of text, {self.file_bytes:,} compressed{rate}, "
            f"{counted(self.num_ids, 'id')} of {self.codec}"
        )


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What `inspect` found in a file whose every block is sound."""

    summary: Summary
    header: fmt.Header
    """What the file says of its codec."""
    strings: list[bytes] | None
    """The texts of the first ids or windows; None where the codec is not at hand."""

    def __str__(self) -> str:
        size, header = self.summary, self.header
        origin = "shipped" if header.shipped else "a saved one, for --codec"
        blocks = counted(size.num_blocks, "block")
        rows = {
            "codec": f"{header.name} ({origin})",
            "digest": header.digest.hex(),
            "decodes on": "any machine" if header.any_machine else "the machine that wrote it",
            "format": f"version {fmt.VERSION}",
            "vocabulary": f"{header.vocab_size:,} ids, {header.bits_per_id} bits each",
            "text": f"{counted(size.num_bytes, 'byte')} in {blocks} of at most "
            f"{header.block_bytes:,}",
            "ids": f"{size.num_ids:,}",
            "compressed": f"{size.file_bytes:,} bytes, headers and checksums included",
        }
        if size.num_bytes:
            rows["bytes per id"] = f"{size.num_bytes / size.num_ids:.3f}"
            rows["ratio"] = f"{size.num_bytes / size.file_bytes:.3f}"
            rows["bits per byte"] = f"{8 * size.file_bytes / size.num_bytes:.3f}"
        if self.strings:
            rows["starts with"] = "|".join(_show(string) for string in self.strings)
        return "\n".join(f"{name:<14}{value}" for name, value in rows.items())


def compress(
    source: str | os.PathLike,
    target: str | os.PathLike,
    codec: CodecOrName = DEFAULT_CODEC,
    *,
    block_bytes: int | None = None,
    verify: bool = True,
    engine: Engine = "jax",
) -> Summary:
    """Writes `source` compressed to `target`; "-" is a pipe.

    Args:
      codec: a shipped name, the directory of a saved codec, or a codec.
      block_bytes: bytes of text per block; by default what suits the codec.
      verify: decode each block and compare, before it is written.
      engine: what runs the codec's model, if it has one.

    Raises:
      UsageError: an unknown or lossy codec, or one without that engine; a missing source, a
        terminal as target.
      FreevocabError: anything else that fails; there is then no target file.
    """
    opened = _open(codec, engine)
    if not opened.lossless:
        raise UsageError(f"{opened.name} does not give every text back: choose a lossless codec")
    if os.fspath(target) == PIPE and sys.stdout.isatty():
        raise UsageError("compressed data is not for a terminal: give a file or a pipe")
    header = _header(opened, codec, block_bytes)
    with reading(source) as reader, writing(target) as writer:
        packed = fmt.pack_header(header)
        link = fmt.link_of(packed)
        writer.write(packed)
        crc = num_ids = num_blocks = 0
        texts = iter(lambda: reader.read(header.block_bytes), b"")
        for group in _batched(texts, header.block_bytes):
            for text, ids in zip(group, _encode(opened, group, verify), strict=True):
                packed = fmt.pack_block(text, ids, header, link)
                link = fmt.link_of(packed[: fmt.HEAD_BYTES])
                writer.write(packed)
                crc = zlib.crc32(text, crc)
                num_ids += len(ids)
                num_blocks += 1
        writer.write(fmt.pack_end(fmt.End(reader.num_bytes, crc, num_blocks), link))
    return Summary(header.name, reader.num_bytes, writer.num_bytes, num_ids, num_blocks)


def decompress(
    source: str | os.PathLike,
    target: str | os.PathLike,
    codec: CodecOrName | None = None,
    *,
    engine: Engine = "jax",
) -> Summary:
    """Restores what `compress` wrote; "-" is a pipe, served block by block.

    Args:
      codec: needed (a directory, or a codec) unless the file was made with a shipped codec.
      engine: what runs the codec's model, if it has one; not necessarily what compressed.

    Raises:
      UsageError: the file needs a codec that was not given, or the codec has not that engine; a
        missing source.
      FreevocabError: a foreign, newer, damaged or truncated file, or another codec than it was
        made with. There is then no target file; on a pipe no wrong byte, but earlier blocks.
    """
    with reading(source) as reader:
        header, link = _read_header(reader)
        opened = _codec_for(header, reader.name, codec, engine)
        with writing(target) as writer:
            crc = num_ids = num_blocks = 0
            blocks = _Blocks(reader, header, link)
            for group in _batched(blocks, header.block_bytes):
                lengths = [head.num_bytes for head, _ in group]
                texts = protocol.decode_at_most(opened, [ids for _, ids in group], lengths)
                for (head, ids), text in zip(group, texts, strict=True):
                    if len(text) != head.num_bytes or zlib.crc32(text) != head.text_crc:
                        raise FreevocabError(
                            f"{reader.name}: block {num_blocks + 1} decodes to another text "
                            f"than was compressed: use the machine and codec that wrote it"
                        )
                    writer.write(text)
                    crc = zlib.crc32(text, crc)
                    num_ids += len(ids)
                    num_blocks += 1
            if blocks.end.num_bytes != writer.num_bytes or blocks.end.text_crc != crc:
                raise fmt.damaged(reader.name, "its end")
    return Summary(header.name, writer.num_bytes, reader.num_bytes, num_ids, num_blocks)


def inspect(
    source: str | os.PathLike, codec: CodecOrName | None = None, *, count: int = 24
) -> Inspection:
    """Checks every block of a compressed file and says what it holds, without decoding it.

    Args:
      codec: as for `decompress`; without it the strings of an unshipped codec are not shown.
      count: ids (or windows, where several ids decode together) of which the text is shown.

    Raises:
      FreevocabError, UsageError: as `decompress`.
    """
    with reading(source) as reader:
        header, link = _read_header(reader)
        at_hand = codec is not None or (header.shipped and header.name in codecs.names())
        opened = _codec_for(header, reader.name, codec) if at_hand else None
        strings = [] if opened else None
        num_bytes = num_ids = num_blocks = 0
        blocks = _Blocks(reader, header, link)
        for head, ids in blocks:
            if opened and not num_blocks:
                strings = _strings(opened, ids, count)
            num_bytes += head.num_bytes
            num_ids += len(ids)
            num_blocks += 1
        if blocks.end.num_bytes != num_bytes:
            raise fmt.damaged(reader.name, "its end")
    summary = Summary(header.name, num_bytes, reader.num_bytes, num_ids, num_blocks)
    return Inspection(summary, header, strings)


class _Blocks:
    """Iterates over (head, ids) of the blocks; then `end` is what the end mark says."""

    def __init__(self, reader: Reader, header: fmt.Header, link: int):
        self._reader = reader
        self._header = header
        self._link = link
        self.end = fmt.End(-1, 0, 0)

    def __iter__(self) -> Iterator[tuple[fmt.BlockHead, np.ndarray]]:
        reader, header = self._reader, self._header
        for index in itertools.count():
            packed = reader.read(fmt.HEAD_BYTES)
            head = fmt.unpack_head(packed, header, self._link, index, reader.name)
            self._link = fmt.link_of(packed)
            if isinstance(head, fmt.End):
                self.end = head
                break
            payload = reader.read(fmt.payload_length(head, header))
            yield head, fmt.unpack_ids(payload, head, header, index, reader.name)
        if reader.read(1):
            raise FreevocabError(f"{reader.name} goes on after its end: get another copy")


def _open(codec: CodecOrName, engine: Engine = "jax") -> Codec:
    opened = codecs.load(codec) if isinstance(codec, str | os.PathLike) else codec
    return protocol.on_host(opened) if engine == "numpy" else opened


def _header(codec: Codec, codec_or_name: CodecOrName, block_bytes: int | None) -> fmt.Header:
    if block_bytes is None:
        usual = LIVE_BLOCK if codec.token_bytes() is None else TABLE_BLOCK
        block_bytes = protocol.block_bytes(codec) or usual
    if not 1 <= block_bytes <= fmt.MAX_BLOCK_BYTES:
        raise UsageError(f"a block holds 1 to {fmt.MAX_BLOCK_BYTES} bytes, not {block_bytes}")
    digest = fmt.digest_of(codec.fingerprint())
    if isinstance(codec_or_name, str | os.PathLike):
        shipped = codec_or_name in codecs.names()
    else:
        known = codecs.load(codec.name) if codec.name in codecs.names() else None
        shipped = known is not None and fmt.digest_of(known.fingerprint()) == digest
    name = codec_or_name if shipped and isinstance(codec_or_name, str) else codec.name
    any_machine = protocol.any_machine(codec)
    return fmt.Header(name, shipped, digest, codec.vocab_size, block_bytes, any_machine)


def _read_header(reader: Reader) -> tuple[fmt.Header, int]:
    """The header, and the link to the first block."""
    start = reader.read(fmt.FIXED_BYTES)
    rest = reader.read(fmt.header_length(start, reader.name) - len(start))
    return fmt.unpack_header(start + rest, reader.name), fmt.link_of(start + rest)


def _codec_for(
    header: fmt.Header, source: str, codec_or_name: CodecOrName | None, engine: Engine = "jax"
) -> Codec:
    if codec_or_name is None and not header.shipped:
        raise UsageError(
            f"{source} was made with the codec {header.name!r}: give its directory with --codec"
        )
    if codec_or_name is None and header.name not in codecs.names():
        raise FreevocabError(
            f"{source} was made with the codec {header.name!r}, which this freevocab does not "
            f"have: upgrade it"
        )
    codec = _open(header.name if codec_or_name is None else codec_or_name, engine)
    if fmt.digest_of(codec.fingerprint()) != header.digest:
        raise FreevocabError(
            f"{source} was made with another codec than {codec.name!r} here (its "
            f"{header.name!r} has the digest {header.digest.hex()[:12]}): use that one"
        )
    return codec


def _encode(codec: Codec, texts: list[bytes], verify: bool) -> list[np.ndarray]:
    encoded = [checked(ids, codec.vocab_size) for ids in codec.encode(texts)]
    # A block of no ids is taken for damage by whoever reads it.
    if not all(map(len, encoded)) or (verify and codec.decode(encoded) != texts):
        raise FreevocabError(f"{codec.name} does not give this text back: use another codec")
    return encoded


def _batched(items, block_bytes: int) -> Iterator[list]:
    """Lists of as many blocks as make up GROUP bytes, at least one."""
    iterator = iter(items)
    size = max(1, GROUP // block_bytes)
    return iter(lambda: list(itertools.islice(iterator, size)), [])


def _strings(codec: Codec, ids: np.ndarray, count: int) -> list[bytes]:
    lengths = codec.byte_lengths(ids)
    text = codec.decode([ids])[0]
    ends = np.cumsum(lengths)[lengths > 0][:count]
    starts = np.concatenate([[0], ends[:-1]])
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


def _show(text: bytes) -> str:
    """`text` as the paper shows windows: a space as "_"; what does not print, escaped.

    Of more than _SHOWN bytes only the first are shown, and "...".
    """
    characters = text[:_SHOWN].decode("utf-8", "backslashreplace")
    printable = "".join(
        "_" if c == " " else c if c.isprintable() else c.encode("unicode_escape").decode()
        for c in characters
    )
    return printable + ("..." if len(text) > _SHOWN else "")
