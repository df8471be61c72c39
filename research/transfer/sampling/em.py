"""A trained Unigram (Kudo 2018): seed entries, expectation-maximisation, pruning.

Pretokens with their counts are the data. A round: expected counts of all entries over all
segmentations (forward-backward), then probabilities by digamma (a Dirichlet prior's posterior
mean of the logarithm, as sentencepiece does); entries with an expected count below 1/2 go. Pruning
keeps the entries whose loss would lower the likelihood the most, going by each entry's count and
by its best segmentation without itself, until V are left.
"""

import numpy as np

from research.codecs.compiled import compiled
from research.transfer.sampling import edges
from research.transfer.sampling.config import UnigramEM
from research.transfer.sampling.counting import Counts
from research.transfer.sampling.pretokens import Words
from research.transfer.sampling.segmenters import Unigram
from research.transfer.sampling.substrings import best

_BYTES = [bytes((byte,)) for byte in range(256)]


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
    tokens = _BYTES + seeds
    in_bytes = np.bincount(words.data, np.repeat(count_P, np.diff(words.start_W)), minlength=256)
    expected_V = np.concatenate([in_bytes + 1, weight_N]).astype(np.float64)
    score_V = _log_probabilities(expected_V)
    while len(tokens) > pieces:
        for _ in range(config.rounds):
            expected_V = expected(Unigram(tokens, score_V), words, count_P)
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
        score_V = _log_probabilities(expected(Unigram(tokens, score_V), words, count_P))
    order = 256 + np.argsort(-score_V[256:], kind="stable")
    tokens = _BYTES + [tokens[v] for v in order.tolist()]
    score_V = score_V[np.concatenate([np.arange(256), order])]
    return tokens, Unigram(tokens, score_V)


def expected(model: Unigram, words: Words, count_P: np.ndarray) -> np.ndarray:
    """Expected count of each entry over all segmentations of the pretokens, float64 [V]."""
    longest = int(np.diff(words.start_W).max(initial=0)) + 1
    expected_V = np.zeros(len(model.score_V))
    compiled(_forward_backward)(
        words.data, words.start_W, count_P, *model.edges, model.score_V,
        np.empty(longest), np.empty(longest), expected_V,
    )
    return expected_V


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
    """Nats that the data would cost more without each entry; bytes are never asked for."""
    blob = np.frombuffer(b"".join(tokens), np.uint8)
    start_V = np.concatenate([[0], np.cumsum([len(token) for token in tokens])])
    other_V = np.empty(len(tokens))
    longest = int(np.diff(start_V).max())
    compiled(_without)(
        blob, start_V, *edges.build(tokens), score_V, np.empty(longest + 1), other_V
    )
    return expected_V * (score_V - other_V)


def _forward_backward(
    data, start_W, count_P, key_E, node_E, id_E, id_of_byte, score_V,
    forward, backward, expected_V,
):
    mask = len(key_E) - 1
    for w in range(len(start_W) - 1):
        begin, size = start_W[w], start_W[w + 1] - start_W[w]
        for i in range(size + 1):
            forward[i] = backward[i] = -np.inf
        forward[0] = backward[size] = 0.0
        # Forward, backward, then what each entry has of the whole: the same walk three times.
        for turn in range(3):
            for step in range(size):
                i = size - 1 - step if turn == 1 else step
                byte = np.int64(data[begin + i])
                node, id_ = 1 + byte, np.int64(id_of_byte[byte])
                for j in range(i + 1, size + 1):
                    if id_ >= 0 and turn == 0:
                        a, b = forward[j], forward[i] + score_V[id_]
                        forward[j] = max(a, b) + np.log1p(np.exp(min(a, b) - max(a, b)))
                    elif id_ >= 0 and turn == 1:
                        a, b = backward[i], backward[j] + score_V[id_]
                        backward[i] = max(a, b) + np.log1p(np.exp(min(a, b) - max(a, b)))
                    elif id_ >= 0:
                        share = forward[i] + score_V[id_] + backward[j] - forward[size]
                        expected_V[id_] += count_P[w] * np.exp(share)
                    if j == size:
                        break
                    key = (node << 8) | np.int64(data[begin + j])
                    cell = ((key * 0x9E3779B1) >> 15) & mask
                    while key_E[cell] >= 0 and key_E[cell] != key:
                        cell = (cell + 1) & mask
                    if key_E[cell] < 0:
                        break
                    node, id_ = np.int64(node_E[cell]), np.int64(id_E[cell])


def _without(blob, start_V, key_E, node_E, id_E, id_of_byte, score_V, best, other_V):
    """The best score of each entry's bytes by other entries; of a byte its own."""
    mask = len(key_E) - 1
    for v in range(len(start_V) - 1):
        begin, size = start_V[v], start_V[v + 1] - start_V[v]
        best[0] = 0.0
        for i in range(1, size + 1):
            best[i] = -np.inf
        for i in range(size):
            byte = np.int64(blob[begin + i])
            node, id_ = 1 + byte, np.int64(id_of_byte[byte])
            for j in range(i + 1, size + 1):
                if id_ >= 0 and (id_ != v or size == 1):
                    best[j] = max(best[j], best[i] + score_V[id_])
                if j == size:
                    break
                key = (node << 8) | np.int64(blob[begin + j])
                cell = ((key * 0x9E3779B1) >> 15) & mask
                while key_E[cell] >= 0 and key_E[cell] != key:
                    cell = (cell + 1) & mask
                if key_E[cell] < 0:
                    break
                node, id_ = np.int64(node_E[cell]), np.int64(id_E[cell])
        other_V[v] = best[size]
