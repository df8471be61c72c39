"""Vectors of words, vectors of a tokenizer's entries made of them, and two languages in one space.

Two languages are brought together by rotating one's word vectors onto the other's, by a bilingual
dictionary (WECHSEL).
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse

from research import files
from research.errors import FreevocabError, UsageError
from research.tokenizers import Tokenizer
from research.transfer.vectors import cooccurrence
from research.transfer.vectors.cooccurrence import SVDConfig, TokenVectors, unit_rows

MIN_PAIRS = 20  # of a dictionary
MAX_WORDS = 100_000  # the most frequent ones; FastText files hold millions


class WordVectors(NamedTuple):
    """Vectors of W words of one or several languages."""

    words: Sequence[str]
    """Distinct."""
    vectors_WxK: np.ndarray
    """Float32."""
    weights_W: np.ndarray
    """Float32 > 0, how frequent each is; only ratios count."""
    of_strings: Callable[[Sequence[str]], np.ndarray] | None = None
    """Where the vectors come with a rule for any string: float32 [N, K] of N strings, zero where
    the rule has no answer (fastText's n-grams)."""


def train(texts: Iterable[bytes | str], config: SVDConfig | None = None) -> WordVectors:
    """Vectors of the words of a text (runs of letters and digits), most frequent first.

    Case is kept. Bytes that are not UTF-8 belong to no word.

    Raises:
      UsageError: fewer than two words occur often enough.
    """
    config = config or SVDConfig()
    ids: dict[str, int] = {}
    sequences = [
        np.array([ids.setdefault(word, len(ids)) for word in split(text)], np.int64)
        for batch in cooccurrence.batches(texts, config.max_bytes)
        for text in batch
    ]
    counts_W = np.bincount(np.concatenate([*sequences, np.zeros(0, np.int64)]))
    if (counts_W >= config.min_count).sum() < 2:
        raise UsageError(f"the auxiliary text has fewer than two words that occur "
                         f"{config.min_count} times or more: give more of --aux-text")
    # Words by falling frequency, the first seen first among equals; rare ones are no one's company.
    order_W = np.argsort(-counts_W, kind="stable")
    frequent_W = order_W[counts_W[order_W] >= config.min_count][:MAX_WORDS]
    new_W = np.full(len(counts_W), -1)
    new_W[frequent_W] = np.arange(len(frequent_W))
    frequent = [renamed[renamed >= 0] for renamed in (new_W[sequence] for sequence in sequences)]
    vectors = cooccurrence.from_ids(frequent, len(frequent_W), config)
    words = list(ids)
    known_W = np.flatnonzero(vectors.known_V)
    return WordVectors(
        [words[frequent_W[w]] for w in known_W],
        vectors.vectors_VxK[known_W],
        counts_W[frequent_W[known_W]].astype(np.float32),
    )


def split(text: bytes | str) -> list[str]:
    """The words of a text, in order."""
    text = text if isinstance(text, str) else text.decode("utf-8", "replace")
    return re.findall(r"\w+", text)


def token_vectors(tokenizer: Tokenizer, words: WordVectors) -> TokenVectors:
    """An entry's vector: the mean of those of the words that it is part of, by their frequency.

    Each word is encoded alone, with and without a space before it (WECHSEL, section 3.2, for
    vectors without n-grams). Entries of no word have no vector.

    Where the vectors have a rule for any string, that of the entry without the spaces around it
    comes first (WECHSEL's way with n-grams).
    """
    spaced = [form for word in words.words for form in (word, f" {word}")]
    ids = tokenizer.encode(spaced)
    lengths = [len(row) for row in ids]
    ids_N = np.concatenate([*ids, np.zeros(0, np.int32)]).astype(np.int64)
    word_N = np.repeat(np.arange(len(spaced)) // 2, lengths)
    weights_W = np.asarray(words.weights_W, np.float64)
    shape = (tokenizer.vocab_size, len(words.words))
    part_VxW = scipy.sparse.csr_array((weights_W[word_N], (ids_N, word_N)), shape)
    total_V = np.asarray(part_VxW.sum(1)).ravel()
    summed_VxK = part_VxW @ np.asarray(words.vectors_WxK, np.float64)
    mean_VxK = summed_VxK / np.where(total_V > 0, total_V, 1.0)[:, None]
    vectors_VxK = mean_VxK.astype(np.float32)
    if words.of_strings is not None:
        own_VxK = words.of_strings([_string(entry) for entry in tokenizer.token_bytes()])
        vectors_VxK = np.where(np.asarray(own_VxK.any(1))[:, None], own_VxK, vectors_VxK)
    vectors_VxK[np.asarray(tokenizer.special_V, bool)] = 0
    return TokenVectors(vectors_VxK, np.asarray(vectors_VxK.any(1)))


def _string(entry: bytes) -> str:
    """What an entry spells, without spaces around it; "" if these are not whole characters."""
    try:
        return entry.decode().strip()
    except UnicodeDecodeError:
        return ""


def read_dictionary(path: str | os.PathLike) -> list[tuple[str, str]]:
    """Pairs of words from a text file of two columns with a tab between them (WECHSEL's format), or
    of two single words with a space between (MUSE's).

    Empty lines are left out.

    Raises:
      FreevocabError: unreadable, not UTF-8, or a line of another form.
    """
    try:
        with files.reading(path), open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")
    except UnicodeDecodeError as error:
        raise FreevocabError(f"{path}: not UTF-8 text ({error.reason})") from error
    pairs = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) == 1:
            columns = line.split()
        if len(columns) != 2 or not all(columns):
            raise FreevocabError(f"{path}, line {number}: expected two words with a tab between "
                                 "(or single words with a space)")
        pairs.append((columns[0], columns[1]))
    if not pairs:
        raise FreevocabError(f"{path}: an empty dictionary")
    return pairs


def procrustes(from_NxK: np.ndarray, to_NxK: np.ndarray) -> np.ndarray:
    """The orthogonal [K, K] matrix R for which |from R - to| is least; float64.

    R = U V^T of the singular value decomposition of from^T to (Schoenemann, 1966).
    """
    product = np.asarray(from_NxK, np.float64).T @ np.asarray(to_NxK, np.float64)
    left, _, right = np.linalg.svd(product)
    return left @ right


def align(
    source: WordVectors, target: WordVectors, dictionary: Sequence[tuple[str, str]]
) -> WordVectors:
    """The target's word vectors rotated into the source's space.

    Words are looked up as written, in lower case and with a capital; the dictionary may name
    either language first (whichever finds more). All vectors are taken at length 1, so that
    frequent words do not decide alone.

    Raises:
      UsageError: vectors of different length, or too few pairs found in both.
    """
    num_dims = source.vectors_WxK.shape[1]
    if target.vectors_WxK.shape[1] != num_dims:
        raise UsageError(f"vectors of {num_dims} and {target.vectors_WxK.shape[1]} numbers cannot "
                         "be aligned: give files of the same dimension")
    pairs = max((_pairs(source, target, dictionary),
                 _pairs(source, target, [(b, a) for a, b in dictionary])), key=len)  # fmt: skip
    if len(pairs) < MIN_PAIRS:
        raise UsageError(f"only {len(pairs)} pairs of the dictionary have vectors in both "
                         f"languages; {MIN_PAIRS} are needed: is it the right --dictionary?")
    source_N, target_N = np.array(pairs).T
    rotation = procrustes(unit_rows(target.vectors_WxK[target_N]),
                          unit_rows(source.vectors_WxK[source_N]))  # fmt: skip
    return _rotated(target, rotation)


def _rotated(words, rotation_KxK):
    """Word vectors times a matrix, and so those of any string."""
    def of_strings(strings):
        return (words.of_strings(strings) @ rotation_KxK).astype(np.float32)

    return words._replace(
        vectors_WxK=(words.vectors_WxK @ rotation_KxK).astype(np.float32),
        of_strings=None if words.of_strings is None else of_strings,
    )


def _pairs(source, target, dictionary):
    """Index pairs (source word, target word), each once, in the dictionary's order."""
    in_source = {word: w for w, word in enumerate(source.words)}
    in_target = {word: w for w, word in enumerate(target.words)}
    pairs = {
        (in_source[one], in_target[other]): None
        for first, second in dictionary
        for one in (first, first.lower(), first.capitalize())
        for other in (second, second.lower(), second.capitalize())
        if one in in_source and other in in_target
    }
    return list(pairs)
