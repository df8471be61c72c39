"""Every kind of sampled tokenizer: a function that gives entries and what finds them in a text.

`sample_substrings` is the paper's (section 3.2; zett 1.3): a substring's probability is its count x
length, divided by the sum over all substrings of the queue, plus Gaussian noise of a deviation
drawn for each tokenizer. The best are its entries, their probabilities its Unigram scores; nothing
is trained. The probabilities of the entries are made to sum to 1, which zett leaves out: strong
noise would give some of them more than 1. The noise of a string is a function of (seed, step,
string): whatever order the strings came in, the tokenizer is the same.

`train_unigram` (Kudo 2018): seed entries, expectation-maximisation, pruning. Pretokens with their
counts are the data. A round: expected counts of all entries over all segmentations
(forward-backward), then probabilities by digamma (a Dirichlet prior's posterior mean of the
logarithm, as sentencepiece does); entries with an expected count below 1/2 go. Pruning keeps the
entries whose loss would lower the likelihood the most, going by each entry's count and by its best
segmentation without itself, until V are left.

`train_bpe` and `train_wordpiece` use `tokenizers`.

`sample_codebook`: all strings of a shipped equal-info codebook, or coarser windows. A codebook's
strings in order are windows of about equal probability, so that neighbours together are a window of
fewer bits, and what they begin with alike is its string. Cuts at random places give codebooks of
any size, each another one. (Strings drawn one by one would leave the longest match with tokens of
two bytes.)
"""

import functools
import json
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from research import codecs
from research.errors import UsageError
from research.tokenizers.tokenizer_json import byte_alphabet
from research.transfer.sampling import lattice, pretokens
from research.transfer.sampling.config import Codebook, Pretokens, Substrings, UnigramEM
from research.transfer.sampling.counting import Counts, mixed
from research.transfer.sampling.pretokens import Words
from research.transfer.sampling.sampled_tokenizer import BYTES, LongestMatch, Merges, Unigram

_HALF = 2.0**-54  # half a step of the uniform numbers: they are never 0 or 1
_FEWER = 0.9  # of the cuts, where they gave too many strings


def sample_substrings(
    config: Substrings, counts: Counts, pieces: int, rng: np.random.Generator
) -> tuple[list[bytes], Unigram]:
    """Entries (the 256 bytes, then the best strings, best first) and their scores.

    Strings that noise left without probability, and bytes that were not counted, get the
    smallest probability that an entry has.

    Args:
      counts: of the queue.
      pieces: entries wanted; fewer if the queue has fewer strings.
      rng: of this tokenizer alone.
    """
    sigma = draw_sigma(config, rng)
    key = rng.integers(1 << 64, dtype=np.uint64)
    live_N = counts.live()
    weight_N = weights(config, counts, live_N)
    p_N = weight_N / max(1, int(weight_N.sum()))
    hash_N = counts.strings.hash_S[live_N]
    p_N = p_N + sigma * noise(hash_N, key) if sigma else p_N
    single_N = counts.strings.length_S[live_N] == 1
    longer_M = np.flatnonzero(~single_N)
    chosen_M = longer_M[best(p_N[longer_M], hash_N[longer_M], pieces - 256)]
    p_V = np.concatenate([np.zeros(256), p_N[chosen_M]])
    first_N = counts.blob[counts.strings.start_S[live_N[single_N]]]
    p_V[first_N] = p_N[single_N]
    positive_V = p_V > 0
    p_V[~positive_V] = p_V[positive_V].min(initial=1.0)
    tokens = BYTES + counts.bytes_of(live_N[chosen_M])
    return tokens, Unigram(tokens, np.log(p_V / p_V.sum()))


def draw_sigma(config: Substrings, rng: np.random.Generator) -> float:
    """The deviation of the noise of one tokenizer."""
    z = rng.standard_normal()
    return config.noise_median * float(np.exp(config.noise_spread * z))


def weights(config: Substrings, counts: Counts, number_N: np.ndarray) -> np.ndarray:
    """Count x length of these substrings, int64.

    Raises:
      UsageError: a length in neither characters nor bytes.
    """
    lengths = {"characters": counts.characters_S, "bytes": counts.strings.length_S}
    if config.length not in lengths:
        raise UsageError(f"substrings are measured in characters or bytes, not {config.length!r}")
    return counts.counts_S[number_N] * lengths[config.length][number_N].astype(np.int64)


def noise(hash_N: np.ndarray, key: np.uint64) -> np.ndarray:
    """One draw of a standard normal for each string, float64."""
    from scipy.special import ndtri

    uniform_N = (mixed(hash_N ^ key) >> np.uint64(11)) * 2.0**-53 + _HALF
    return ndtri(uniform_N)


def best(value_N: np.ndarray, hash_N: np.ndarray, size: int) -> np.ndarray:
    """Indices of the `size` largest values, largest first; of equal ones the smaller hash."""
    size = min(max(size, 0), len(value_N))
    if size == 0:
        return np.zeros(0, np.int64)
    least = np.partition(value_N, len(value_N) - size)[len(value_N) - size]
    above_N = np.flatnonzero(value_N > least)
    equal_N = np.flatnonzero(value_N == least)
    equal_N = equal_N[np.argsort(hash_N[equal_N], kind="stable")][: size - len(above_N)]
    chosen_N = np.concatenate([above_N, equal_N])
    return chosen_N[np.lexsort((hash_N[chosen_N], -value_N[chosen_N]))]


