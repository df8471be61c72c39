"""A corpus: documents (bytes) in three splits that share none."""

import contextlib
import dataclasses
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from research.corpora import splits
from research.errors import UsageError

_ORDER = b"freevocab corpus 2 "  # to be raised when the same documents would come in another order


class Source(Protocol):
    """Where documents come from. A corpus adds names, counts, order and the dropping of duplicates.

    A source may have `group(document) -> bytes`: what documents are parts of (a book), which the
    halves of a corpus do not divide. Without it each document is a group of its own.
    """

    @property
    def name(self) -> str:
        """The corpus's name, or a part of it."""
        ...

    def documents(self, split: str) -> Iterator[bytes]:
        """The documents of a split in any fixed order, streamed, duplicates included."""
        ...

    def overlaps(self, split: str) -> tuple[str, ...]:
        """Splits that may have a document of `split` too and keep it: of STRONGER_SPLITS[split].

        None where the hash of a document alone decides on its split.
        """
        ...

    def digest(self) -> str:
        """Hex digest of everything that the documents are made from."""
        ...

    def details(self) -> dict[str, Any]:
        """What else a reader of a result should know (versions, files)."""
        ...

    def paths(self) -> tuple[Path, ...]:
        """The user's files and folders that it reads."""
        ...


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

        They are interleaved by the hash of their content (`splits.interleaved`): the first
        million bytes are a sample of all parts of a corpus. A document that a held-out split has
        too is dropped here (test before valid before train); copies within one split stay.

        Args:
          half: 0 or 1, one of two disjoint halves of the split (of books where there are books),
            so that a compressor is not made from the text that it is used on; None: all of it.

        Raises:
          UsageError: if the split is not one of the three.
          FreevocabError: if a file turns out to be damaged on the way.
        """
        if split not in splits.SPLITS:
            raise UsageError(f"no split {split!r}: a corpus has {', '.join(splits.SPLITS)}")
        documents = self._documents(split)
        if half is not None:
            group = getattr(self.source, "group", None) or bytes
            documents = (each for each in documents if splits.half(group(each)) == half)
        return splits.interleaved(documents)

    def _documents(self, split: str) -> Iterator[bytes]:
        others = self.source.overlaps(split)
        dropped = frozenset().union(*(self._digests[other] for other in others))
        for document in self.source.documents(split):
            if not dropped or splits.document_digest(document) not in dropped:
                yield document

    @functools.cached_property
    def _digests(self) -> "_Digests":
        return _Digests(self.source)

    @functools.cached_property
    def _counts(self) -> dict[str, dict[str, int]]:
        counts = {}
        for split in splits.SPLITS:
            lengths = [len(document) for document in self.documents(split)]
            counts[split] = {"documents": len(lengths), "bytes": sum(lengths)}
        return counts

    def describe(self) -> dict[str, Any]:
        """Name, digest, and documents and bytes of each split (this reads the corpus once).

        Returns:
          {"name", "digest", "splits": {split: {"documents", "bytes"}}, ...what the source adds}
        """
        return {
            "name": self.name,
            "digest": self.digest,
            "splits": {split: dict(counts) for split, counts in self._counts.items()},
            **self.source.details(),
        }


class _Digests(dict):
    """The digests of a split's documents, gathered when they are first needed."""

    def __init__(self, source: Source):
        super().__init__()
        self._source = source

    def __missing__(self, split: str) -> frozenset[bytes]:
        self[split] = splits.digests(self._source.documents(split))
        return self[split]


@dataclasses.dataclass(frozen=True)
class Combined:
    """Several sources; `A+B` in a corpus's name."""

    parts: tuple[Source, ...]

    @property
    def name(self) -> str:
        return "+".join(part.name for part in self.parts)

    def overlaps(self, split: str) -> tuple[str, ...]:
        # Two parts that split by hash agree; with any other, its held-out documents may be in
        # the training text of the rest.
        by_hash = not any(part.overlaps("train") for part in self.parts)
        return () if by_hash else splits.STRONGER_SPLITS[split]

    def documents(self, split: str) -> Iterator[bytes]:
        for part in self.parts:
            yield from part.documents(split)

    def group(self, document: bytes) -> bytes:
        for part in self.parts:
            if (group := getattr(part, "group", None)) is not None:
                with contextlib.suppress(KeyError):  # a document of another part
                    return group(document)
        return document

    def digest(self) -> str:
        state = hashlib.blake2b(digest_size=16)
        for part in self.parts:
            state.update(bytes.fromhex(part.digest()))
        return state.hexdigest()

    def details(self) -> dict[str, Any]:
        return {"parts": [{"name": part.name, **part.details()} for part in self.parts]}

    def paths(self) -> tuple[Path, ...]:
        return tuple(path for part in self.parts for path in part.paths())
