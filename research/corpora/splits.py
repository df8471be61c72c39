"""Splits that never share a document: by hash of its bytes, and duplicates dropped."""

import hashlib
from collections.abc import Callable, Iterator

SPLITS = ("train", "valid", "test")
# Which splits a document is dropped from when several have it: the held-out copy stays.
_KEPT_BEFORE = {"test": (), "valid": ("test",), "train": ("valid", "test")}
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


def held_out_digests(documents: Callable[[str], Iterator[bytes]], split: str) -> frozenset[bytes]:
    """Digests of the documents that `split` must not contain.

    Args:
      documents: gives the documents of a split, duplicates included.
      split: 'train', 'valid' or 'test'; test keeps all its documents, valid drops those
        of test, train those of both.
    """
    return frozenset(
        document_digest(document)
        for other in _KEPT_BEFORE[split]
        for document in documents(other)
    )
