"""A corpus: documents (bytes) in three splits that share none."""

import abc
import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from research.corpora.documents import OnDamage
from research.errors import UsageError

SPLITS = ("train", "valid", "test")
# Of the copies of a document in several splits, the held-out one stays: a split drops what
# those named here have too.
STRONGER_SPLITS = {"test": (), "valid": ("test",), "train": ("valid", "test")}
_HELD_OUT_SHARE = 0.05  # of documents, in valid and in test
_ORDER = b"freevocab corpus 2 "  # to be raised when the same documents would come in another order


def document_digest(document: bytes) -> bytes:
    """16 bytes that identify a document by its content."""
    return hashlib.blake2b(document, digest_size=16).digest()


def split_by_hash(document: bytes) -> str:
    """The split of a document from its bytes alone: 5 % valid, 5 % test, the rest train.

    Neither the order nor the company of a document matters, and equal documents always
    meet in the same split.
    """
    place = int.from_bytes(document_digest(document)[:8], "big") / 2**64
    if place < _HELD_OUT_SHARE:
        return "valid"
    return "test" if place < 2 * _HELD_OUT_SHARE else "train"


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


@dataclasses.dataclass(frozen=True)
class Piece:
    """A part of a source that another process can read: a file, a shard. It can be pickled."""

    name: str
    """For messages."""
    read: Callable[[OnDamage], Iterator[tuple[str, bytes]]]
    """(what is called for a damaged document) -> (split, document) pairs in a fixed order. Raises
    as `documents.documents` does."""


class Source(abc.ABC):
    """Where documents come from. A corpus adds counts, order and the dropping of duplicates."""

    name: str
    """The corpus's name, or a part of it."""

    @abc.abstractmethod
    def documents(self, split: str) -> Iterator[bytes]:
        """The documents of a split in any fixed order, streamed, duplicates included."""

    @abc.abstractmethod
    def digest(self) -> str:
        """Hex digest of everything that the documents are made from."""

    def pieces(self) -> tuple[Piece, ...]:
        """Parts that together have the documents of all splits, each document in one of them."""
        return tuple(
            Piece(f"{self.name}, {split}", functools.partial(_labelled, self, split))
            for split in SPLITS
        )

    def overlaps(self, split: str) -> tuple[str, ...]:
        """Splits that may have a document of `split` too and keep it: of STRONGER_SPLITS[split].

        None where the hash of a document alone decides on its split.
        """
        return STRONGER_SPLITS[split]

    def group(self, document: bytes) -> bytes:
        """What a document is part of (a book), which the halves of a corpus do not divide."""
        return document

    def details(self) -> dict[str, Any]:
        """What else a reader of a result should know (versions, files)."""
        return {}

    def paths(self) -> tuple[Path, ...]:
        """The user's files and folders that it reads."""
        return ()

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: the fields of a dataclass, without what it has cached."""
        if not dataclasses.is_dataclass(self):
            return dict(vars(self))
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def _labelled(source: Source, split: str, on_damage: OnDamage) -> Iterator[tuple[str, bytes]]:
    return ((split, document) for document in source.documents(split))


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Documents by split: 'train', 'valid', 'test'. Made by `research.corpora.load`."""

    source: Source

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def paths(self) -> tuple[Path, ...]:
        """The user's files and folders that it reads, which nothing may be written over."""
        return self.source.paths()

    @functools.cached_property
    def digest(self) -> str:
        """Hex digest of content and order; the same content gives the same digest anywhere."""
        return hashlib.blake2b(_ORDER + self.source.digest().encode(), digest_size=16).hexdigest()

    def documents(self, split: str, half: int | None = None) -> Iterator[bytes]:
        """The documents of a split, in a fixed order, streamed.

        They are `interleaved` by the hash of their content: the first million bytes are a sample
        of all parts of a corpus. A document that a held-out split has too is dropped here (test
        before valid before train); copies within one split stay.

        Args:
          half: 0 or 1, one of two disjoint halves of the split (of books where there are books),
            so that a compressor is not made from the text that it is used on; None: all of it.

        Raises:
          UsageError: if the split is not one of the three.
          FreevocabError: if a file turns out to be damaged on the way.
        """
        if split not in SPLITS:
            raise UsageError(f"no split {split!r}: a corpus has {', '.join(SPLITS)}")
        documents = self._documents(split)
        if half is not None:
            documents = (each for each in documents if _half(self.source.group(each)) == half)
        return interleaved(documents)

    def _documents(self, split: str) -> Iterator[bytes]:
        others = self.source.overlaps(split)
        dropped = frozenset().union(*map(self._digests, others))
        for document in self.source.documents(split):
            if not dropped or document_digest(document) not in dropped:
                yield document

    @functools.cached_property
    def _digests(self) -> Callable[[str], frozenset[bytes]]:
        """split -> the digests of its documents, gathered when they are first needed."""
        read = self.source.documents
        return functools.cache(lambda split: frozenset(map(document_digest, read(split))))

    def describe(self) -> dict[str, Any]:
        """Name, digest, and documents and bytes of each split (this reads the corpus).

        Returns:
          {"name", "digest", "splits": {split: {"documents", "bytes"}}, ...what the source adds}
        """
        counts = {}
        for split in SPLITS:
            lengths = [len(document) for document in self.documents(split)]
            counts[split] = {"documents": len(lengths), "bytes": sum(lengths)}
        head = {"name": self.name, "digest": self.digest, "splits": counts}
        return head | self.source.details()


def _half(group: bytes) -> int:
    """0 or 1, from the bytes of what must not be divided; independent of `split_by_hash`."""
    return document_digest(b"half " + group)[8] & 1


@dataclasses.dataclass(frozen=True)
class Combined(Source):
    """Several sources; `A+B` in a corpus's name."""

    parts: tuple[Source, ...]

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return "+".join(part.name for part in self.parts)

    def overlaps(self, split: str) -> tuple[str, ...]:
        # Two parts that split by hash agree; with any other, its held-out documents may be in
        # the training text of the rest.
        by_hash = not any(part.overlaps("train") for part in self.parts)
        return () if by_hash else STRONGER_SPLITS[split]

    def documents(self, split: str) -> Iterator[bytes]:
        for part in self.parts:
            yield from part.documents(split)

    def pieces(self) -> tuple[Piece, ...]:
        return tuple(piece for part in self.parts for piece in part.pieces())

    def group(self, document: bytes) -> bytes:
        groups = (part.group(document) for part in self.parts)
        return next((group for group in groups if group != document), document)

    def digest(self) -> str:
        state = hashlib.blake2b(digest_size=16)
        for part in self.parts:
            state.update(bytes.fromhex(part.digest()))
        return state.hexdigest()

    def details(self) -> dict[str, Any]:
        return {"parts": [{"name": part.name, **part.details()} for part in self.parts]}

    def paths(self) -> tuple[Path, ...]:
        return tuple(path for part in self.parts for path in part.paths())
