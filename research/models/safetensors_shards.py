"""A Hugging Face folder's weights, tensor by tensor: model.safetensors, or shards and their index.

A tensor is copied a piece at a time; `Tensor.read` alone holds all of it.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from research import contents
from research.errors import FreevocabError, UsageError
from research.files import share, write_json
from research.models import safetensors_format
from research.models.safetensors_format import DTYPES, Place

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PIECE_BYTES = 1 << 24
# Older formats, by the file that gives each away; none can be read without running its framework.
FOREIGN = ("pytorch_model.bin", "pytorch_model.bin.index.json", "flax_model.msgpack",
           "tf_model.h5", "consolidated.00.pth")  # fmt: skip


class Tensor:
    """One tensor of a file; its numbers are read on demand."""

    def __init__(self, name: str, path: Path, place: Place):
        self.name = name
        """As the checkpoint calls it."""
        self.path, self._place = path, place
        self.shape, self.nbytes = place.shape, place.nbytes
        self.code = place.code
        """The type as safetensors names it ("BF16")."""

    @property
    def dtype(self) -> np.dtype:
        """The numpy type (bfloat16 and float8 as `ml_dtypes` has them).

        Raises:
          FreevocabError: if numpy has none; `chunks` works all the same.
        """
        if self.code not in DTYPES:
            raise FreevocabError(f"{self.path}: {self.name} has type {self.code}, unknown here")
        return DTYPES[self.code]

    def read(self) -> np.ndarray:
        """The whole tensor, in its own type."""
        array = np.empty(self.shape, self.dtype)
        raw, done = array.reshape(-1).view(np.uint8), 0
        for chunk in self.chunks():
            raw[done : done + len(chunk)] = np.frombuffer(chunk, np.uint8)
            done += len(chunk)
        return array

    def chunks(self, size: int = PIECE_BYTES) -> Iterator[bytes]:
        """The tensor's bytes, `size` at a time."""
        left = self.nbytes
        with self.path.open("rb") as file:
            file.seek(self._place.offset)
            while left:
                chunk = file.read(min(size, left))
                if not chunk:
                    raise FreevocabError(f"{self.path} became shorter while it was read")
                left -= len(chunk)
                yield chunk

    def entry(self) -> "Entry":
        """To be written as it is."""
        return Entry(self.name, self.shape, self.code, self.chunks, self.nbytes)


class StoredTensors(dict[str, Tensor]):
    """Tensors by name, in the order of files and of places in them."""

    def __init__(self, directory: Path, files: list[str]):
        super().__init__()
        self.directory, self.files = directory, files
        self.metadata: dict[str, str] = {}
        """Of the first file that has any."""
        for file in files:
            places, metadata = safetensors_format.read_header(directory / file)
            self.metadata = self.metadata or metadata
            for name, place in places.items():
                if name in self:
                    before = self[name].path.name
                    raise FreevocabError(f"{directory}: both {before} and {file} hold {name}")
                self[name] = Tensor(name, directory / file, place)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self.values())


class Entry(NamedTuple):
    """A tensor to be written."""

    name: str
    shape: tuple[int, ...]
    dtype: Any
    """A numpy type or the format's name of one."""
    chunks: Iterable[bytes] | Callable[[], Iterable[bytes]]
    """Its bytes in order, in pieces of any size; or a function that returns them."""
    nbytes: int = -1
    """-1: by dtype and shape."""


def entry(name: str, array: np.ndarray) -> Entry:
    """An array to be written in its own type, a piece at a time."""

    def chunks() -> Iterator[bytes]:
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for start in range(0, len(flat), PIECE_BYTES):
            yield flat[start : start + PIECE_BYTES].tobytes()

    return Entry(name, array.shape, array.dtype, chunks)


