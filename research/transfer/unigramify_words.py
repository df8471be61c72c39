"""Pretokens and what a tokenizer makes of them, in numbers of its different strings."""

from typing import NamedTuple

import numpy as np

from research.numba_jit import compiled
from research.tokenizers import trie as tries
from research.tokenizers.file_tokenizer import FileTokenizer
from research.tokenizers.protocol import Pieces
from research.transfer.sampling.pretokens import Words
from research.transfer.sampling.segmenters import Unigram


class Pretokens(NamedTuple):
    """Different strings with their counts.

    Attributes:
      words: the strings, each a text of its own.
      count_W: int64.
      wanted: the pieces that the original makes of each, as numbers of `Entries.tokens`.
    """

    words: Words
    count_W: np.ndarray
    wanted: Pieces


class Entries:
    """The different strings of a tokenizer (its `match_bytes`), numbered.

    Attributes:
      number_V: int64, the number of each id's string; -1 for special ids.
      size: strings that entries have. Single bytes that are none come after them.
      tokens: all strings.
    """

    def __init__(self, tokenizer: FileTokenizer):
        number: dict[bytes, int] = {}
        match = tokenizer.match_bytes()
        self.number_V = np.full(len(match), -1, np.int64)
        for id_ in np.flatnonzero(~tokenizer.special_V).tolist():
            self.number_V[id_] = number.setdefault(match[id_], len(number))
        self.size = len(number)
        for byte in range(256):
            number.setdefault(bytes([byte]), len(number))
        self.tokens = list(number)

    def pretokens(self, pieces: Pieces, count_W: np.ndarray, most: int | None) -> Pretokens:
        """The first `most` pretokens without special or unknown ids (None: all)."""
        number_N = np.append(self.number_V[pieces.ids_N], 0)
        known_W = np.minimum.reduceat(number_N, pieces.start_T[:-1]) >= 0
        kept_W = np.flatnonzero(known_W & (pieces.counts_T > 0))[:most]
        wanted = Pieces(number_N[:-1].astype(np.int32), pieces.start_T).take(kept_W)
        length_N = np.array([len(token) for token in self.tokens], np.int64)[wanted.ids_N]
        end_N = np.concatenate([[0], np.cumsum(length_N)])
        data = b"".join([self.tokens[n] for n in wanted.ids_N.tolist()])
        words = Words(
            np.frombuffer(data, np.uint8), end_N[wanted.start_T], np.arange(len(kept_W) + 1)
        )
        return Pretokens(words, count_W[kept_W], wanted)

    def prior(self, known: Pretokens) -> np.ndarray:
        """Log share of each string among all substrings of the pretokens that are entries.

        float64 [N]. One that never occurs counts half; bytes that are no entries stay far below
        every path of entries.
        """
        count_N = np.zeros(len(self.tokens), np.int64)
        packed = tries.build(self.tokens).packed
        compiled(_occurrences)(known.words.data, known.words.start_W, known.count_W, *packed,
                               count_N)  # fmt: skip
        shares_N = np.maximum(count_N, 0.5) / np.maximum(count_N[: self.size], 0.5).sum()
        score_N = np.log(shares_N)
        score_N[self.size :] = _NEVER
        return score_N

    def best_paths(self, known: Pretokens, score_N: np.ndarray) -> Pieces:
        """What a Unigram with these scores makes of the pretokens."""
        ids_N, count_W = Unigram(self.tokens, score_N).segment(known.words)
        return Pieces(ids_N, np.concatenate([[0], np.cumsum(count_W)]))

    def of_ids(self, score_N: np.ndarray) -> np.ndarray:
        """Scores of strings as scores of ids, 0 for special ones."""
        return np.where(self.number_V >= 0, score_N[self.number_V], 0.0)


# A multiple of any grid, and far below every path of entries.
_NEVER = -float(1 << 20)


def differing(wanted: Pieces, found: Pieces) -> np.ndarray:
    """bool [W]: the two segmentations of a string are not the same."""
    differ_W = wanted.counts_T != found.counts_T
    same = np.flatnonzero(~differ_W)
    one, other = wanted.take(same), found.take(same)
    row_N = np.repeat(np.arange(len(same)), one.counts_T)
    wrong_N = one.ids_N != other.ids_N
    differ_W[same[np.unique(row_N[wrong_N])]] = True
    return differ_W


def _occurrences(data, start_W, count_W, cells, pairs, singles, count_N):
    """Adds, for each entry, how often it occurs in the words, anywhere and overlapping."""
    for w in range(len(start_W) - 1):
        end = start_W[w + 1]
        for i in range(start_W[w], end):
            byte = np.int64(data[i])
            count_N[singles[byte]] += count_W[w]
            if i + 1 == end:
                continue
            cell = pairs[(byte << 8) | np.int64(data[i + 1])]
            if cell & 511 == 2:
                count_N[((cell >> 9) & 0x1FFFFFF) - 1] += count_W[w]
            for j in range(i + 2, end):
                label = np.int64(data[j])
                cell = cells[(cell >> 34) + label]
                if cell & 511 != label:
                    break
                id_ = ((cell >> 9) & 0x1FFFFFF) - 1
                if id_ >= 0:
                    count_N[id_] += count_W[w]
