"""An equal-info codebook trained on text, its n-gram in the regime it is used in.

A window's first byte is not a byte from anywhere in the text: windows begin where the codebook
ended the one before, often between words. So the counts are taken where windows begin; that
changes the codebook and with it the windows, so it is done again, a few times. On held-out English
this gains about 2.5 % over counting at every position (the paper's way).
"""

from collections.abc import Callable, Iterable

import numpy as np

from research.codecs.byte_models import ngram_counts
from research.codecs.byte_models.ngram import NGramModel
from research.codecs.codebook.build import compile_codebook
from research.codecs.codebook.codebook import CodebookCodec


def train_codebook(
    documents: Iterable[bytes],
    window_bits: int = 16,
    *,
    beta: int | None = None,
    order: int = 7,
    longest: int = 24,
    rounds: int = 3,
    smoothing: str = "discount",
    max_bytes: int | None = None,
    name: str | None = None,
    progress: Callable[[int, CodebookCodec], None] | None = None,
) -> tuple[CodebookCodec, NGramModel]:
    """The point + delay codebook of an n-gram that is trained on `documents`.

    Args:
      beta: precision of the frequencies; by default as many bits as the window has.
      order: context of the first model, which counts at every position.
      longest: bytes of the longest string that the later models count from a window's start.
      rounds: how often to encode, count at the windows' starts, and compile; 0 is the paper's way.
      max_bytes: stop reading after so many bytes.
      progress: called with (round, codec) after each round.

    Returns:
      (codec, its byte model)
    """
    beta = window_bits if beta is None else beta
    data, offsets = ngram_counts.join(documents, max_bytes)
    starts: np.ndarray | None = None
    for number in range(rounds + 1):
        # A string with less than half a code's share of the windows is hardly ever an inner node.
        total = len(data) if starts is None else len(starts)
        counts = ngram_counts.count(
            data,
            offsets,
            depth=order + 1 if starts is None else longest,
            min_count=2,
            min_context=max(2, total >> (window_bits + 1)),
            starts=starts,
        )
        model = NGramModel(counts, beta, smoothing)
        codec = compile_codebook(model, window_bits, name=name)
        if progress is not None:
            progress(number, codec)
        if number < rounds:
            starts = codec.token_starts(data, offsets)
    return codec, model