def unigram_seeds(counts: Counts, size: int) -> tuple[list[bytes], np.ndarray]:
    """The `size` substrings of two bytes or more with the largest count x characters, and that."""
    live_N = counts.live()
    live_N = live_N[counts.strings.length_S[live_N] > 1]
    weight_N = counts.counts_S[live_N] * counts.characters_S[live_N].astype(np.int64)
    chosen_M = best(weight_N, counts.strings.hash_S[live_N], size)
    return counts.bytes_of(live_N[chosen_M]), weight_N[chosen_M]


def train_unigram(
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
    return lattice.expected_counts(words, count_P, lattice.build_trie(tokens), score_V, longest)


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
    other_V = lattice.best_scores(words, lattice.build_trie(tokens), score_V, without_V)
    return expected_V * (score_V - other_V)


def train_bpe(texts: Iterable[bytes], cut: Pretokens, pieces: int) -> tuple[list[bytes], Merges]:
    """Entries (the bytes, then what was merged, in order) and the merges.

    Bytes that are not UTF-8 are left out of training; fewer entries if the texts run out.

    Args:
      pieces: entries wanted.
    """
    learned = bpe_model(texts, cut, pieces)
    of_byte = byte_alphabet()
    strings = {
        token: bytes(of_byte[character] for character in token) for token in learned["vocab"]
    }
    tokens = list(BYTES)
    ids = {strings[token]: strings[token][0] for token in strings if len(token) == 1}
    left_M, right_M, merged_M = [], [], []
    for left, right in learned["merges"]:
        merged = strings[left] + strings[right]
        if merged not in ids:  # another pair may have made the same string before
            ids[merged] = len(tokens)
            tokens.append(merged)
        left_M.append(ids[strings[left]])
        right_M.append(ids[strings[right]])
        merged_M.append(ids[merged])
    merges = (np.array(part, np.int32) for part in (left_M, right_M, merged_M))
    return tokens, Merges(*merges)


def train_wordpiece(
    texts: Iterable[bytes], cut: Pretokens, pieces: int
) -> tuple[list[bytes], LongestMatch]:
    """Entries of `train_bpe`, and the longest match in them.

    WordPiece's trainer in `tokenizers` is that of BPE; here an entry stands for the same bytes
    at a word's start and inside it.
    """
    tokens, _ = train_bpe(texts, cut, pieces)
    return tokens, LongestMatch(tokens)


def bpe_model(texts: Iterable[bytes], cut: Pretokens, pieces: int) -> dict:
    """What `tokenizers` learned: the model part of a tokenizer.json."""
    from tokenizers import Regex, Tokenizer, models, trainers
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

    tokenizer = Tokenizer(models.BPE())
    split = Split(Regex(pretokens.pattern(cut)), "isolated")
    tokenizer.pre_tokenizer = Sequence([split, ByteLevel(add_prefix_space=False, use_regex=False)])
    trainer = trainers.BpeTrainer(
        vocab_size=pieces,
        initial_alphabet=sorted(byte_alphabet()),
        special_tokens=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator((text.decode("utf-8", "ignore") for text in texts), trainer)
    return json.loads(tokenizer.to_str())["model"]


def sample_codebook(
    config: Codebook, pieces: int, rng: np.random.Generator
) -> tuple[list[bytes], LongestMatch]:
    """Entries (the bytes, then at most `pieces` - 256 strings) and longest match.

    Args:
      pieces: entries wanted; all strings of the codebook if it has no more. What coarser windows
        leave is filled with strings drawn without weights.
      rng: of this tokenizer alone.
    """
    strings = _strings(config.name)
    longer = [string for string in strings if len(string) > 1]
    size = min(pieces - 256, len(longer))
    if size == len(longer):
        chosen = longer
    else:
        coarser = _coarser(strings, size, rng)
        others = [string for string in longer if string not in coarser]
        drawn = rng.choice(len(others), size - len(coarser), replace=False)
        chosen = sorted(coarser.union(others[number] for number in drawn.tolist()))
    tokens = BYTES + chosen
    return tokens, LongestMatch(tokens)


def _coarser(strings: list[bytes], size: int, rng: np.random.Generator) -> set[bytes]:
    """At most `size` strings of two bytes or more, of windows between random cuts."""
    cuts = min(2 * size, len(strings) - 1)
    while True:
        at = np.sort(rng.choice(len(strings) - 1, cuts, replace=False)) + 1
        starts, ends = [0, *at.tolist()], [*at.tolist(), len(strings)]
        beginnings: set[Any] = {
            os.path.commonprefix([strings[start], strings[end - 1]])
            for start, end in zip(starts, ends, strict=True)
        }
        beginnings = {string for string in beginnings if len(string) > 1}
        if len(beginnings) <= size:
            return beginnings
        cuts = int(_FEWER * cuts)


@functools.cache
def _strings(name: str) -> list[bytes]:
    return sorted(codecs.load(name).token_bytes() or ())
