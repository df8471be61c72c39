"""What a byte of text costs a model, in bits and in FLOPs, and how many bytes a codec loses.

Bits per byte are sums of nats over sums of bytes, never a mean of ratios. FLOPs are counted as the
paper does (arXiv 2404.03626, section 4.5, Table 15).
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from research.codecs.protocol import Codec
from research.tokenizers.text_spans import as_bytes

_PART = 1 << 14  # bytes of text that are aligned with what was decoded at once

NOMINAL_PARAMETERS = {"3m": 3e6, "25m": 25e6, "113m": 113e6, "403m": 403e6, "2b": 2e9}
"""The sizes' names as numbers: what the paper's columns are computed from."""

M1_FLOPS_PER_BYTE = 2 * NOMINAL_PARAMETERS["3m"]
"""The paper's M1, run once for each byte: added for AC and equal-info windows, and only there."""


def bits_per_byte(nats: float, num_bytes: int) -> float:
    """Bits per byte of the original text.

    Args:
      nats: sum of -ln p over every token of the stream, end-of-document tokens included.
      num_bytes: bytes of the original text; special tokens stand for none.

    Raises:
      ValueError: without a byte to divide by.
    """
    if num_bytes <= 0:
        raise ValueError("bits per byte needs at least one byte of text")
    return float(nats) / math.log(2) / num_bytes


def with_lost_bytes(value: float, lost_share: float) -> float:
    """Bits per byte when every byte that the codec loses (`unrecoverable_share`) is sent apart, 8
    bits each."""
    return value + 8.0 * lost_share


def uniform_bits_per_byte(vocab_size: int, ratio: float) -> float:
    """What a model pays that knows nothing: log2 V bits a token, `ratio` bytes a token."""
    return math.log2(vocab_size) / ratio


def unigram_bits_per_byte(train_ids: np.ndarray, ids: np.ndarray, vocab_size: int,
                          num_bytes: int) -> float:
    """Cross-entropy of `ids` under add-one counts of `train_ids`, per byte of their text.

    Args:
      train_ids: integer [N], the ids that are counted.
      ids: integer [M], the ids that are paid for; they stand for `num_bytes` bytes.
    """
    counts_V = np.bincount(train_ids, minlength=vocab_size).astype(np.float64) + 1.0
    if len(counts_V) > vocab_size:
        raise ValueError(f"an id reaches {len(counts_V) - 1}, the vocabulary ends at {vocab_size}")
    nats_V = math.log(counts_V.sum()) - np.log(counts_V)
    paid_V = np.bincount(ids, minlength=vocab_size)
    return bits_per_byte(float(nats_V @ paid_V), num_bytes)


def flops_per_byte(parameters: float, ratio: float, m1_flops: float = 0.0) -> float:
    """Forward FLOPs for each byte of text.

    Args:
      parameters: kernels of M2 without its embeddings; a multiply and an add each.
      ratio: bytes of text for each token of M2.
      m1_flops: FLOPs of M1 for each byte, 0 where a codec needs no M1 at run time.
    """
    if ratio <= 0:
        raise ValueError("the ratio (bytes per token) must be positive")
    return 2.0 * parameters / ratio + m1_flops


def unrecoverable_share(codec: Codec, texts: Iterable[bytes | str]) -> float:
    """Bytes of `texts` that decode(encode(text)) does not give back, over all bytes; in [0, 1].

    A byte is given back if it is part of a longest common subsequence of the text and what was
    decoded, taken over parts of 16 kB (cut at white space). No bytes at all: 0.
    """
    total = recovered = 0
    for text in texts:
        parts = list(_parts(as_bytes(text)))
        for part, decoded in zip(parts, codec.decode(codec.encode(parts)), strict=True):
            total += len(part)
            recovered += common_subsequence_length(part, decoded)
    return (total - recovered) / total if total else 0.0


def common_subsequence_length(a: bytes, b: bytes) -> int:
    """Length of the longest common subsequence, by the bit-parallel row update.

    Bit i of the row is 0 where the length grows at a[i] (Hyyro 2004); len(b) steps on integers
    of len(a) bits.
    """
    places: dict[int, int] = {}
    for position, byte in enumerate(a):
        places[byte] = places.get(byte, 0) | 1 << position
    full = (1 << len(a)) - 1
    row = full
    for byte in b:
        matched = row & places.get(byte, 0)
        row = ((row + matched) | (row - matched)) & full
    return len(a) - row.bit_count()


def _parts(data: bytes) -> Iterator[bytes]:
    start = 0
    while len(data) - start > _PART:
        end = max(data.rfind(mark, start + 1, start + _PART + 1) for mark in (b"\n", b" "))
        end = end if end > start else start + _PART
        yield data[start:end]
        start = end
    yield data[start:]
