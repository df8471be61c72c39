"""What any model of a text can be measured against: compressors and the price of a key.

All in bits. The in-context n-grams are in `ngrams.py`.
"""

import lzma
import math
import zlib
from collections.abc import Sequence
from typing import Literal

import numpy as np

from research.errors import UsageError

COMPRESSORS = ("gzip", "xz")


def key_bits(alphabet: int, seen: int) -> float:
    """log2(d! / (d - k)!): the most that lexinvariance can cost on a sequence with k of d symbols.

    The ideal lexinvariant model of a source is a mixture over all renamings of it, and (d - k)! of
    the d! agree with the right one on the symbols that occur. 26 of 26 letters: 88.4 bits.

    Raises:
      UsageError: unless 0 <= k <= d.
    """
    if not 0 <= seen <= alphabet:
        raise UsageError(f"{seen} different symbols do not fit an alphabet of {alphabet}")
    return (math.lgamma(alphabet + 1) - math.lgamma(alphabet - seen + 1)) / math.log(2)


def novel(ids_BxL: np.ndarray) -> np.ndarray:
    """True where an id occurs for the first time in its row, bool [B, L]."""
    novel_BxL = np.zeros(np.shape(ids_BxL), bool)
    for row, ids_L in enumerate(ids_BxL):
        novel_BxL[row, np.unique(ids_L, return_index=True)[1]] = True
    return novel_BxL


def key_nats(ids_BxL: np.ndarray, *, vocab_size: int) -> np.ndarray:
    """The price of the key where it is paid: ln(V - k) at each novel id, else 0, float64 [B, L].

    k: ids that occurred before. Sums to `key_bits` * ln 2. An exactly lexinvariant model gives
    all ids that have not occurred the same probability, so none can have a smaller loss there.
    """
    novel_BxL = novel(ids_BxL)
    before_BxL = np.cumsum(novel_BxL, axis=1) - novel_BxL
    return np.where(novel_BxL, np.log(np.maximum(vocab_size - before_BxL, 1)), 0.0)


def compressed_bits(texts: Sequence[bytes], method: Literal["gzip", "xz"]) -> np.ndarray:
    """The size of each text on its own, float64 [N].

    The compressors' streams without the container: gzip's is raw Deflate at level 9, xz's raw
    LZMA at its highest preset (of a dictionary of 64 KiB). So a prefix's size can be taken from
    a longer one's, to the byte.

    Raises:
      UsageError: if there is no such compressor.
    """
    if method not in COMPRESSORS:
        raise UsageError(f"no compressor {method!r}: one of {', '.join(COMPRESSORS)}")
    size = _deflated if method == "gzip" else _lzma
    return np.array([8.0 * size(text) for text in texts])


def _deflated(text: bytes) -> int:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return len(compressor.compress(text) + compressor.flush())


def _lzma(text: bytes) -> int:
    filters = [{"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 16}]
    return len(lzma.compress(text, format=lzma.FORMAT_RAW, filters=filters))
