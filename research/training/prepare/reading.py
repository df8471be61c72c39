"""A piece of a corpus as records: documents that can be prepared, and what cannot be."""

from collections.abc import Iterator
from typing import NamedTuple

from research.corpora.corpus import SPLITS, STRONGER_SPLITS, document_digest
from research.errors import DamagedText
from research.training.prepare.job import Job, Task

STRENGTH = {split: len(STRONGER_SPLITS[split]) for split in SPLITS}
"""Of the copies of a document in several splits, that of the least number here stays."""

DAMAGED, NOT_UTF8, TOO_LONG, NOT_ENCODED = "damaged", "not_utf8", "too_long", "not_encoded"
"""Kinds of what cannot be prepared: what `DamagedText` is raised for; text that is not UTF-8; text
above the job's max_document_bytes; text that the codec raised an error on."""


class Record(NamedTuple):
    """A document, or one that cannot be prepared."""

    digest: bytes
    """16 bytes, `document_digest` of the document; decides on its shard and its place in it."""
    split: str
    """'' of one that cannot be prepared."""
    piece: int
    index: int
    """Number of the piece, and place in it: no two records share both."""
    text: bytes
    """The document, or why it cannot be prepared."""
    problem: str = ""
    """The kind of what is wrong with it; '': nothing."""


def records(job: Job, task: Task) -> Iterator[Record]:
    """The records of some pieces of the corpus, streamed.

    Raises:
      FreevocabError: if a file cannot be read; not for what it holds.
    """
    for number, piece in task:
        index = -1
        damages: list[DamagedText] = []
        pairs = piece.read(damages.append)
        ended = False
        while not ended:
            pair = None
            try:
                pair = next(pairs, None)
            except DamagedText as damage:  # the rest of the file is lost
                damages.append(damage)
            ended = pair is None
            for damage in damages:
                index += 1
                place = document_digest(f"{number} {index}".encode())
                yield bad(DAMAGED, str(damage), place, number, index)
            damages.clear()
            if pair is not None:
                index += 1
                yield _record(job, pair, number, index)


def bad(problem: str, reason: str, digest: bytes, piece: int, index: int) -> Record:
    """The record of a document that cannot be prepared."""
    return Record(digest, "", piece, index, reason.encode("utf-8", "replace"), problem)


def _record(job: Job, pair: tuple[str, bytes], piece: int, index: int) -> Record:
    split, document = pair
    digest = document_digest(document)
    reason, problem = "", ""
    if len(document) > job.max_document_bytes:
        reason, problem = f"{len(document)} bytes", TOO_LONG
    else:
        try:
            document.decode()
        except UnicodeDecodeError as error:
            reason, problem = f"{error.reason} at byte {error.start}", NOT_UTF8
    if problem:
        return bad(problem, reason, digest, piece, index)
    return Record(digest, split, piece, index, document)
