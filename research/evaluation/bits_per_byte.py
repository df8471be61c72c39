"""Bits per byte: sums of nats over sums of bytes, never a mean of ratios."""

import math

import numpy as np

LOST_BYTE_BITS = 8.0  # what it costs to send, apart, one byte that a lossy codec cannot give back


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


def floor_cost_bound(beta: int, symbols: int = 256) -> float:
    """Most bits per byte that a frequency of at least one, in 2**beta, can cost.

    The floor leaves 2**beta - symbols to share out, so a sure byte costs
    -log2(1 - symbols / 2**beta): .0227 at beta = 14, .0056 at 16, .093 at 12.
    """
    return -math.log2(1.0 - symbols / 2**beta)
