"""A split of a corpus as ids on disk: read once, memory-mapped afterwards.

A store is a folder: `ids.bin` (int32, little endian: the documents one after the other, each
followed by EOS), `offsets.bin` and `byte_offsets.bin` (int64: where documents begin, in ids
and in bytes of text) and `meta.json`. It is written under a temporary name, so a store that
exists is whole, and its name is a digest of what it was made from, so another corpus, codec,
split or size never meets it.

A store of examples (`example_store.build`) is in the same format but has no EOS: each document is
the beginning of an example, the same number of ids. What `freevocab prepare` writes is several
stores in this format that are opened as one (`sharded_store`).
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from research import files
from research.artifact import Spec
from research.corpora import Corpus
from research.errors import MALFORMED, FreevocabError, UsageError

SPEC = Spec(
    "token store",
    "meta.json",
    error=FreevocabError,
    missing="it has no {file}",
    damaged="{error}",
    foreign="its format is not {format}",
    newer="its format has version {version}, not {known}",
)
_IDS, _OFFSETS, _BYTE_OFFSETS = "ids.bin", "offsets.bin", "byte_offsets.bin"
# A damaged store is built again in its place, so what these files hold does not matter then.
NAMES = (_IDS, _OFFSETS, _BYTE_OFFSETS, SPEC.file)
# Documents go to the codec in groups of about so much: enough for codecs that batch, little
# enough that memory stays flat (one larger document still goes as a whole).
_GROUP_BYTES = 4 * 2**20
GROUP_DOCUMENTS = 4096
# Above this size opening a store checks the length of its ids, not their checksum.
CHECKED_BYTES = 2**28

Progress = Callable[[int, float], None]  # bytes of text done, bytes per second so far


class Encoder(Protocol):
    """What a store needs of a `Codec` or a `Tokenizer`."""

    @property
    def name(self) -> str: ...
    @property
    def vocab_size(self) -> int: ...
    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]: ...
    def fingerprint(self) -> str: ...


@dataclasses.dataclass(frozen=True)
class TokenStore:
    """The ids of a split."""

    ids: np.ndarray
    """int32 [tokens], memory-mapped; documents, each followed by `eos_id`. This and the next two
    are `JoinedArray`s in a store of several shards: indexed like arrays, nothing else."""
    offsets: np.ndarray
    """int64 [documents + 1]; document i is ids[offsets[i]:offsets[i + 1]], EOS included."""
    byte_offsets: np.ndarray
    """int64 [documents + 1]; the same in bytes of the original text (EOS has none)."""
    vocab_size: int
    """Ids of the codec, then BOS, then EOS: the codec's vocab_size + 2."""
    meta: dict[str, Any]
    """What meta.json holds (corpus, codec, split, sizes)."""

    @property
    def bos_id(self) -> int:
        """The second-to-last id."""
        return self.vocab_size - 2

    @property
    def eos_id(self) -> int:
        """The last id."""
        return self.vocab_size - 1

    @property
    def num_tokens(self) -> int:
        """Ids in the store, EOS included."""
        return len(self.ids)

    @property
    def num_documents(self) -> int:
        return len(self.offsets) - 1

    @property
    def example_length(self) -> int | None:
        """Ids in each document of a store of examples; None where documents are whole."""
        return self.meta.get("examples", {}).get("length")

    @property
    def bytes_per_token(self) -> float:
        """Bytes of text that an id stands for on average; EOS is not counted."""
        if (examples := self.meta.get("examples")) is not None:
            return examples["measured_bytes"] / examples["measured_tokens"]
        return self.num_bytes / (self.num_tokens - self.num_documents)

    @property
    def num_bytes(self) -> int:
        """Bytes of the original text."""
        return int(self.byte_offsets[-1])

    def document(self, index: int) -> np.ndarray:
        """The ids of a document without its EOS, int32 [tokens]."""
        return self.ids[self.offsets[index] : self.offsets[index + 1] - 1]


