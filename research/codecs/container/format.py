"""The bytes of a compressed file: a header, blocks, an end mark; every part has its own CRC-32.

    header   magic (8)  version (1)  flags (1)  bits per id (1)  length of name (1)
             vocabulary (4)  bytes per block (4)  codec digest (16)  name  CRC
    block    "B"  bytes of text (4)  ids (4)  CRC of text  CRC of payload  CRC of these 17 bytes
             payload: the ids, `bits per id` each, most significant bit first, filled up with zeros
    end      "E"  bytes of text in all (8)  CRC of all text  blocks (4)  CRC of these 17 bytes

Numbers are big-endian. The CRC of a block's or end's head starts from the CRC of the head before
it (the "link"; the header's for the first), so that no block can stand in another's place, nor one
of another file's. Lengths are believed only after their CRC.
"""

import dataclasses
import hashlib
import struct
import zlib

import numpy as np

from research.codecs.coder.bits import MAX_BITS_PER_TOKEN, bits_to_ids, ids_to_bits
from research.errors import FreevocabError

# As PNG's: a byte that is not text, a name, and line ends that a text-mode copy would spoil.
MAGIC = b"\x89FVC\r\n\x1a\n"
VERSION = 1
FLAG_SHIPPED = 1
FLAG_ANY_MACHINE = 2  # of codecs that are not shipped; files from before it was known lack it
MAX_BLOCK_BYTES = 1 << 26
HEAD_BYTES = 21

_FIXED = struct.Struct(">8sBBBBII16s")
_BLOCK = struct.Struct(">cIIII")
_END = struct.Struct(">cQII")
_CRC = struct.Struct(">I")
FIXED_BYTES = _FIXED.size
# Ids that are packed at once; a multiple of 8, so that each slice ends on a whole byte.
_SLICE = 1 << 16


@dataclasses.dataclass(frozen=True)
class Header:
    """What stands before the first block."""

    name: str
    """The codec's; for a shipped codec what `codecs.load` takes."""
    shipped: bool
    """The codec comes with the package."""
    digest: bytes
    """16 bytes, `digest_of` the codec's fingerprint."""
    vocab_size: int
    """Ids are below it."""
    block_bytes: int
    """No block holds more bytes of text."""
    any_machine: bool = False
    """It decodes on every machine, whatever the versions; shipped codecs do."""

    @property
    def bits_per_id(self) -> int:
        """Bits that an id is stored in: ceil(log2 vocab_size), at least 1; 32 if over 24."""
        bits = max(1, (self.vocab_size - 1).bit_length())
        return bits if bits <= MAX_BITS_PER_TOKEN else 32


@dataclasses.dataclass(frozen=True)
class BlockHead:
    """What stands before a block's ids."""

    num_bytes: int
    num_ids: int
    text_crc: int
    payload_crc: int


@dataclasses.dataclass(frozen=True)
class End:
    """What stands after the last block."""

    num_bytes: int
    text_crc: int
    num_blocks: int


def digest_of(fingerprint: str) -> bytes:
    """16 bytes for a codec's fingerprint."""
    return hashlib.sha256(fingerprint.encode()).digest()[:16]


def pack_header(header: Header) -> bytes:
    """The bytes of a header."""
    name = header.name.encode()[:255]
    flags = FLAG_SHIPPED if header.shipped else FLAG_ANY_MACHINE * header.any_machine
    numbers = (header.vocab_size, header.block_bytes, header.digest)
    fixed = _FIXED.pack(MAGIC, VERSION, flags, header.bits_per_id, len(name), *numbers)
    return _with_crc(fixed + name, 0)


def header_length(start: bytes, source: str) -> int:
    """How long the header is that starts with these FIXED_BYTES bytes (or fewer, if the file ends).

    Raises:
      FreevocabError: not a file of this format, of a newer version, or cut short.
    """
    if not start:
        raise FreevocabError(f"{source} is empty: it is not a compressed file")
    if start[: len(MAGIC)] != MAGIC[: len(start)]:
        raise FreevocabError(f"{source} was not written by freevocab compress")
    if len(start) > len(MAGIC) and start[len(MAGIC)] > VERSION:
        raise FreevocabError(
            f"{source} has format version {start[len(MAGIC)]}, this freevocab reads up to "
            f"{VERSION}: upgrade it (or the file is damaged)"
        )
    if len(start) < _FIXED.size:
        raise truncated(source)
    return _FIXED.size + _FIXED.unpack(start)[4] + _CRC.size


