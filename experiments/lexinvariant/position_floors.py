"""What stands under the models: in-context n-grams, compressors, uniform, and the key.

No floor has seen any other text. The n-grams and the uniform distribution know how many ids there
are, BOS and EOS (which do not occur) left out.
"""

import math

import numpy as np

from experiments.lexinvariant.position_windows import Sequences
from research.lexinvariance import baselines, ngrams

ORDER = "n-gram, order "
UNIFORM = "uniform"
NEW_ALONE = "new ids alone"
"""ln(V - k) at ids that have not occurred, nothing at others: an exactly lexinvariant model gives
all ids that have not occurred the same probability, so none can be below this anywhere."""
KEY = "learned + key"
"""The learned model's loss and, at new ids, ln(V - k): a key, told as it is needed. The ideal
lexinvariant counterpart of the learned model loses no more than this from the start up to any
position, on every sequence (so also in the first window; later windows may differ)."""


def floors_of(config, sequences: Sequences) -> dict[str, np.ndarray]:
    """Name -> nats of positions [N, L]; of compressors, sums over each window [N, windows]."""
    ids_NxL, vocab_size = sequences.ids_NxL, sequences.vocab_size
    by_order = ngrams.nats(ids_NxL, vocab_size=vocab_size, order=config.order)
    found = {f"{ORDER}{order}": nats_NxL for order, nats_NxL in enumerate(by_order)}
    for method in baselines.COMPRESSORS:
        found[method] = _compressed(sequences, method)
    found[UNIFORM] = np.full(ids_NxL.shape, math.log(vocab_size))
    found[NEW_ALONE] = baselines.key_nats(ids_NxL, vocab_size=vocab_size)
    return found


def _compressed(sequences: Sequences, method: str) -> np.ndarray:
    """Growth of the compressed size over each window, in nats, [N, windows]."""
    ends = [start - 1 + sequences.window for start in sequences.starts]
    lengths = sorted({0, *ends, *(start - 1 for start in sequences.starts)})
    prefixes = [ids_L[:length] for ids_L in sequences.ids_NxL for length in lengths]
    bits = baselines.compressed_bits(sequences.codec.decode(prefixes), method)
    bits_NxP = bits.reshape(-1, len(lengths))
    column = {length: index for index, length in enumerate(lengths)}
    grown = [
        bits_NxP[:, column[end]] - bits_NxP[:, column[start - 1]]
        for start, end in zip(sequences.starts, ends, strict=True)
    ]
    return np.stack(grown, axis=1) * math.log(2)