def build(
    corpus: Corpus,
    split: str,
    codec: Encoder,
    directory: str | os.PathLike,
    *,
    max_bytes: int | None = None,
    progress: Progress | None = None,
) -> TokenStore:
    """The store of a split under `directory`, opened if it is there, else built.

    Args:
      corpus: where the documents come from.
      split: 'train', 'valid' or 'test'.
      codec: turns documents into ids; it need not be able to decode.
      directory: a folder for stores; each gets a folder of its own in it.
      max_bytes: use at most so much text: whole documents from the first on, the last one cut
        to fit (before a character that would be split).
      progress: called with the bytes done and the rate, about twice a second and at the end.

    Raises:
      UsageError: if the split has no text, or max_bytes leaves none.
      FreevocabError: if the folder cannot be written, or the codec gives an id out of range.
    """
    if max_bytes is not None and max_bytes < 1:
        raise UsageError(f"max_bytes is {max_bytes}: give at least 1, or leave it out")
    source = {
        "corpus": corpus.digest,
        "codec": codec.fingerprint(),
        "split": split,
        "max_bytes": max_bytes,
    }

    def encode(writer: Writer) -> None:
        documents = first_bytes(corpus.documents(split), max_bytes)
        _encode(documents, codec, writer, progress)

    return build_once(directory, corpus, split, codec, source, encode)


def build_once(
    directory: str | os.PathLike,
    corpus: Corpus,
    split: str,
    codec: Encoder,
    source: dict[str, Any],
    encode: "Callable[[Writer], dict[str, Any] | None]",
) -> TokenStore:
    """The store of `source` under `directory`, opened if it is there, else written by `encode`.

    Args:
      source: everything that the ids depend on, as JSON values.
      encode: adds all documents to a `Writer`, and may return more fields of meta.json.

    Raises:
      UsageError: if nothing was added.
      FreevocabError: if the folder cannot be written, or the codec gives an id out of range.
    """
    key = hashlib.sha256(json.dumps([SPEC.format, SPEC.version, source]).encode()).hexdigest()[:24]
    path = Path(directory) / f"{split}-{key}"
    if (store := _open_if_whole(path, source, codec)) is not None:
        return store
    try:
        with files.atomic_path(path, directory=True, names=NAMES) as temporary:
            with Writer(temporary, codec) as writer:
                more = encode(writer) or {}
            if not writer.num_documents:
                raise UsageError(
                    f"split {split!r} of {corpus.name} has no text: give more text, or files for"
                    f" this split (text:GLOB;{split}=GLOB)"
                )
            names = {"corpus_name": corpus.name, "codec_name": codec.name}
            SPEC.write(temporary, {**writer.meta(), **names, "source": source, **more})
    except BrokenPipeError:
        raise  # nobody reads what `encode` says of its progress
    except OSError as error:
        # Another process may have put the same store there first; then that one is as good.
        if (store := _open_if_whole(path, source, codec)) is not None:
            return store
        raise FreevocabError(f"cannot write the token store {path}: {error}") from error
    return open_store(path)