def unpack_header(data: bytes, source: str) -> Header:
    """Reads a header of `header_length` bytes.

    Raises:
      FreevocabError: damaged or cut short.
    """
    if len(data) < header_length(data[: _FIXED.size], source):
        raise truncated(source)
    checked = _without_crc(data, 0)
    if checked is None:
        raise damaged(source, "its header")
    _, version, flags, bits, _, vocab_size, block_bytes, digest = _FIXED.unpack_from(checked)
    name = checked[_FIXED.size :].decode("utf-8", "replace")
    shipped = bool(flags & FLAG_SHIPPED)
    any_machine = shipped or bool(flags & FLAG_ANY_MACHINE)
    header = Header(name, shipped, digest, vocab_size, block_bytes, any_machine)
    if version < 1 or bits != header.bits_per_id or not 0 < block_bytes <= MAX_BLOCK_BYTES:
        raise damaged(source, "its header")
    return header


def link_of(head: bytes) -> int:
    """The CRC at the end of a header or of the head of a block: where the next one starts from."""
    return _CRC.unpack(head[-_CRC.size :])[0]


def pack_block(text: bytes, ids: np.ndarray, header: Header, link: int) -> bytes:
    """The bytes of a block: `text`, of which `ids` are the encoding. Its head is HEAD_BYTES."""
    payload = pack_ids(ids, header.bits_per_id)
    head = _BLOCK.pack(b"B", len(text), len(ids), zlib.crc32(text), zlib.crc32(payload))
    return _with_crc(head, link) + payload


def pack_end(end: End, link: int) -> bytes:
    """The bytes of the end mark."""
    return _with_crc(_END.pack(b"E", end.num_bytes, end.text_crc, end.num_blocks), link)


def unpack_head(data: bytes, header: Header, link: int, index: int, source: str) -> BlockHead | End:
    """Reads the HEAD_BYTES bytes that follow `index` blocks.

    Raises:
      FreevocabError: damaged, or cut short.
    """
    if len(data) < HEAD_BYTES:
        raise truncated(source)
    checked = _without_crc(data, link)
    if checked is None:
        raise damaged(source, f"block {index + 1}")
    if checked[:1] == b"E":
        end = End(*_END.unpack(checked)[1:])
        if end.num_blocks != index:
            raise damaged(source, "its end")
        return end
    head = BlockHead(*_BLOCK.unpack(checked)[1:])
    if checked[:1] != b"B" or not 0 < head.num_bytes <= header.block_bytes or not head.num_ids:
        raise damaged(source, f"block {index + 1}")
    return head


def payload_length(head: BlockHead, header: Header) -> int:
    """Bytes of the ids that follow a block's head."""
    return -(-head.num_ids * header.bits_per_id // 8)


def unpack_ids(
    payload: bytes, head: BlockHead, header: Header, index: int, source: str
) -> np.ndarray:
    """The ids of a block, int32.

    Raises:
      FreevocabError: damaged, or cut short.
    """
    if len(payload) < payload_length(head, header):
        raise truncated(source)
    if zlib.crc32(payload) != head.payload_crc:
        raise damaged(source, f"block {index + 1}")
    return split_ids(payload, head.num_ids, header.bits_per_id)


def pack_ids(ids: np.ndarray, bits: int) -> bytes:
    """`ids` in `bits` bits each (1 to 24, or 32), most significant first, zero-filled to bytes."""
    if bits in (8, 16, 32):
        return ids.astype(f">u{bits // 8}").tobytes()
    slices = range(0, len(ids), _SLICE)
    return b"".join(np.packbits(ids_to_bits(ids[i : i + _SLICE], bits)).tobytes() for i in slices)


def split_ids(payload: bytes, count: int, bits: int) -> np.ndarray:
    """The inverse of `pack_ids`: int32 [count]."""
    if bits in (8, 16, 32):
        return np.frombuffer(payload, f">u{bits // 8}").astype(np.int32)
    stream = np.frombuffer(payload, np.uint8)
    step = _SLICE * bits // 8
    parts = [
        bits_to_ids(np.unpackbits(stream[i : i + step])[: min(_SLICE, left) * bits], bits)
        for i, left in zip(range(0, len(stream), step), range(count, 0, -_SLICE), strict=True)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.int32)


def truncated(source: str) -> FreevocabError:
    """The error for a file that ends early."""
    return FreevocabError(f"{source} is cut short: get a whole copy")


def damaged(source: str, part: str) -> FreevocabError:
    """The error for a CRC that does not fit."""
    return FreevocabError(f"{source} is damaged ({part} has a wrong checksum): get another copy")


def _with_crc(data: bytes, start: int) -> bytes:
    return data + _CRC.pack(zlib.crc32(data, start))


def _without_crc(data: bytes, start: int) -> bytes | None:
    content, crc = data[: -_CRC.size], data[-_CRC.size :]
    return content if _CRC.pack(zlib.crc32(content, start)) == crc else None
