"""A shipped equal-info codebook as a sampled tokenizer: all of its strings, or coarser windows.

A codebook's strings in order are windows of about equal probability, so that neighbours together
are a window of fewer bits, and what they begin with alike is its string. Cuts at random places give
codebooks of any size, each another one. (Strings drawn one by one would leave the longest match
with tokens of two bytes.)
"""

import functools
import os

import numpy as np

from research import codecs
from research.transfer.sampling.config import Codebook
from research.transfer.sampling.segmenters import BYTES, LongestMatch

_FEWER = 0.9  # of the cuts, where they gave too many strings


def sample(
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
        found = {
            os.path.commonprefix([strings[start], strings[end - 1]])
            for start, end in zip(starts, ends, strict=True)
        }
        found = {string for string in found if len(string) > 1}
        if len(found) <= size:
            return found
        cuts = int(_FEWER * cuts)


@functools.cache
def _strings(name: str) -> list[bytes]:
    return sorted(codecs.load(name).token_bytes())
