"""Splits that never share a document: by hash of its bytes, and duplicates dropped."""

import hashlib
from collections.abc import Iterable, Iterator

SPLITS = ("train", "valid", "test")
# Of the copies of a document in several splits, the held-out one stays: a split drops what
# those named here have too.
STRONGER_SPLITS = {"test": (), "valid": ("test",), "train": ("valid", "test")}
VALID_SHARE = 0.05
TEST_SHARE = 0.05


def document_digest(document: bytes) -> bytes:
    """16 bytes that identify a document by its content."""
    return hashlib.blake2b(document, digest_size=16).digest()


def split_by_hash(document: bytes) -> str:
    """The split of a document from its bytes alone: 5 % valid, 5 % test, the rest train.

    Neither the order nor the company of a document matters, and equal documents always
    meet in the same split.
    """
    place = int.from_bytes(document_digest(document)[:8], "big") / 2**64
    if place < VALID_SHARE:
        return "valid"
    return "test" if place < VALID_SHARE + TEST_SHARE else "train"


def digests(documents: Iterable[bytes]) -> frozenset[bytes]:
    """The digests of some documents."""
    return frozenset(map(document_digest, documents))


def half(group: bytes) -> int:
    """0 or 1, from the bytes of what must not be divided; independent of `split_by_hash`."""
    return document_digest(b"half " + group)[8] & 1


def interleaved(documents: Iterable[bytes], block_bytes: int = 2**28) -> Iterator[bytes]:
    """The documents in the order of their digests, so that any beginning is a sample of all.

    A corpus larger than `block_bytes` is interleaved block by block, so that it can be streamed.
    """
    block: list[bytes] = []
    size = 0
    for document in documents:
        block.append(document)
        size += len(document)
        if size >= block_bytes:
            yield from sorted(block, key=document_digest)
            block, size = [], 0
    yield from sorted(block, key=document_digest)
