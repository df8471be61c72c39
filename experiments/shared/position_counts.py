"""What counting gives of the ids that M2 reads: frequencies, and frequencies by place.

All sequences of a table begin with their message, so that some of GZip's ids (its header, its
Huffman table) can be told from their place alone: a tenth of its bits with tokens of 8 bits and
sequences of 128. A model has learned something of a code where it is below both.
"""

import math

import numpy as np

from research.training.data.token_store import TokenStore

EXAMPLES = 4_096  # training examples that are counted, at most


def bits_per_token(train: TokenStore, valid: TokenStore, vocabulary: int) -> float:
    """Bits a token of the better of two counts: of ids anywhere, and of ids by their place.

    Args:
      train, valid: stores of examples of one length L, without special ids.
      vocabulary: V, the codec's ids.
    """
    train_NxL, valid_NxL = (
        np.asarray(store.ids).reshape(store.num_documents, -1) for store in (train, valid)
    )
    anywhere, by_place = nats(train_NxL, valid_NxL, vocabulary)
    return min(anywhere, by_place) / math.log(2)


def nats(train_NxL: np.ndarray, valid_NxL: np.ndarray, vocabulary: int) -> tuple[float, float]:
    """Mean -ln p of the validation ids under add-one counts of all training ids, and under the
    counts at each place.

    The latter are mixed with the former as Witten and Bell do: where n training ids at a place are
    t different ones, the counts there weigh n / (n + t).
    """
    counts_V = np.bincount(train_NxL.ravel(), minlength=vocabulary) + 1.0
    p_V = counts_V / counts_V.sum()
    n, length = train_NxL.shape
    place_L = np.arange(length) * vocabulary  # an id at a place, as one number
    keys_K, counts_K = np.unique(train_NxL.astype(np.int64) + place_L, return_counts=True)
    kinds_L = np.bincount(keys_K // vocabulary, minlength=length)
    wanted_NxL = valid_NxL.astype(np.int64) + place_L
    at_NxL = np.minimum(np.searchsorted(keys_K, wanted_NxL), len(keys_K) - 1)
    seen_NxL = np.where(keys_K[at_NxL] == wanted_NxL, counts_K[at_NxL], 0)
    mixed_NxL = (seen_NxL + kinds_L * p_V[valid_NxL]) / (n + kinds_L)
    return float(-np.log(p_V[valid_NxL]).mean()), float(-np.log(mixed_NxL).mean())
