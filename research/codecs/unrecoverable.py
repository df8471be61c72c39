"""How much of a text a lossy codec loses."""

from collections.abc import Iterable, Iterator

from research.codecs.protocol import Codec
from research.tokenizers.text_spans import as_bytes

PART = 1 << 14


def unrecoverable_share(codec: Codec, texts: Iterable[bytes | str]) -> float:
    """Bytes of `texts` that decode(encode(text)) does not give back, over all bytes; in [0, 1].

    A byte is given back if it is part of a longest common subsequence of the text and what was
    decoded, taken over parts of 16 kB (cut at white space). No bytes at all: 0.
    """
    total = recovered = 0
    for text in texts:
        parts = list(_parts(as_bytes(text)))
        for part, decoded in zip(parts, codec.decode(codec.encode(parts)), strict=True):
            total += len(part)
            recovered += common_subsequence_length(part, decoded)
    return (total - recovered) / total if total else 0.0


def common_subsequence_length(a: bytes, b: bytes) -> int:
    """Length of the longest common subsequence, by the bit-parallel row update.

    Bit i of the row is 0 where the length grows at a[i] (Hyyro 2004); len(b) steps on integers
    of len(a) bits.
    """
    places: dict[int, int] = {}
    for position, byte in enumerate(a):
        places[byte] = places.get(byte, 0) | 1 << position
    full = (1 << len(a)) - 1
    row = full
    for byte in b:
        matched = row & places.get(byte, 0)
        row = ((row + matched) | (row - matched)) & full
    return len(a) - row.bit_count()


def _parts(data: bytes) -> Iterator[bytes]:
    start = 0
    while len(data) - start > PART:
        end = max(data.rfind(mark, start + 1, start + PART + 1) for mark in (b"\n", b" "))
        end = end if end > start else start + PART
        yield data[start:end]
        start = end
    yield data[start:]
