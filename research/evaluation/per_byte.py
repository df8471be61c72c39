"""What a byte of text costs a model, in bits and in FLOPs.

Bits per byte are sums of nats over sums of bytes, never a mean of ratios. FLOPs are counted as the
paper does (arXiv 2404.03626, section 4.5, Table 15).
"""

import math

import numpy as np

LOST_BYTE_BITS = 8.0  # what it costs to send, apart, one byte that a lossy codec cannot give back

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
    """Bits per byte when every byte that the codec loses is sent apart, 8 bits each.

    `lost_share` is what `research.codecs.unrecoverable` measures.
    """
    return value + LOST_BYTE_BITS * lost_share


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