def open_checkpoint(directory: str | os.PathLike) -> StoredTensors:
    """The tensors of a folder's model.safetensors, or else of the shards that its index names.

    Raises:
      UsageError: if there is no such folder or it holds no safetensors.
      FreevocabError: if a shard or a tensor is missing, or a file is cut short or damaged.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise UsageError(f"there is no folder {directory}")
    if (directory / SINGLE).is_file():
        return StoredTensors(directory, [SINGLE])
    if not (directory / INDEX).is_file():
        foreign = [name for name in FOREIGN if (directory / name).exists()]
        if foreign:
            raise UsageError(
                f"{directory} holds {foreign[0]} and no {SINGLE}: convert it first, with "
                f"{_class_of(directory)}.from_pretrained(DIR).save_pretrained(OUT) of transformers"
            )
        lacking = f"it has neither {SINGLE} nor {INDEX}"
        raise UsageError(contents.not_a("checkpoint", directory, lacking))
    weight_map = _weight_map(directory / INDEX)
    files = sorted(set(weight_map.values()))
    for file in files:
        if not (directory / file).is_file():
            raise FreevocabError(f"{directory} is not complete: {file} is missing; get it again")
    checkpoint = StoredTensors(directory, files)
    for name, file in weight_map.items():
        if name not in checkpoint or checkpoint[name].path.name != file:
            raise FreevocabError(f"{directory}: {INDEX} says that {file} holds {name}; it does not")
    return checkpoint


def _class_of(directory: Path) -> str:
    """The class of transformers that opens all of a model, its readout included."""
    try:
        names = contents.read_mapping(directory / "config.json")["architectures"]
        return str(names[0])
    except (OSError, ValueError, LookupError, TypeError):
        return "AutoModelForCausalLM"


def write_checkpoint(
    directory: str | os.PathLike,
    tensors: Iterable[Entry],
    *,
    max_shard_bytes: float = 5e9,
    metadata: Mapping[str, str] = {"format": "pt"},  # noqa: B006  (never written to)
    progress: Callable[[int], None] = lambda nbytes: None,
) -> list[str]:
    """Writes tensors into model.safetensors, or into shards and their index where that is longer.

    Args:
      directory: an existing folder; none of the files is left there if writing fails.
      tensors: only their descriptions are held.
      max_shard_bytes: of tensors in a file; a longer tensor has a file of its own.
      metadata: of each file; transformers wants "format": "pt".
      progress: called with the number of bytes after each piece.

    Returns:
      The names of the files written.

    Raises:
      FreevocabError: for two tensors of one name, or chunks of another length than the shape's.
      OSError: for instance for a full disk.
    """
    directory = Path(directory)
    shards, names = _shards([sized(one) for one in tensors], max_shard_bytes), [SINGLE]
    if len(shards) > 1:
        count = len(shards)
        names = [f"model-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]
    written = []
    try:
        for name, shard in zip(names, shards, strict=True):
            written.append(name)
            _write(directory / name, shard, metadata, progress)
        if len(shards) > 1:
            total = sum(one.nbytes for shard in shards for one in shard)
            placed = zip(names, shards, strict=True)
            weight_map = {one.name: name for name, shard in placed for one in shard}
            written.append(INDEX)
            index = {"metadata": {"total_size": total}, "weight_map": weight_map}
            write_json(directory / INDEX, index)
    except BaseException:
        for name in written:
            (directory / name).unlink(missing_ok=True)
        raise
    return written


def sized(one: Entry) -> Entry:
    """An entry with the format's name of its type, and its bytes counted."""
    code, shape = safetensors_format.code_of(one.dtype), tuple(map(int, one.shape))
    nbytes = safetensors_format.nbytes_of(code, shape) if one.nbytes < 0 else one.nbytes
    return one._replace(dtype=code, shape=shape, nbytes=nbytes)


def _shards(entries: list[Entry], limit: float) -> list[list[Entry]]:
    """In order; within a shard wide types first, so that each number begins at a multiple of its
    own size (readers that map the file rely on it)."""
    shards: list[list[Entry]] = [[]]
    names: set[str] = set()
    size = 0
    for one in entries:
        if one.name in names:
            raise FreevocabError(f"two tensors have the name {one.name}")
        names.add(one.name)
        if shards[-1] and size + one.nbytes > limit:
            shards.append([])
            size = 0
        shards[-1].append(one)
        size += one.nbytes
    widths = {code: dtype.itemsize for code, dtype in DTYPES.items()}
    return [sorted(shard, key=lambda one: -widths.get(one.dtype, 0)) for shard in shards]


def _write(path: Path, shard: list[Entry], metadata, progress: Callable[[int], None]) -> None:
    places = {one.name: (one.dtype, one.shape, one.nbytes) for one in shard}
    with path.open("wb") as file:
        file.write(safetensors_format.header_bytes(places, metadata))
        for one in shard:
            left = one.nbytes
            for chunk in one.chunks() if callable(one.chunks) else one.chunks:
                left -= len(chunk)
                if left < 0:
                    break
                file.write(chunk)
                progress(len(chunk))
            if left:
                how = "more" if left < 0 else f"{left:,} fewer"
                raise FreevocabError(f"{one.name} has {how} bytes than its shape {one.shape} needs")
    share(path)


def _weight_map(path: Path) -> dict[str, str]:
    try:
        weight_map = contents.read_mapping(path)["weight_map"]
        files = set(weight_map.values())
        if not files or any(os.path.basename(file) != file or not file for file in files):
            raise ValueError("its weight_map names no files of the folder")
        return weight_map
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise FreevocabError(f"{path} is damaged ({error}): get it again") from None
