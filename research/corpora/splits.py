"""Splits that never share a document: by hash of its bytes, and duplicates dropped."""

import hashlib
from collections.abc import Iterable

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
