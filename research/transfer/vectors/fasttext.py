"""Word vectors from files: fastText's (word2vec's, GloVe's) text format, plain or gzipped, or .bin.

`read` tells the formats apart. fastText's binary models (`cc.de.300.bin`) are read by gensim, the
extra [vectors].
"""

import gzip
import itertools
import logging
import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from research import contents
from research.errors import FreevocabError, UsageError
from research.transfer.vectors.words import MAX_WORDS, WordVectors

MAGIC = struct.pack("<i", 793712314)  # how such a file starts

# Magic, version; dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn,
# lrUpdateRate, t.
_HEADER = struct.Struct("<2i12id")
_DICTIONARY = struct.Struct("<3i2q")  # entries, words, labels, tokens, pruned entries
_MATRIX = struct.Struct("<B2q")  # is it quantised, rows, columns
_AFTER_WORD = 1 + 8 + 1  # a zero byte, how often the word occurs, what kind of entry it is
_NEWEST_VERSION = 12
_END_OF_LINE = "</s>"  # fastText lists it among the words, with the number of lines as its count


def read(path: str | os.PathLike, *, max_words: int = MAX_WORDS) -> WordVectors:
    """The first `max_words` words of a fastText file, told by how it starts, not by its name.

    `.bin`: see `read_bin`. `.vec` or `.vec.gz`: a line "COUNT DIM" (GloVe's files have none), then
    one a word. The latter list words by falling frequency and leave the counts out: 1 / rank stands
    in (Zipf). Of a word listed twice the first counts; zero vectors are left out.

    Raises:
      UsageError: a `.bin` that is gzipped, or that cannot be read for want of gensim.
      FreevocabError: unreadable, cut off, or not of these formats; the line is named.
    """
    try:
        with open(path, "rb") as raw:
            zipped = raw.peek(2)[:2] == b"\x1f\x8b"
            file: Any = gzip.open(raw) if zipped else raw
            binary = file.peek(4)[:4] == MAGIC
            if not binary:
                return _read(path, file, max_words)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FreevocabError(f"{path}: a damaged gzip file ({error})") from error
    except OSError as error:
        raise FreevocabError(f"cannot read {path}: {error.strerror or error}") from error
    if zipped:
        raise UsageError(f"{path}: a gzipped fastText .bin: unpack it first (gunzip)")
    return read_bin(path, max_words=max_words)


def _read(path: str | os.PathLike, file: BinaryIO, max_words: int) -> WordVectors:
    first = file.readline()
    count, dim = _header(path, first)
    lines: Iterable[bytes] = file if count is not None else itertools.chain([first], file)
    expected = max_words if count is None else min(count, max_words)
    rows: list[np.ndarray] = []  # as many as there are, whatever the first line says
    words: dict[str, int] = {}
    ranks = []
    numbered = zip(itertools.count(1 if count is None else 2), lines, strict=False)
    vectors = _lines(path, numbered, expected, dim, to_end=count is None)
    for rank, (word, vector_K) in enumerate(vectors, 1):
        if word in words or not vector_K.any():
            continue
        rows.append(vector_K)
        words[word] = rank
        ranks.append(rank)
    weights_W = (1.0 / np.array(ranks, np.float64)).astype(np.float32)
    vectors_WxK = np.stack(rows) if rows else np.zeros((0, dim), np.float32)
    return WordVectors(list(words), vectors_WxK, weights_W)


def _header(path: str | os.PathLike, line: bytes) -> tuple[int | None, int]:
    """(words, dimensions); None words where the first line is a word with its vector."""
    try:
        count, dim = map(int, line.split())
        if count >= 1 and dim >= 1:
            return count, dim
    except ValueError:
        pass
    try:
        numbers = [float(field) for field in line.split()[1:]]
        if len(numbers) > 1:
            return None, len(numbers)
    except ValueError:
        pass
    what = contents.foreign(line[: contents.HEAD_BYTES])
    if what is not None:
        raise FreevocabError(f"{path} is {what}")
    raise FreevocabError(
        f"{path}: line 1 should give the number of words and of dimensions, "
        "as a fastText .vec file does, or hold a word and its numbers"
    )


def _lines(
    path: str | os.PathLike,
    numbered: Iterator[tuple[int, bytes]],
    expected: int,
    dim: int,
    to_end: bool,
) -> Iterator[tuple[str, np.ndarray]]:
    for done in range(expected):
        number, line = next(numbered, (0, b""))
        if not line:
            if to_end:
                return
            raise FreevocabError(f"{path}: ends after {done} of {expected} words: cut off?")
        # From the right: a word may hold odd spaces, numbers do not.
        word, *numbers = line.rstrip(b" \r\n").rsplit(b" ", dim)
        try:
            vector_K = np.array(numbers, np.float32)
        except ValueError:
            vector_K = np.zeros(0, np.float32)
        if len(vector_K) != dim or not np.isfinite(vector_K).all():
            raise FreevocabError(f"{path}: line {number} should hold a word and {dim} numbers")
        yield word.decode("utf-8", "replace"), vector_K


