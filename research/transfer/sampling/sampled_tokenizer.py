"""A tokenizer that was sampled, and the ways in which it finds its entries in pretokens.

V entries, special tokens after them, lossless on any bytes. A segmenter (the best path, the longest
match, merges) knows all 256 bytes, so that nothing is outside its vocabulary. `segment` takes
pretokens (`Words`) and gives (ids int32, counts int64 [texts]); with a `limit` a text stops there,
and no more of it is looked at than needed. `state` is what ids depend on besides the entries.
"""

import functools
import hashlib
import heapq
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from research.errors import FreevocabError
from research.numba_jit import compiled
from research.tokenizers import trie as tries
from research.tokenizers.protocol import Pieces, Tokenizer
from research.tokenizers.static_vocabulary import StaticVocabulary
from research.tokenizers.text_spans import each_as_bytes
from research.transfer.sampling import lattice, pretokens
from research.transfer.sampling.config import Pretokens
from research.transfer.sampling.lattice import Edges
from research.transfer.sampling.pretokens import Words

NO_LIMIT = 1 << 40  # tokens of a text
BYTES = [bytes((byte,)) for byte in range(256)]


class Unigram:
    """The segmentation with the largest sum of scores (Kudo 2018): `lattice.best_paths`.

    Args:
      tokens: the entries, the 256 bytes among them.
      score_V: float64, log probabilities, finite.
    """

    def __init__(self, tokens: Sequence[bytes], score_V: np.ndarray):
        self._tokens, self.score_V = tokens, np.asarray(score_V, np.float64)

    @functools.cached_property
    def _edges(self) -> Edges:
        return lattice.build_trie(self._tokens)

    def segment(self, words: Words, limit: int = NO_LIMIT) -> tuple[np.ndarray, np.ndarray]:
        """See the top of this module."""
        return lattice.best_paths(words, limit, self._edges, self.score_V)

    def state(self) -> bytes:
        """The scores."""
        return b"unigram" + self.score_V.tobytes()


class LongestMatch:
    """Always the longest entry that the pretoken goes on with: WordPiece's rule.

    Args:
      tokens: the entries, the 256 bytes among them.
    """

    def __init__(self, tokens: Sequence[bytes]):
        self._tokens = tokens

    @functools.cached_property
    def _trie(self):
        return tries.build(self._tokens)

    def segment(self, words: Words, limit: int = NO_LIMIT) -> tuple[np.ndarray, np.ndarray]:
        """See the top of this module."""
        ids_N, count_W = self._trie.encode(words.data, words.start_W)
        return _cut(ids_N, count_W, words, limit)

    def state(self) -> bytes:
        """Nothing besides the entries."""
        return b"longest"


class Merges:
    """Byte-pair encoding: the pair that was merged first in training is merged first (leftmost).

    Args:
      left_M, right_M, merged_M: int32, ids of the two parts and of the result, in order of rank.
        The ids of bytes are their values.
    """

    def __init__(self, left_M: np.ndarray, right_M: np.ndarray, merged_M: np.ndarray):
        pair_M = (left_M.astype(np.int64) << 32) | right_M
        self._rank_M = np.argsort(pair_M, kind="stable")
        self._pair_M = pair_M[self._rank_M]
        self._merged_M = merged_M.astype(np.int64)[self._rank_M]

    def segment(self, words: Words, limit: int = NO_LIMIT) -> tuple[np.ndarray, np.ndarray]:
        """See the top of this module."""
        longest = words.longest + 1
        count_T = np.empty(len(words.first_T) - 1, np.int64)
        ids_N = np.empty(words.room(limit), np.int32)
        links, changed = np.empty((4, longest), np.int64), np.empty(longest, np.int64)
        total = compiled(_merge)(
            *words, limit, self._pair_M, self._rank_M, self._merged_M,
            links, changed, ids_N, count_T,
        )
        return ids_N[:total].copy(), count_T

    def state(self) -> bytes:
        """The merges."""
        return b"merges" + self._pair_M.tobytes() + self._rank_M.tobytes()


Segmenter = Unigram | LongestMatch | Merges


def _cut(ids_N, count_W, words: Words, limit: int):
    """The first `limit` ids of each text."""
    end_W = np.concatenate([[0], np.cumsum(count_W)])
    start_T, count_T = end_W[words.first_T[:-1]], np.diff(end_W[words.first_T])
    if limit == NO_LIMIT:
        return ids_N, count_T
    cut_T = np.minimum(count_T, limit)
    place_N = np.arange(len(ids_N)) - np.repeat(start_T, count_T)
    return ids_N[place_N < np.repeat(cut_T, count_T)], cut_T


