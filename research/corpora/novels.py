"""English novels by authors who died before 1956, in the clone: `builtin:novels`.

One archive a split; the authors of valid and test have no book in train. Titles, authors and
years of death are in novels/ATTRIBUTION.md. The wheel leaves the archives out: `installed()`.

A document is a stretch of a book, `DOCUMENT_BYTES` long or a little more and ended at the end of a
line, so that a sample of documents is a sample of books.
"""

import dataclasses
import functools
import hashlib
import io
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from research.corpora import splits
from research.errors import FreevocabError, UsageError

DOCUMENT_BYTES = 12_288
_FOLDER = Path(__file__).parent / "novels"
_RULES = b"freevocab novels 1"  # to be raised when the same archives would give other documents


def archive(split: str) -> Path:
    """Where the books of a split are, a .tar.xz."""
    return _FOLDER / f"{split}.tar.xz"


def installed() -> bool:
    """Whether the archives are there; an installed wheel has none."""
    return all(archive(split).is_file() for split in splits.SPLITS)


def source() -> "Novels":
    """`builtin:novels`.

    Raises:
      UsageError: if the archives are not there.
    """
    if not installed():
        raise UsageError(
            "builtin:novels is in the source repository, not in the installed package: "
            "clone it and install from there, or use builtin:python or text:GLOB"
        )
    return Novels()


@dataclasses.dataclass(frozen=True)
class Novels:
    """The novels of the three archives."""

    name: str = "builtin:novels"

    def documents(self, split: str) -> Iterator[bytes]:
        for text in books(split).values():
            yield from stretches(text)

    def overlaps(self, split: str) -> tuple[str, ...]:
        return ()  # they share no author (a test)

    def group(self, document: bytes) -> bytes:
        """The name of the book that a document is from."""
        return self._groups[splits.document_digest(document)]

    @functools.cached_property
    def _groups(self) -> dict[bytes, bytes]:
        return {
            splits.document_digest(document): name.encode()
            for split in splits.SPLITS
            for name, text in books(split).items()
            for document in stretches(text)
        }

    def digest(self) -> str:
        state = hashlib.blake2b(_RULES, digest_size=16)
        for split in splits.SPLITS:
            state.update(hashlib.sha256(archive(split).read_bytes()).digest())
        return state.hexdigest()

    def details(self) -> dict[str, Any]:
        return {"books": {split: len(books(split)) for split in splits.SPLITS}}


@functools.lru_cache(maxsize=3)
def books(split: str) -> dict[str, bytes]:
    """File name (Author_Title_Year.txt) -> text of every book of a split, by name.

    Raises:
      FreevocabError: if the archive is damaged.
    """
    path = archive(split)
    try:
        with tarfile.open(fileobj=io.BytesIO(lzma.decompress(path.read_bytes()))) as members:
            # Of a folder, which no archive of ours has, it is None: caught below.
            files: dict[str, Any] = {each.name: members.extractfile(each) for each in members}
            return {name: file.read() for name, file in files.items()}
    except (OSError, lzma.LZMAError, tarfile.TarError, AttributeError) as error:
        raise FreevocabError(f"{path} is damaged ({error}): get the repository again") from None


def stretches(text: bytes) -> Iterator[bytes]:
    """The documents of a book: together the whole of it."""
    start = 0
    while start < len(text):
        end = text.find(b"\n", start + DOCUMENT_BYTES - 1) + 1
        # What is left after the last cut is a document of its own only if it is long enough.
        if not end or len(text) - end < DOCUMENT_BYTES // 2:
            end = len(text)
        yield text[start:end]
        start = end
