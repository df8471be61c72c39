"""Records on their way from the reading of a piece to the shards: one file for each task.

For runners that have no shuffle of their own. A file is blocks of records, each block of one shard
(marshal: lists of tuples), then a table [shards, blocks of a shard, 3] of where they are (offset,
bytes, CRC-32; int64) and the table's two sizes. So a shard reads its blocks, not the file.
"""

import marshal
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from research import files
from research.errors import FreevocabError
from research.training.prepare import reading
from research.training.prepare.job import Job, Task
from research.training.prepare.reading import Record

_BLOCK_BYTES = 64 * 2**20  # of documents held in memory until they are written
_RECORD_BYTES = 64  # what one costs beside its document, about
_SIZES = np.dtype("<i8")


def path_of(job: Job, task: int) -> Path:
    """The file of the task of that number."""
    return job.work / f"read-{task:05}.spill"


def write(job: Job, numbered: tuple[int, Task]) -> int:
    """Reads the pieces of a task into its file, unless it is there; its size in bytes.

    Raises:
      FreevocabError: a piece cannot be read, or the file cannot be written.
    """
    number, task = numbered
    path = path_of(job, number)
    try:
        if not path.is_file():
            with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
                _write(file, job, reading.records(job, task))
        return path.stat().st_size
    except OSError as error:
        raise FreevocabError(f"cannot write {path}: {error.strerror or error}") from error


def read(job: Job, shard: int, num_tasks: int) -> Iterator[Record]:
    """The records of a shard out of the files of all tasks.

    Raises:
      FreevocabError: a file is missing or damaged.
    """
    for number in range(num_tasks):
        path = path_of(job, number)
        with files.reading(path), open(path, "rb") as file:
            for offset, size, checksum in _row(file, shard):
                file.seek(offset)
                data = file.read(size)
                if zlib.crc32(data) != checksum:
                    raise FreevocabError(f"{path} is damaged: remove it, and run again")
                yield from (Record(*fields) for fields in marshal.loads(data))


def _write(file: IO[bytes], job: Job, records: Iterator[Record]) -> None:
    places: list[list[tuple[int, int, int]]] = [[] for _ in range(job.num_shards)]
    block: dict[int, list[tuple]] = {}
    size = 0

    def flush() -> None:
        for shard, members in sorted(block.items()):
            data = marshal.dumps(members)
            places[shard].append((file.tell(), len(data), zlib.crc32(data)))
            file.write(data)
        block.clear()

    for record in records:
        block.setdefault(job.shard_of(record.digest), []).append(tuple(record))
        size += _RECORD_BYTES + len(record.text)
        if size >= _BLOCK_BYTES:
            flush()
            size = 0
    flush()
    most = max(map(len, places))
    table_SxPx3 = np.zeros((job.num_shards, most, 3), _SIZES)
    for shard, rows in enumerate(places):
        table_SxPx3[shard, : len(rows)] = np.array(rows, _SIZES).reshape(-1, 3)
    file.write(table_SxPx3.tobytes() + np.array([job.num_shards, most], _SIZES).tobytes())


def _row(file: IO[bytes], shard: int) -> list[list[int]]:
    """The places of a shard's blocks; a block that is not there has no bytes."""
    sizes_bytes = 2 * _SIZES.itemsize
    end = file.seek(-sizes_bytes, 2)
    num_shards, most = np.frombuffer(file.read(sizes_bytes), _SIZES).tolist()
    row_bytes = 3 * _SIZES.itemsize * most
    file.seek(end - (num_shards - shard) * row_bytes)
    row_Px3 = np.frombuffer(file.read(row_bytes), _SIZES).reshape(most, 3)
    return [places for places in row_Px3.tolist() if places[1]]