def open_store(path: str | os.PathLike, *, checked_bytes: int = CHECKED_BYTES) -> TokenStore:
    """Opens a store's folder.

    Args:
      checked_bytes: of a file that is larger only the length is checked.

    Raises:
      FreevocabError: if it is not a store, is damaged, or of a newer format.
    """
    path = Path(path)
    try:
        meta = SPEC.read(path)
        arrays = [
            _mapped(path / name, dtype, meta["files"][name], checked_bytes)
            for name, dtype in ((_IDS, "<i4"), (_OFFSETS, "<i8"), (_BYTE_OFFSETS, "<i8"))
        ]
        return TokenStore(*arrays, vocab_size=meta["vocab_size"], meta=meta)
    except (*MALFORMED, FreevocabError, OSError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise FreevocabError(
            f"{path} is not a whole token store ({reason}): delete it, it will be built again"
        ) from error


def _open_if_whole(path: Path, source: dict[str, Any], codec: Encoder) -> TokenStore | None:
    """The store there, or None if it has to be built (again)."""
    if not path.is_dir():
        return None
    try:
        store = open_store(path)
    except FreevocabError:
        return None
    same = store.meta.get("source") == source and store.vocab_size == codec.vocab_size + 2
    return store if same else None


def _mapped(path: Path, dtype: str, expected: dict[str, int], checked_bytes: int) -> np.ndarray:
    if path.stat().st_size != expected["bytes"]:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes, not {expected['bytes']}")
    array = np.memmap(path, dtype=dtype, mode="r")
    if expected["bytes"] <= checked_bytes and zlib.crc32(array.data) != expected["crc32"]:
        raise ValueError(f"{path.name} has a wrong checksum")
    return array


def first_bytes(documents: Iterable[bytes], max_bytes: int | None) -> Iterator[bytes]:
    """The documents that `build` takes for this max_bytes: the last one may be a start only."""
    left = max_bytes
    for document in documents:
        if left is not None and len(document) >= left:
            if start := _start(document, left):
                yield start
            return
        yield document
        left = None if left is None else left - len(document)


def _start(document: bytes, size: int) -> bytes:
    """At most `size` bytes, fewer by up to three where UTF-8 would be cut in a character."""
    for end in range(size, max(size - 4, -1), -1):
        if document[end : end + 1] < b"\x80" or document[end] >= 0xC0:
            return document[:end]
    return document[:size]  # four continuation bytes in a row: not UTF-8


def grouped(documents: Iterable[bytes], most: int) -> Iterator[list[bytes]]:
    """Documents as they go to a codec: at most `most` at once, fewer where they are large."""
    group: list[bytes] = []
    size = 0
    for document in documents:
        group.append(document)
        size += len(document)
        if size >= _GROUP_BYTES or len(group) >= most:
            yield group
            group, size = [], 0
    if group:
        yield group


def _encode(
    documents: Iterable[bytes], codec: Encoder, writer: "Writer", progress: Progress | None
) -> None:
    began = reported = time.monotonic()
    reported_bytes = -1
    for group in grouped(documents, GROUP_DOCUMENTS):
        writer.add(codec.encode(group), [len(document) for document in group])
        now = time.monotonic()
        if progress and now - reported >= 0.5:
            progress(writer.num_bytes, writer.num_bytes / (now - began))
            reported, reported_bytes = now, writer.num_bytes
    if progress and reported_bytes != writer.num_bytes:
        progress(writer.num_bytes, writer.num_bytes / max(time.monotonic() - began, 1e-9))


class Writer(contextlib.ExitStack):
    """Appends documents to the files of a store, which it closes in the end."""

    def __init__(self, folder: Path, codec: Encoder):
        super().__init__()
        self._vocab_size = codec.vocab_size
        self._codec_name = codec.name
        self._files = {
            name: _CountedFile(self.enter_context(open(folder / name, "wb")))
            for name in (_IDS, _OFFSETS, _BYTE_OFFSETS)
        }
        self.num_documents = self.num_tokens = self.num_bytes = 0
        for name in (_OFFSETS, _BYTE_OFFSETS):
            self._files[name].append(np.zeros(1, "<i8"))

    def add(self, ids: list[np.ndarray], byte_lengths: list[int], *, eos: bool = True) -> None:
        """Appends documents, each followed by EOS unless `eos` is off.

        Raises:
          FreevocabError: if an id is not below the codec's vocab_size.
        """
        texts = np.concatenate(ids)
        if texts.size and not 0 <= texts.min() <= texts.max() < self._vocab_size:
            raise FreevocabError(
                f"codec {self._codec_name} gave ids from {texts.min()} to {texts.max()},"
                f" but its vocabulary has {self._vocab_size}"
            )
        lengths = np.array([len(document) for document in ids], "<i8")
        joined = texts
        if eos:
            joined = np.insert(texts, np.cumsum(lengths), self._vocab_size + 1)
            lengths = lengths + 1
        self._files[_IDS].append(joined.astype("<i4", copy=False))
        self._files[_OFFSETS].append(self.num_tokens + np.cumsum(lengths))
        self._files[_BYTE_OFFSETS].append(self.num_bytes + np.cumsum(byte_lengths, dtype="<i8"))
        self.num_documents += len(ids)
        self.num_tokens += int(lengths.sum())
        self.num_bytes += sum(byte_lengths)

    def meta(self) -> dict[str, Any]:
        return {
            "vocab_size": self._vocab_size + 2,
            "documents": self.num_documents,
            "tokens": self.num_tokens,
            "text_bytes": self.num_bytes,
            "files": {
                name: {"bytes": file.num_bytes, "crc32": file.crc32}
                for name, file in self._files.items()
            },
        }


class _CountedFile:
    """A file being written, with its length and CRC-32."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self.num_bytes = self.crc32 = 0

    def append(self, array: np.ndarray) -> None:
        data = array.tobytes()
        self.crc32 = zlib.crc32(data, self.crc32)
        self.num_bytes += len(data)
        self._file.write(data)