def _merge(data, start_W, first_T, limit, pair_M, rank_M, merged_M, links, changed, ids_N, count_T):
    # Rows of links: the symbol at a place, the next place, the one before, and which merge the
    # place and the next allow (-1: none). The heap holds rank << 32 | place, also of pairs that
    # are gone: these are known by their rank.
    symbol, after, before, allowed = links[0], links[1], links[2], links[3]
    total = 0
    for text in range(len(first_T) - 1):
        start = total
        for w in range(first_T[text], first_T[text + 1]):
            if total - start >= limit:
                break
            begin, size = start_W[w], start_W[w + 1] - start_W[w]
            for i in range(size):
                symbol[i], after[i], before[i] = data[begin + i], i + 1, i - 1
                changed[i] = i
            heap = [np.int64(0) for _ in range(0)]
            waiting = size
            while True:
                for n in range(waiting):
                    i = changed[n]
                    allowed[i] = -1
                    if after[i] == size:
                        continue
                    pair = (symbol[i] << 32) | symbol[after[i]]
                    low, high = 0, len(pair_M)
                    while low < high:
                        middle = (low + high) // 2
                        if pair_M[middle] < pair:
                            low = middle + 1
                        else:
                            high = middle
                    if low < len(pair_M) and pair_M[low] == pair:
                        allowed[i] = low
                        heapq.heappush(heap, (rank_M[low] << 32) | i)
                waiting, place = 0, -1
                while len(heap) > 0 and place < 0:
                    top = heapq.heappop(heap)
                    i = top & 0xFFFFFFFF
                    if allowed[i] >= 0 and rank_M[allowed[i]] == top >> 32:
                        place = i
                if place < 0:
                    break
                gone = after[place]
                symbol[place], allowed[gone] = merged_M[allowed[place]], -1
                after[place] = after[gone]
                if after[place] < size:
                    before[after[place]] = place
                changed[0], waiting = place, 1
                if before[place] >= 0:
                    changed[1], waiting = before[place], 2
            i = 0
            while i < size:
                ids_N[total] = symbol[i]
                total += 1
                i = after[i]
        total = min(total, start + limit)
        count_T[text] = total - start
    return total


class SampledTokenizer(StaticVocabulary):
    """A `research.tokenizers.Tokenizer`.

    Args:
      tokens: the entries; the first 256 are the bytes in order.
      segmenter: finds the entries in pretokens.
      pretokens: how text is cut first.
      pieces: V without special tokens; ids without an entry fill it up (they count as special).
      special: roles of the special tokens, whose ids come last.
      name: what kind it is.

    Raises:
      FreevocabError: more entries than pieces, or not the bytes first.
    """

    lossless = True
    special_names: Mapping[int, str] = {}
    files: Mapping[str, bytes] = {}

    def __init__(
        self,
        tokens: Sequence[bytes],
        segmenter: Segmenter,
        pretokens: Pretokens,
        *,
        pieces: int,
        special: Sequence[str] = ("bos", "eos"),
        name: str = "sampled",
    ):
        if len(tokens) > pieces:
            raise FreevocabError(f"{len(tokens)} entries do not fit a vocabulary of {pieces}")
        if list(tokens[:256]) != BYTES:
            raise FreevocabError("the first 256 entries of a sampled tokenizer are the bytes")
        super().__init__([*tokens, *[b""] * (pieces - len(tokens) + len(special))])
        self.name, self.pretokens, self.segmenter = name, pretokens, segmenter
        self.pieces = pieces
        self.special_V = np.arange(self.vocab_size) >= len(tokens)
        ids = {role: pieces + place for place, role in enumerate(special)}
        self.roles: Mapping[str, int] = ids

    def encode(self, texts: Sequence[bytes | str]) -> list[np.ndarray]:
        """One int32 array of ids per text; no token goes beyond its pretoken."""
        return self.encode_some(list(each_as_bytes(texts)))

    def encode_some(self, texts: Sequence[bytes], limit: int = NO_LIMIT) -> list[np.ndarray]:
        """`encode`, at most the first `limit` ids of each text."""
        words = pretokens.split(self.pretokens, texts)
        ids_N, count_T = self.segmenter.segment(words, limit)
        return np.split(ids_N, np.cumsum(count_T)[:-1]) if len(count_T) else []

    match_bytes = StaticVocabulary.token_bytes

    def decompose(self, tokens: Sequence[bytes]) -> Pieces:
        """Each string as one pretoken."""
        ids_N, count_T = self.segmenter.segment(pretokens.split(Pretokens(whole=True), tokens))
        start_T = np.concatenate([[0], np.cumsum(count_T)]).astype(np.int64)
        return Pieces(ids_N, start_T)

    def fingerprint(self) -> str:
        """Hex digest of the entries, of what finds them, and of the special tokens."""
        lengths = ",".join(str(len(token)) for token in self._tokens)
        head = f"freevocab sampled {self.pretokens} {self.pieces} {self.roles} {lengths} "
        digest = hashlib.sha256(head.encode() + b"".join(self._tokens))
        digest.update(self.segmenter.state())
        return digest.hexdigest()


class Seen:
    """Watches strings; nothing that is sampled depends on it.

    Args:
      strings: entries of all the tokenizers that will be asked for.
    """

    def __init__(self, strings: Iterable[bytes]):
        self._watched = frozenset(strings) - {b""}
        self._missing = set(self._watched)

    def add(self, tokenizer: Tokenizer) -> None:
        """A training's step has used this tokenizer."""
        self._missing.difference_update(tokenizer.token_bytes())

    @property
    def missing(self) -> frozenset[bytes]:
        """Watched strings that no tokenizer has had yet."""
        return frozenset(self._missing)

    def restore(self, missing: Iterable[bytes]) -> None:
        """Goes on from where `missing` was noted."""
        self._missing &= set(missing)

    def share(self, strings: Iterable[bytes]) -> float:
        """Share of these different strings (watched ones, b"" left out) that have been seen."""
        watched = self._watched.intersection(strings)
        return 1 - len(watched & self._missing) / len(watched) if watched else 0.0