def read_bin(path: str | os.PathLike, *, max_words: int = MAX_WORDS) -> WordVectors:
    """The first `max_words` words of a model, their counts, and vectors of any other string.

    A word's vector is the mean of its own and of those of its character n-grams; `of_strings` gives
    fastText's vector of any string: a listed word's, else the mean of its n-grams'. (Words that
    the model has beyond `max_words` are such other strings.) Zero vectors and "</s>", which stands
    for the end of a line, are left out.

    gensim reads the whole model whatever `max_words` is: .65 GB and 8 s of one core for every
    100,000 words and as many n-grams of 300 numbers, so 13 GB and 3 minutes for cc.*.300.bin (7 GB,
    two million). Kept are the words asked for and the n-grams: of that, .1 and 2.4 GB.

    Raises:
      UsageError: gensim is not installed, or it is a kind of model that has no such vectors.
      FreevocabError: unreadable, cut off or damaged, or more than the memory holds.
    """
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _check(data)
    except _BadModelError as error:
        raise UsageError(f"{path}: {error}") from error
    except _DamageError as error:
        raise FreevocabError(f"{path}: a damaged fastText .bin file: {error}") from error
    except struct.error as error:
        raise FreevocabError(f"{path}: a damaged fastText .bin file: cut off?") from error
    except (OSError, ValueError) as error:
        raise FreevocabError(f"cannot read {path}: {error}") from error
    return _word_vectors(path, _load(path), max_words)


class _DamageError(Exception):
    pass


class _BadModelError(Exception):
    pass


def _check(data: mmap.mmap) -> None:
    """Walks through a model without reading its numbers.

    gensim waits for ever at a file that ends among its words, and takes a quantised model's bytes
    for numbers.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise _DamageError("it does not start as one")
    header = _HEADER.unpack_from(data)
    version, dim, bucket = header[1], header[2], header[10]
    if version > _NEWEST_VERSION:
        raise _BadModelError(
            f"version {version} of fastText's format is not known; give the .vec file"
        )
    entries, words, labels, _, pruned = _DICTIONARY.unpack_from(data, _HEADER.size)
    if labels > 0:
        raise _BadModelError("a fastText classifier; give a model of unlabelled text")
    if min(dim, words) < 1 or entries != words or bucket < 0:
        raise _DamageError("its counts make no sense")
    at = _HEADER.size + _DICTIONARY.size
    for number in range(words):
        end = data.find(b"\0", at)
        if end < 0:
            raise _DamageError(f"ends after {number} of {words} words: cut off?")
        at = end + _AFTER_WORD
    at += 8 * max(pruned, 0)
    for rows_expected in (words + bucket, None):  # of the words and n-grams; of the outputs
        if at + _MATRIX.size > len(data):
            raise _DamageError("cut off?")
        quantised, rows, columns = _MATRIX.unpack_from(data, at)
        if quantised == 1:
            raise _BadModelError("a quantised fastText model (.ftz); give the .bin or .vec file")
        if quantised or columns != dim or rows < 1 or rows_expected not in (None, rows):
            raise _DamageError("its counts make no sense")
        at += _MATRIX.size + 4 * rows * columns
        if at > len(data):
            raise _DamageError(f"{at - len(data)} bytes or more are missing: cut off?")
    if at != len(data):
        raise _DamageError(f"{len(data) - at} bytes too many")


def _load(path):
    """gensim's FastTextKeyedVectors of a file that `_check` found whole."""
    try:
        from gensim.models.fasttext import load_facebook_vectors  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UsageError(
            f"{path}: to read fastText's .bin install the extra [vectors] (pip "
            "install 'gensim>=4.4,<5'), or give the .vec file"
        ) from error
    log = logging.getLogger("gensim")  # it reports words that are not UTF-8, a line each
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        return load_facebook_vectors(os.fspath(path))
    except MemoryError as error:
        raise FreevocabError(f"{path}: too large for this machine's memory; the .vec file of the "
                             "same model needs far less") from error  # fmt: skip
    except (AssertionError, ValueError, RuntimeError, OSError) as error:
        raise FreevocabError(f"{path}: gensim cannot read this model ({error})") from error
    finally:
        log.setLevel(level)


def _word_vectors(path, model, max_words: int) -> WordVectors:
    listed = model.index_to_key[:max_words]
    vectors_WxK = np.array(model.vectors[: len(listed)], np.float32)  # a copy: the rest can go
    if not np.isfinite(vectors_WxK).all():
        raise FreevocabError(f"{path}: a damaged fastText .bin file: vectors that are no numbers")
    counts_W = np.array([model.get_vecattr(word, "count") for word in listed], np.float32)
    is_word_W = np.array([word != _END_OF_LINE for word in listed], bool)
    known_W = np.flatnonzero(vectors_WxK.any(1) & is_word_W)
    words = [listed[w] for w in known_W]
    vectors_WxK = vectors_WxK[known_W]
    strings = _Strings(words, vectors_WxK, _ngrams_only(model))
    return WordVectors(words, vectors_WxK, np.maximum(counts_W[known_W], 1), strings)


def _ngrams_only(model):
    """A model without words: it makes every string's vector of n-grams. None if it has none."""
    from gensim.models.fasttext import FastTextKeyedVectors  # pyright: ignore[reportMissingImports]

    if not model.bucket or model.max_n < 1:
        return None
    ngrams = FastTextKeyedVectors(model.vector_size, model.min_n, model.max_n, model.bucket)
    ngrams.vectors_ngrams = model.vectors_ngrams
    return ngrams


class _Strings:
    """fastText's vectors of any strings: float32 [N, K] of N; zero where it has nothing to say."""

    def __init__(self, words: Sequence[str], vectors_WxK: np.ndarray, ngrams):
        self._index = {word: w for w, word in enumerate(words)}
        self._vectors_WxK = vectors_WxK
        self._ngrams = ngrams

    def __call__(self, strings: Sequence[str]) -> np.ndarray:
        vectors_NxK = np.zeros((len(strings), self._vectors_WxK.shape[1]), np.float32)
        for n, string in enumerate(strings):
            if string in self._index:
                vectors_NxK[n] = self._vectors_WxK[self._index[string]]
            # With the marks of its start and end it must be as long as the shortest n-gram.
            elif string and self._ngrams is not None and len(string) + 2 >= self._ngrams.min_n:
                vectors_NxK[n] = self._ngrams.get_vector(string)
        return vectors_NxK
