"""What is prepared: the same for every runner and every number of workers."""

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from research import codecs, files, folders
from research.artifact import Spec
from research.codecs.protocol import Codec
from research.corpora import Corpus
from research.corpora.corpus import Piece
from research.errors import FreevocabError, UsageError
from research.training.data import sharded_store
from research.training.data.token_store import Encoder

MAX_DOCUMENT_BYTES = 64 * 2**20
WORK = "work"
"""Folder in that of the result, for what is needed until the end."""
_STARTED = Spec("preparation", "job.json")
_MOST_TASKS = 4096  # a corpus of a million files is no million tasks

Task = tuple[tuple[int, Piece], ...]
"""Pieces of the corpus that are read together, each with its number."""
Log = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Job:
    """Everything that the result depends on but the pieces of the corpus. It can be pickled."""

    out: str
    """The result's folder: an absolute path that all machines share."""
    codec: str
    """A shipped codec's name or a codec's folder, an absolute path."""
    num_shards: int
    max_document_bytes: int
    corpus_name: str
    source: Mapping[str, Any]
    """What index.json says that it was made from."""
    trust_code: bool = False
    """See `codecs.trust_code`."""

    @property
    def folder(self) -> Path:
        """`out` as a path."""
        return Path(self.out)

    @property
    def work(self) -> Path:
        """See `WORK`."""
        return self.folder / WORK

    def shard_folder(self, shard: int) -> Path:
        """Where a shard is written."""
        return self.folder / f"shard-{shard:05}-of-{self.num_shards:05}"

    def shard_of(self, digest: bytes) -> int:
        """The shard of a document, in the order of the digests (`corpus.document_digest`)."""
        return int.from_bytes(digest[:8], "big") * self.num_shards >> 64

    def load_codec(self) -> Codec:
        """The codec, opened once in each process."""
        return _codec(self.codec, self.trust_code)


@functools.lru_cache(maxsize=1)
def _codec(name: str, trust_code: bool) -> Codec:
    codecs.trust_code.set(trust_code)
    return codecs.load(name)


def make(
    corpus: Corpus,
    codec: str,
    out: str | os.PathLike,
    *,
    num_shards: int,
    max_document_bytes: int = MAX_DOCUMENT_BYTES,
) -> Job:
    """The job of preparing a corpus with a codec.

    Args:
      codec: a shipped codec's name or a codec's folder.

    Raises:
      UsageError: there is no such codec.
    """
    loaded = codecs.load(codec)
    return Job(
        out=str(folders.real(out)),
        codec=codec if codec in codecs.names() else os.path.abspath(codec),
        num_shards=num_shards,
        max_document_bytes=max_document_bytes,
        corpus_name=corpus.name,
        source={
            "corpus": corpus.digest,
            "codec": loaded.fingerprint(),
            "shards": num_shards,
            "max_document_bytes": max_document_bytes,
        },
        trust_code=codecs.trust_code.get(),
    )


def tasks(pieces: Sequence[Piece]) -> list[Task]:
    """The pieces in groups of neighbours, as equal in number as can be."""
    numbered = tuple(enumerate(pieces))
    count = min(len(numbered), _MOST_TASKS)
    ends = [len(numbered) * number // count for number in range(count + 1)] if count else [0]
    return [numbered[first:last] for first, last in zip(ends, ends[1:], strict=False)]


def start(job: Job, inputs: Sequence[tuple[str, Path]]) -> None:
    """Makes the result's folder, or checks that one which is there is of the same job.

    Args:
      inputs: what must not be written over, as in `files.check_apart`.

    Raises:
      UsageError: it holds something else, or is, or holds, an input.
      FreevocabError: it cannot be made.
    """
    folders.check_place(job.out)
    files.check_apart(job.out, inputs)
    earlier = _source_of_earlier(job)
    if earlier is None and job.folder.is_dir() and any(job.folder.iterdir()):
        raise UsageError(f"{job.out} holds something else: give a new folder's name")
    if earlier is not None and earlier != job.source:
        names = [name for name in job.source if earlier.get(name) != job.source[name]]
        raise UsageError(
            f"{job.out} was prepared, or begun, with another {' and '.join(names)}: give the same "
            "arguments to go on, or a new folder's name"
        )
    try:
        job.work.mkdir(parents=True, exist_ok=True)
        _STARTED.write(job.work, {"source": job.source})
    except OSError as error:
        raise FreevocabError(f"cannot write to {job.out}: {error.strerror}") from error


def _source_of_earlier(job: Job) -> Mapping[str, Any] | None:
    """What an earlier run into the folder was made from; None: there was none."""
    for spec, folder in ((sharded_store.INDEX, job.folder), (_STARTED, job.work)):
        if (folder / spec.file).is_file():
            return spec.read(folder).get("source", {})
    return None


def check_encoder(codec: Encoder, job: Job) -> None:
    """Raises FreevocabError if a worker's codec is another one than that of the job."""
    if codec.fingerprint() != job.source["codec"]:
        raise FreevocabError(
            f"the codec {job.codec} of a worker is not that of the program which began the work: "
            "install one version everywhere, and set JAX_PLATFORMS=cpu for all if it has a live "
            "model"
        )
