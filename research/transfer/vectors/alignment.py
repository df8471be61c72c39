"""Bringing the word vectors of two languages into one space, by a bilingual dictionary."""

import os
from collections.abc import Sequence

import numpy as np

from research.errors import FreevocabError, UsageError
from research.transfer.vectors.token_vectors import unit_rows
from research.transfer.vectors.words import WordVectors

MIN_PAIRS = 20


def read_dictionary(path: str | os.PathLike) -> list[tuple[str, str]]:
    """Pairs of words from a text file of two columns with a tab between them (WECHSEL's format).

    Empty lines are left out.

    Raises:
      FreevocabError: unreadable, not UTF-8, or a line without exactly one tab.
    """
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")
    except OSError as error:
        raise FreevocabError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FreevocabError(f"{path}: not UTF-8 text ({error.reason})") from error
    pairs = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) != 2 or not all(columns):
            raise FreevocabError(f"{path}, line {number}: expected two words with a tab between")
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
    found = max((_pairs(source, target, dictionary),
                 _pairs(source, target, [(b, a) for a, b in dictionary])), key=len)  # fmt: skip
    if len(found) < MIN_PAIRS:
        raise UsageError(f"only {len(found)} pairs of the dictionary have vectors in both "
                         f"languages; {MIN_PAIRS} are needed: is it the right --dictionary?")
    source_N, target_N = np.array(found).T
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
    found = {
        (in_source[one], in_target[other]): None
        for first, second in dictionary
        for one in (first, first.lower(), first.capitalize())
        for other in (second, second.lower(), second.capitalize())
        if one in in_source and other in in_target
    }
    return list(found)
