"""The paper's sampler: substrings by frequency x length, with noise (section 3.2; zett 1.3).

A substring's probability is its count x length, divided by the sum over all substrings of the
queue, plus Gaussian noise of a deviation drawn for each tokenizer. The best are its entries, their
probabilities its Unigram scores; nothing is trained. The probabilities of the entries are made to
sum to 1, which zett leaves out: strong noise would give some of them more than 1. The noise of a
string is a function of (seed, step, string): whatever order the strings came in, the tokenizer is
the same.
"""

import numpy as np

from research.errors import UsageError
from research.transfer.sampling.config import Substrings
from research.transfer.sampling.counting import Counts
from research.transfer.sampling.segmenters import BYTES, Unigram
from research.transfer.sampling.string_pool import mixed

_HALF = 2.0**-54  # half a step of the uniform numbers: they are never 0 or 1


def sample(
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
