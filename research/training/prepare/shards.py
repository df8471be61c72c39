"""The records of a shard as a folder: one of equal documents, by digest, encoded, with counts."""

import itertools
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from research import files, folders
from research.artifact import Spec
from research.codecs.protocol import Codec
from research.corpora.corpus import SPLITS
from research.errors import FreevocabError, UsageError
from research.training.data import sharded_store, token_store
from research.training.prepare import job as jobs
from research.training.prepare import reading
from research.training.prepare.job import Job
from research.training.prepare.reading import Record

SHARD = Spec("token shard", "shard.json", error=FreevocabError)
_NAMES = (SHARD.file, *(f"{split}/{name}" for split in SPLITS for name in token_store.NAMES))
_NAMED = 3  # documents of each kind of problem that a shard, and the index, name


def unfinished(job: Job, shard: int) -> bool:
    """Whether a shard has to be written: it is not there, or not as it was written by this job."""
    folder = job.shard_folder(shard)
    try:
        return SHARD.read(folder).get("source") != job.source or not folders.stands(folder)
    except FreevocabError:
        return True


def write(job: Job, shard: int, records: Iterable[Record]) -> None:
    """Writes a shard, whole or not at all.

    Args:
      records: all of the shard's, in any order.

    Raises:
      FreevocabError: it cannot be written, or the codec is not the job's.
    """
    codec = job.load_codec()
    jobs.check_encoder(codec, job)
    good, bad = [], []
    for record in records:
        (bad if record.problem else good).append(record)
    documents = unique(good)
    path = job.shard_folder(shard)
    try:
        with files.atomic_path(path, directory=True, names=_NAMES) as temporary:
            splits = {}
            for split in SPLITS:
                chosen = [record for record in documents if record.split == split]
                counts, failed = _write_split(temporary / split, job, codec, split, chosen)
                bad += failed
                if counts is not None:
                    splits[split] = counts
            content = {
                "source": job.source,
                "splits": splits,
                "duplicates": len(good) - len(documents),
                "bad": _counted(bad),
            }
            SHARD.write(temporary, content)
            folders.write_manifest(temporary)
    except OSError as error:
        raise FreevocabError(f"cannot write {path}: {error.strerror or error}") from error


def unique(records: Iterable[Record]) -> list[Record]:
    """One record of each digest, in the order of the digests.

    Of the copies that one stays whose split is the strongest, then of the first piece of the
    corpus, then the first in it.
    """

    def rank(record: Record) -> tuple[int, int, int]:
        return reading.STRENGTH[record.split], record.piece, record.index

    best: dict[bytes, Record] = {}
    for record in records:
        other = best.get(record.digest)
        if other is None or rank(record) < rank(other):
            best[record.digest] = record
    return [best[digest] for digest in sorted(best)]


def write_index(job: Job, names: Sequence[str]) -> dict[str, Any]:
    """Writes index.json over all shards, which are there, and returns its content.

    Args:
      names: of the pieces of the corpus, for what is said of documents that failed.

    Raises:
      UsageError: the corpus has no document that could be prepared.
      FreevocabError: a shard is missing or of another job.
    """
    codec = job.load_codec()
    totals: dict[str, dict[str, int]] = {}
    listed, duplicates = {}, 0
    counted: list[Mapping[str, Any]] = []
    for number in range(job.num_shards):
        folder = job.shard_folder(number)
        shard = SHARD.read(folder)
        if shard["source"] != job.source:
            raise FreevocabError(f"{folder} is of another preparation: remove it, and run again")
        for split, counts in shard["splits"].items():
            total = totals.setdefault(split, dict.fromkeys(sharded_store.COUNTS, 0))
            for name in sharded_store.COUNTS:
                total[name] += counts[name]
        duplicates += shard["duplicates"]
        counted.append(shard["bad"])
        digest = folders.digest(folder / folders.MANIFEST)
        listed[folder.name] = {"splits": list(shard["splits"]), "sha256": digest}
    index = {
        "vocab_size": codec.vocab_size + 2,
        "corpus_name": job.corpus_name,
        "codec_name": codec.name,
        "source": job.source,
        "splits": {split: totals[split] for split in SPLITS if split in totals},
        "duplicates": duplicates,
        "bad": _summed(counted, names),
        "shards": listed,
    }
    if not totals:
        reasons = {kind: each["documents"] for kind, each in index["bad"].items()}
        raise UsageError(
            f"nothing of {job.corpus_name} could be prepared ({reasons or 'it has no text'})"
        )
    sharded_store.INDEX.write(job.folder, index)
    return index


