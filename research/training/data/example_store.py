"""Examples of equal size, each compressed by itself (arXiv 2404.03626, sections 3.1 and 3.3).

The documents of a split are joined and cut into examples of `example_bytes` bytes; each is encoded
alone, and its first `length` ids are kept. So every sequence that a model reads is the beginning of
a message: an arithmetic code without a past, windows and narrow tokens in phase, GZip with its
header and its Huffman table.
"""

import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator

import numpy as np

from research.codecs import protocol
from research.codecs.protocol import Codec
from research.corpora import Corpus
from research.errors import UsageError
from research.training.data import token_store
from research.training.data.token_store import TokenStore, Writer

# An id may depend on a little text behind it (a longest match, an interval that is not settled).
_LOOK_AHEAD_IDS = 64
_GROUP = 256  # examples that go to the codec at once


@dataclasses.dataclass(frozen=True)
class Examples:
    """How examples are cut."""

    length: int
    """Ids that are kept of each."""
    example_bytes: int = 10_240
    """Bytes of text in each (10,240 in the paper)."""
    stride_bytes: int = 10_240
    """From the start of one to the start of the next. Below example_bytes they overlap, so that
    text behind an example's first ids is the beginning of others."""
    measured: int = 256
    """Examples (that do not overlap) on which the ratio of bytes to ids is measured, as a whole; of
    the others only as much is encoded as gives `length` ids."""


def build(
    corpus: Corpus,
    split: str,
    codec: Codec,
    directory: str | os.PathLike,
    examples: Examples,
    *,
    max_bytes: int | None = None,
    half: int | None = None,
) -> TokenStore:
    """The store of a split's examples under `directory`, opened if it is there, else built.

    Its `num_bytes` is the number of ids times the measured ratio, as the paper counts; what is
    left behind the last whole example is dropped.

    Args:
      max_bytes: of text that examples are cut from.
      half: of the split's documents; see `Corpus.documents`.

    Raises:
      UsageError: if there is too little text for one example, or an example has fewer than
        `length` ids.
      FreevocabError: if the folder cannot be written, or the codec gives an id out of range.
    """
    source = {
        "corpus": corpus.digest,
        "codec": codec.fingerprint(),
        "split": split,
        "half": half,
        "max_bytes": max_bytes,
        "examples": dataclasses.asdict(examples),
    }
    documents = token_store.first_bytes(corpus.documents(split, half=half), max_bytes)

    def encode(writer: Writer) -> dict:
        texts = cut(documents, examples.example_bytes, examples.stride_bytes)
        measured = _measure(texts, codec, examples, writer)
        for group in token_store.grouped(texts, _GROUP):
            ids = _beginnings(codec, group, examples.length, measured.ratio)
            _add(writer, ids, examples, measured.ratio)
        return {"examples": {"length": examples.length, **dataclasses.asdict(measured)}}

    return token_store.build_once(directory, corpus, split, codec, source, encode)


def cut(documents: Iterable[bytes], size: int, stride: int) -> Iterator[bytes]:
    """Texts of `size` bytes of the joined documents, one every `stride` bytes."""
    buffer, start = b"", 0
    for document in documents:
        buffer += document
        while len(buffer) - start >= size:
            yield buffer[start : start + size]
            start += stride
        done = min(start, len(buffer))
        buffer, start = buffer[done:], start - done


@dataclasses.dataclass
class _Measured:
    measured_bytes: int = 0
    measured_tokens: int = 0

    @property
    def ratio(self) -> float:
        return self.measured_bytes / self.measured_tokens


def _measure(texts: Iterator[bytes], codec: Codec, examples: Examples, writer: Writer) -> _Measured:
    """Encodes the first examples and counts every one that overlaps none counted before."""
    apart = -(-examples.example_bytes // examples.stride_bytes)
    first = list(itertools.islice(texts, examples.measured * apart))
    if not first:
        raise UsageError(
            f"the text is shorter than one example of {examples.example_bytes} bytes:"
            " give more text or shorter examples"
        )
    whole = codec.encode(first[::apart])
    result = _Measured(len(whole) * examples.example_bytes, sum(map(len, whole)))
    others = [text for number, text in enumerate(first) if number % apart]
    beginnings = iter(_beginnings(codec, others, examples.length, result.ratio))
    ids = [whole[n // apart] if n % apart == 0 else next(beginnings) for n in range(len(first))]
    _add(writer, ids, examples, result.ratio)
    return result


def _beginnings(codec: Codec, texts: list[bytes], length: int, ratio: float) -> list[np.ndarray]:
    """At least the first `length` ids of each text, without encoding more than that needs."""
    if not texts:
        return []
    if protocol.needs_whole_text(codec):
        return codec.encode(texts)
    enough = length + _LOOK_AHEAD_IDS
    size = int(1.15 * enough * ratio) + 1
    ids = codec.encode([text[:size] for text in texts])
    for number, text in enumerate(texts):
        if len(ids[number]) < enough and size < len(text):
            ids[number] = codec.encode([text])[0]
    return ids


def _add(writer: Writer, ids: list[np.ndarray], examples: Examples, ratio: float) -> None:
    if shortest := [len(each) for each in ids if len(each) < examples.length]:
        raise UsageError(
            f"an example of {examples.example_bytes} bytes has {min(shortest)} ids, fewer than"
            f" {examples.length}: make examples longer or sequences shorter"
        )
    # Cumulative, so that the whole is right to a byte.
    places = writer.num_documents + np.arange(len(ids) + 1)
    ends = np.rint(places * examples.length * ratio).astype(int)
    beginnings = [each[: examples.length] for each in ids]
    writer.add(beginnings, np.diff(ends).tolist(), eos=False)
