"""Word vectors from files: fastText's (and word2vec's) text format, plain or gzipped, or .bin."""

import gzip
import os
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from research.errors import FreevocabError, UsageError
from research.transfer.vectors import fasttext_bin
from research.transfer.vectors.words import MAX_WORDS, WordVectors


def read(path: str | os.PathLike, *, max_words: int = MAX_WORDS) -> WordVectors:
    """The first `max_words` words of a fastText file, told by how it starts, not by its name.

    `.bin`: see `fasttext_bin.read`. `.vec` or `.vec.gz`: a line "COUNT DIM", then one a word. The
    latter list words by falling frequency and leave the counts out: 1 / rank stands in (Zipf). Of
    a word listed twice the first counts; zero vectors are left out.

    Raises:
      UsageError: a `.bin` that is gzipped, or that cannot be read for want of gensim.
      FreevocabError: unreadable, cut off, or not of these formats; the line is named.
    """
    try:
        with open(path, "rb") as raw:
            zipped = raw.peek(2)[:2] == b"\x1f\x8b"
            file = gzip.open(raw) if zipped else raw
            binary = file.peek(4)[:4] == fasttext_bin.MAGIC
            if not binary:
                return _read(file, max_words)
    except _BadLineError as error:
        raise FreevocabError(f"{path}: {error}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FreevocabError(f"{path}: a damaged gzip file ({error})") from error
    except OSError as error:
        raise FreevocabError(f"cannot read {path}: {error.strerror or error}") from error
    if zipped:
        raise UsageError(f"{path}: a gzipped fastText .bin: unpack it first (gunzip)")
    return fasttext_bin.read(path, max_words=max_words)


class _BadLineError(Exception):
    pass


def _read(file: BinaryIO, max_words: int) -> WordVectors:
    count, dim = _header(file.readline())
    expected = min(count, max_words)
    vectors_WxK = np.empty((expected, dim), np.float32)
    words: dict[str, int] = {}
    ranks = []
    for rank, (word, vector_K) in enumerate(_lines(file, expected, dim), 1):
        if word in words or not vector_K.any():
            continue
        vectors_WxK[len(words)] = vector_K
        words[word] = rank
        ranks.append(rank)
    weights_W = (1.0 / np.array(ranks, np.float64)).astype(np.float32)
    return WordVectors(list(words), vectors_WxK[: len(words)], weights_W)


def _header(line: bytes) -> tuple[int, int]:
    try:
        count, dim = map(int, line.split())
    except ValueError:
        count = dim = 0
    if count < 1 or dim < 1:
        raise _BadLineError("line 1 should give the number of words and of dimensions, as a "
                            "fastText .vec file does")
    return count, dim


def _lines(file: BinaryIO, expected: int, dim: int) -> Iterator[tuple[str, np.ndarray]]:
    for number in range(2, expected + 2):
        line = file.readline()
        if not line:
            raise _BadLineError(f"ends after {number - 2} of {expected} words: cut off?")
        # From the right: a word may hold odd spaces, numbers do not.
        word, *numbers = line.rstrip(b" \r\n").rsplit(b" ", dim)
        try:
            vector_K = np.array(numbers, np.float32)
        except ValueError:
            vector_K = np.zeros(0, np.float32)
        if len(vector_K) != dim or not np.isfinite(vector_K).all():
            raise _BadLineError(f"line {number} should hold a word and {dim} numbers")
        yield word.decode("utf-8", "replace"), vector_K