def _write_split(
    folder: Path, job: Job, codec: Codec, split: str, records: Sequence[Record]
) -> tuple[dict[str, int] | None, list[Record]]:
    """Writes a split's token store; its counts (None: no document, no store), and what failed."""
    if not records:
        return None, []
    failed: list[Record] = []
    rest = iter(records)
    folder.mkdir()
    with token_store.Writer(folder, codec) as writer:
        texts = (record.text for record in records)
        for group in token_store.grouped(texts, token_store.GROUP_DOCUMENTS):
            encoded, lengths = [], []
            members = itertools.islice(rest, len(group))
            for record, ids in zip(members, _encode(codec, group), strict=True):
                if isinstance(ids, str):
                    place = (record.digest, record.piece, record.index)
                    failed.append(reading.bad(reading.NOT_ENCODED, ids, *place))
                else:
                    encoded.append(ids)
                    lengths.append(len(record.text))
            if encoded:
                writer.add(encoded, lengths)
    if not writer.num_documents:
        shutil.rmtree(folder)
        return None, failed
    meta = writer.meta()
    names = {"corpus_name": job.corpus_name, "codec_name": codec.name}
    token_store.SPEC.write(folder, {**meta, **names, "source": {**job.source, "split": split}})
    return {name: meta[name] for name in sharded_store.COUNTS}, failed


def _encode(codec: Codec, texts: Sequence[bytes]) -> list[np.ndarray | str]:
    """The ids of each text, or the error that it makes."""
    try:
        return list(_checked(codec, texts))
    except (MemoryError, OSError):  # of the machine, not of the text
        raise
    except Exception as error:
        if len(texts) == 1:
            lines = str(error).strip().splitlines() or ["no message"]
            return [f"{type(error).__name__}: {lines[0]}"]
    return [ids for text in texts for ids in _encode(codec, [text])]


def _checked(codec: Codec, texts: Sequence[bytes]) -> list[np.ndarray]:
    encoded = codec.encode(texts)
    for ids in encoded:
        if len(ids) and not 0 <= ids.min() <= ids.max() < codec.vocab_size:
            raise FreevocabError(f"ids from {ids.min()} to {ids.max()}")
    return encoded


def _counted(bad: Iterable[Record]) -> dict[str, Any]:
    """Kind of problem -> how many documents, and the first ones with (piece, index, reason)."""
    by_kind: dict[str, list[Record]] = {}
    for record in bad:
        by_kind.setdefault(record.problem, []).append(record)
    counted = {}
    for kind, records in sorted(by_kind.items()):
        first = sorted((record.piece, record.index, record.text) for record in records)[:_NAMED]
        named = [[piece, index, text.decode()] for piece, index, text in first]
        counted[kind] = {"documents": len(records), "first": named}
    return counted


def _summed(counted: Iterable[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """What `_counted` gives for each shard, for all of them, with names of pieces."""
    documents: dict[str, int] = {}
    first: dict[str, list] = {}
    for shard in counted:
        for kind, each in shard.items():
            documents[kind] = documents.get(kind, 0) + each["documents"]
            first[kind] = sorted(first.get(kind, []) + each["first"])[:_NAMED]

    def named(kind: str, piece: int, index: int, reason: str) -> str:
        # What is said of damage names the file and the place in it.
        place = "" if kind == reading.DAMAGED else f"{names[piece]}, document {index + 1}: "
        return place + reason

    return {
        kind: {"documents": documents[kind], "first": [named(kind, *each) for each in first[kind]]}
        for kind in sorted(documents)
    }
