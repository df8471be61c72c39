"""Vectors of words, and from them vectors of a tokenizer's entries."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse

from research.errors import UsageError
from research.tokenizers import Tokenizer
from research.transfer.vectors import cooccurrence
from research.transfer.vectors.cooccurrence import SVDConfig
from research.transfer.vectors.token_vectors import TokenVectors

MAX_WORDS = 100_000  # the most frequent ones; FastText files hold millions


class WordVectors(NamedTuple):
    """Vectors of W words of one or several languages.

    Attributes:
      words: distinct.
      vectors_WxK: float32.
      weights_W: float32 > 0, how frequent each is; only ratios count.
      of_strings: where the vectors come with a rule for any string: float32 [N, K] of N strings,
        zero where the rule has no answer (fastText's n-grams).
    """

    words: Sequence[str]
    vectors_WxK: np.ndarray
    weights_W: np.ndarray
    of_strings: Callable[[Sequence[str]], np.ndarray] | None = None


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
    kept_W = order_W[counts_W[order_W] >= config.min_count][:MAX_WORDS]
    new_W = np.full(len(counts_W), -1)
    new_W[kept_W] = np.arange(len(kept_W))
    frequent = [renamed[renamed >= 0] for renamed in (new_W[sequence] for sequence in sequences)]
    made = cooccurrence.from_ids(frequent, len(kept_W), config)
    words = list(ids)
    known_W = np.flatnonzero(made.known_V)
    return WordVectors(
        [words[kept_W[w]] for w in known_W],
        made.vectors_VxK[known_W],
        counts_W[kept_W[known_W]].astype(np.float32),
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
        vectors_VxK = np.where(own_VxK.any(1)[:, None], own_VxK, vectors_VxK)
    vectors_VxK[np.asarray(tokenizer.special_V, bool)] = 0
    return TokenVectors(vectors_VxK, vectors_VxK.any(1))


def _string(entry: bytes) -> str:
    """What an entry spells, without spaces around it; "" if it is no whole characters."""
    try:
        return entry.decode().strip()
    except UnicodeDecodeError:
        return ""
