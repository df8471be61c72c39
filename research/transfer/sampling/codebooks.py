"""A shipped equal-info codebook as a sampled tokenizer: all of its strings, or some."""

import functools

import numpy as np

from research import codecs
from research.transfer.sampling.config import Codebook
from research.transfer.sampling.segmenters import BYTES, LongestMatch


def sample(
    config: Codebook, pieces: int, rng: np.random.Generator
) -> tuple[list[bytes], LongestMatch]:
    """Entries (the bytes, then `pieces` - 256 strings drawn without weights) and longest match.

    Args:
      pieces: entries wanted; all strings of the codebook if it has no more.
      rng: of this tokenizer alone.
    """
    longer = _longer(config.name)
    size = min(pieces - 256, len(longer))
    chosen = np.sort(rng.choice(len(longer), size, replace=False))
    tokens = BYTES + [longer[number] for number in chosen.tolist()]
    return tokens, LongestMatch(tokens)


@functools.cache
def _longer(name: str) -> list[bytes]:
    return [token for token in codecs.load(name).token_bytes() if len(token) > 1]
