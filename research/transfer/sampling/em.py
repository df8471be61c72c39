"""A trained Unigram (Kudo 2018): seed entries, expectation-maximisation, pruning.

Pretokens with their counts are the data. A round: expected counts of all entries over all
segmentations (forward-backward), then probabilities by digamma (a Dirichlet prior's posterior
mean of the logarithm, as sentencepiece does); entries with an expected count below 1/2 go. Pruning
keeps the entries whose loss would lower the likelihood the most, going by each entry's count and
by its best segmentation without itself, until V are left.
"""

import numpy as np

from research.transfer.sampling import hash_trie, lattice, pretokens
from research.transfer.sampling.config import Pretokens, UnigramEM
from research.transfer.sampling.counting import Counts
from research.transfer.sampling.pretokens import Words
from research.transfer.sampling.segmenters import BYTES, Unigram
from research.transfer.sampling.substrings import best


def seeds(counts: Counts, size: int) -> tuple[list[bytes], np.ndarray]:
    """The `size` substrings of two bytes or more with the largest count x characters, and that."""
    live_N = counts.live()
    live_N = live_N[counts.strings.length_S[live_N] > 1]
    weight_N = counts.counts_S[live_N] * counts.characters_S[live_N].astype(np.int64)
    chosen_M = best(weight_N, counts.strings.hash_S[live_N], size)
    return counts.bytes_of(live_N[chosen_M]), weight_N[chosen_M]


def train(
    config: UnigramEM,
    words: Words,
    count_P: np.ndarray,
    seeds: list[bytes],
    weight_N: np.ndarray,
    pieces: int,
) -> tuple[list[bytes], Unigram]:
    """Entries (the bytes, then the best first) and their log probabilities.

    Args:
      words: the different pretokens, one text.
      count_P: int64, how often each comes.
      seeds: strings of two bytes or more.
      weight_N: of the seeds, in proportion to their first probabilities.
      pieces: entries wanted; fewer if the seeds are fewer or the data need no more.
    """
    tokens = BYTES + seeds
    in_bytes = np.bincount(words.data, np.repeat(count_P, np.diff(words.start_W)), minlength=256)
    expected_V = np.concatenate([in_bytes + 1, weight_N]).astype(np.float64)
    score_V = _log_probabilities(expected_V)
    while len(tokens) > pieces:
        for _ in range(config.rounds):
            expected_V = _expected(tokens, score_V, words, count_P)
            least = np.sort(expected_V[256:])[::-1][pieces - 257] if pieces > 256 else np.inf
            tokens, expected_V = _kept(tokens, expected_V, expected_V >= min(0.5, least))
            score_V = _log_probabilities(expected_V)
        size = max(pieces, int(config.keep * len(tokens)))
        loss_V = _losses(tokens, score_V, expected_V)
        keep_V = np.zeros(len(tokens), bool)
        keep_V[256 + np.argsort(-loss_V[256:], kind="stable")[: size - 256]] = True
        tokens, expected_V = _kept(tokens, expected_V, keep_V)
        score_V = _log_probabilities(expected_V)
    for _ in range(config.rounds):
        score_V = _log_probabilities(_expected(tokens, score_V, words, count_P))
    order = 256 + np.argsort(-score_V[256:], kind="stable")
    tokens = BYTES + [tokens[v] for v in order.tolist()]
    score_V = score_V[np.concatenate([np.arange(256), order])]
    return tokens, Unigram(tokens, score_V)


def _expected(tokens: list[bytes], score_V, words: Words, count_P) -> np.ndarray:
    longest = max(map(len, tokens))
    return lattice.expected_counts(words, count_P, hash_trie.build(tokens), score_V, longest)


def _log_probabilities(expected_V: np.ndarray) -> np.ndarray:
    from scipy.special import digamma

    expected_V = np.maximum(expected_V, 0.5)
    return digamma(expected_V) - digamma(expected_V.sum())


def _kept(tokens, expected_V, keep_V):
    keep_V = keep_V.copy()
    keep_V[:256] = True
    tokens = [token for token, keep in zip(tokens, keep_V.tolist(), strict=True) if keep]
    return tokens, expected_V[keep_V]


def _losses(tokens: list[bytes], score_V: np.ndarray, expected_V: np.ndarray) -> np.ndarray:
    """Nats that the data would cost more without each entry; of bytes, which stay, 0."""
    words = pretokens.split(Pretokens(whole=True), tokens)
    without_V = np.arange(len(tokens))
    without_V[:256] = -1
    other_V = lattice.best_scores(words, hash_trie.build(tokens), score_V, without_V)
    return expected_V * (score_V - other_V)
