"""Windows of held-out sequences: perplexity, its spread, and loss by seen and new ids.

And what stands under the models (`floors_of`): in-context n-grams, compressors, uniform, and the
key. No floor has seen any other text. The n-grams and the uniform distribution know how many ids
there are, BOS and EOS (which do not occur) left out.
"""

import math
from typing import Literal, NamedTuple

import numpy as np

from experiments.lexinvariant.perplexity_curves import STARTS
from experiments.shared.tables import Row
from research.codecs.protocol import Codec
from research.errors import UsageError
from research.lexinvariance import baselines, ngrams
from research.training.data.token_store import TokenStore

ORDER = "n-gram, order "
UNIFORM = "uniform"
NEW_ALONE = "new ids alone"
"""ln(V - k) at ids that have not occurred, nothing at others: an exactly lexinvariant model gives
all ids that have not occurred the same probability, so none can be below this anywhere."""
KEY = "learned + key"
"""The learned model's loss and, at new ids, ln(V - k): a key, told as it is needed. The ideal
lexinvariant counterpart of the learned model loses no more than this from the start up to any
position, on every sequence (so also in the first window; later windows may differ)."""


class Sequences(NamedTuple):
    """What every model and floor is evaluated on."""

    ids_NxL: np.ndarray
    """int32, without BOS and EOS."""
    vocab_size: int
    """Ids of the codec, BOS and EOS not counted."""
    codec: Codec
    """Gives their text."""
    starts: tuple[int, ...]
    """The first positions of windows, from 1, of STARTS those whose windows fit."""
    window: int
    """Positions of a window."""

    @classmethod
    def of(cls, store: TokenStore, codec: Codec, config, length: int) -> "Sequences":
        """config.num_sequences of the store's text, without EOS, spread evenly over it.

        Fewer, if the text has no more.

        Raises:
          UsageError: if it has not one, or the sequences are shorter than a window.
        """
        text_T = store.ids[store.ids < codec.vocab_size]
        rows_NxL = text_T[: len(text_T) // length * length].reshape(-1, length)
        if not len(rows_NxL):
            raise UsageError(f"the validation text has no {length} ids: raise valid_bytes")
        if length < config.window:
            raise UsageError(f"sequences of {length} have no window of {config.window}")
        count = min(config.num_sequences, len(rows_NxL))
        chosen_N = np.arange(count) * len(rows_NxL) // count
        starts = tuple(start for start in STARTS if start - 1 + config.window <= length)
        return cls(rows_NxL[chosen_N].astype(np.int32), codec.vocab_size, codec, starts,
                   config.window)


def row_of(
    sequences: Sequences, nats: np.ndarray, standard_NxL: np.ndarray | None
) -> Row:
    """A row's figures.

    Args:
      nats: of positions, [N, L]; or sums over each window, [N, windows], which say nothing of
        single ids.
      standard_NxL: the learned model's nats, for excess_bits.
    """
    starts, window = sequences.starts, sequences.window
    by_position = nats.shape == sequences.ids_NxL.shape
    sums_NxW = nats
    if by_position:
        sums_NxW = np.stack(
            [nats[:, start - 1 : start - 1 + window].sum(axis=1) for start in starts], axis=1
        )
    perplexity_NxW = np.exp(sums_NxW / window)
    row: Row = {
        f"start {start}": float(perplexity_NxW[:, index].mean())
        for index, start in enumerate(starts)
    }
    row["spread_first"] = float(perplexity_NxW[:, 0].std())
    row["spread_last"] = float(perplexity_NxW[:, -1].std())
    row["nats_last"] = float(sums_NxW[:, -1].mean() / window)
    row["sequences"] = len(nats)
    if not by_position:
        return row
    new_NxL = baselines.novel(sequences.ids_NxL)
    row["nats"] = float(nats.mean())
    row["nats_seen"] = float(nats[~new_NxL].mean())
    row["nats_new"] = float(nats[new_NxL].mean())
    if standard_NxL is not None:
        excess_N = (nats - standard_NxL).sum(axis=1) / math.log(2)
        row["excess_bits"] = float(excess_N.mean())
    return row


def floors_of(config, sequences: Sequences) -> dict[str, np.ndarray]:
    """Name -> nats of positions [N, L]; of compressors, sums over each window [N, windows]."""
    ids_NxL, vocab_size = sequences.ids_NxL, sequences.vocab_size
    by_order = ngrams.nats(ids_NxL, vocab_size=vocab_size, order=config.order)
    floors = {f"{ORDER}{order}": nats_NxL for order, nats_NxL in enumerate(by_order)}
    for method in baselines.COMPRESSORS:
        floors[method] = _compressed(sequences, method)
    floors[UNIFORM] = np.full(ids_NxL.shape, math.log(vocab_size))
    floors[NEW_ALONE] = baselines.key_nats(ids_NxL, vocab_size=vocab_size)
    return floors


def _compressed(sequences: Sequences, method: Literal["gzip", "xz"]) -> np.ndarray:
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
