"""Byte models that count: one distribution for all contexts, and n-grams.

An n-gram goes from the longest context that was seen back to none.

At W = 16 a window shows its model only a handful of bytes, so counts over a whole corpus are hard
to beat. Each context length k gives an estimate that the next shorter one fills up:

    p_k(b) = a_k(b) + (1 - sum a_k) p_(k-1)(b),      p_(-1) = 1 / A,

with  a_k(b) = c / (T + d)        (witten-bell; d different next bytes; Witten, Bell 1991, method C)
or    a_k(b) = (c - D_c) / T      (discount; D_1, D_2, D_3+ of Chen, Goodman 1998, eq. 26,
                                   from the counts of counts of each length).

`kneser-ney` is `discount` with the shorter contexts' c replaced by the number of different bytes
that precede the string. The context itself keeps its plain count: a window's context is complete,
so nothing in front of it is being ignored.
"""

import dataclasses
import functools
import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from research.codecs import byte_models
from research.codecs.byte_models import ngram_counts
from research.codecs.byte_models.ngram_counts import CountTrie
from research.codecs.coder import frequencies
from research.errors import FreevocabError, UsageError
from research.files import atomic_path
from research.numba_jit import compiled
from research.tokenizers.text_spans import each_as_bytes

SMOOTHINGS = ("witten-bell", "discount", "kneser-ney")
_FILE = "counts.npz"
_ARRAYS = tuple(field.name for field in dataclasses.fields(CountTrie))


@dataclasses.dataclass(frozen=True, eq=False)
class NGramModel:
    """Frequencies of the next byte from counts; a `ByteModel`.

    Raises:
      UsageError: an unknown smoothing, or beta out of range.
    """

    counts: CountTrie
    """The strings that were counted; contexts up to `order` = counts.depth - 1 bytes."""
    beta: int = 14
    """Frequencies sum to 2**beta."""
    smoothing: str = "witten-bell"
    """One of SMOOTHINGS (see the top of this module)."""
    name: str = "ngram"
    """What tables call it."""

    def __post_init__(self):
        if self.smoothing not in SMOOTHINGS:
            raise UsageError(f"no smoothing {self.smoothing!r}: use {', '.join(SMOOTHINGS)}")
        frequencies.check(256, self.beta)

    @classmethod
    def train(
        cls,
        documents: Iterable[bytes],
        *,
        order: int = 5,
        beta: int = 14,
        smoothing: str = "witten-bell",
        min_count: int = 2,
        name: str = "ngram",
    ) -> "NGramModel":
        """Counts at every position of `documents` (the paper's regime: contexts of any window).

        Args:
          order: the longest context, in bytes.
          min_count: strings that occur more rarely are not kept.
        """
        data, offsets = ngram_counts.join(documents)
        counts = ngram_counts.count(data, offsets, depth=order + 1, min_count=min_count)
        return cls(counts, beta, smoothing, name)

    @property
    def order(self) -> int:
        """Only the last `order` bytes of a context matter."""
        return self.counts.depth - 1

    def probabilities(self, contexts: Sequence[bytes], symbols: int = 256) -> np.ndarray:
        """Probabilities of the next byte before rounding, float64 [N, symbols]."""
        order = self.order
        contexts = [context[max(0, len(context) - order) :] for context in contexts]
        lengths_N = np.fromiter(map(len, contexts), np.int64, len(contexts))
        result_NxA = np.empty((len(contexts), symbols), np.float64)
        compiled(_interpolate)(
            np.frombuffer(b"".join(contexts), np.uint8),
            np.concatenate([[0], np.cumsum(lengths_N)]),
            self.counts.labels_S,
            self.counts.firsts_S1,
            self.counts.counts_S,
            self.counts.ends_S,
            *self._continuations,
            self._discounts_Dx3,
            result_NxA,
        )
        return result_NxA

    def window_frequencies(self, contexts: Sequence[bytes], symbols: int = 256) -> np.ndarray:
        """Frequencies of the next symbol, uint32 [N, symbols]; symbol 256 is the text's end."""
        probabilities_NxA = self.probabilities(contexts, symbols)
        return frequencies.integer_frequencies(probabilities_NxA.astype(np.float32), self.beta)

    @functools.cached_property
    def _continuations(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Counts, ends and totals that a context uses when it is not the whole context."""
        counts = self.counts
        if self.smoothing != "kneser-ney":
            return counts.counts_S, counts.ends_S, counts.counts_S
        suffix_S = ngram_counts.suffixes(counts)
        linked = suffix_S >= 0
        size = len(suffix_S)
        preceding_S = np.bincount(suffix_S[linked], minlength=size)
        # The longest strings have nothing counted in front of them.
        preceding_S = np.where(counts.lengths_S == counts.depth, counts.counts_S, preceding_S)
        ended = linked & (counts.ends_S > 0)
        ends_S = np.bincount(suffix_S[ended], minlength=size)
        below = np.concatenate([[0], np.cumsum(preceding_S)])
        totals_S = below[counts.firsts_S1[1:]] - below[counts.firsts_S1[:-1]] + ends_S
        return preceding_S, ends_S, totals_S

    @functools.cached_property
    def _discounts_Dx3(self) -> np.ndarray:
        """D_1, D_2, D_3+ of each context length; all zero means Witten-Bell."""
        once_Dx4 = self.counts.once_Dx4.astype(np.float64)
        discounts_Dx3 = np.zeros((len(once_Dx4) + 1, 3))
        if self.smoothing == "witten-bell":
            return discounts_Dx3
        for length, n in enumerate(once_Dx4):
            discounts_Dx3[length] = 0.5, 1.0, 1.5
            if (n > 0).all():
                share = n[0] / (n[0] + 2 * n[1])
                estimate = [k + 1 - (k + 2) * share * n[k + 1] / n[k] for k in range(3)]
                discounts_Dx3[length] = np.clip(estimate, 0.05, [0.95, 1.95, 2.95])
        return discounts_Dx3

    def fingerprint(self) -> str:
        """Hex digest of the counts, beta and the smoothing."""
        state = hashlib.sha256(json.dumps([self.beta, self.smoothing]).encode())
        for name in _ARRAYS:
            state.update(np.ascontiguousarray(getattr(self.counts, name)).tobytes())
        return state.hexdigest()

    def save(self, directory: str | os.PathLike) -> None:
        """Writes model.json and counts.npz into the folder `directory`."""
        with atomic_path(directory, directory=True, mark=byte_models.SPEC.file) as temporary:
            arrays = {name: getattr(self.counts, name) for name in _ARRAYS}
            np.savez_compressed(temporary / _FILE, **arrays)
            fields = {"kind": "ngram", "name": self.name, "beta": self.beta}
            fields |= {"smoothing": self.smoothing, "order": self.order}
            byte_models.SPEC.write(temporary, fields | {"digest": self.fingerprint()})

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> "NGramModel":
        """Opens what `save` wrote.

        Raises:
          FreevocabError: the counts are missing, damaged, or not those that model.json names.
        """
        path = Path(directory) / _FILE
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                counts = CountTrie(**{name: arrays[name] for name in _ARRAYS})
            model = cls(counts, meta["beta"], meta["smoothing"], meta["name"])
            whole = model.fingerprint() == meta["digest"]
        except Exception as error:  # a damaged zip raises nearly anything
            raise FreevocabError(f"{path} cannot be read ({error}): train it again") from error
        if not whole:
            raise FreevocabError(f"{path} is damaged (wrong digest): train it again")
        return model


class UnigramModel:
    """StaticAC's model, one distribution over bytes, whatever came before; a `ByteModel`.

    Counts of the 256 bytes and of texts (their ends), made integer by the one rule.

    Args:
      counts_A: 257 integers of at least 0; the last counts the ends.
      beta: frequencies sum to 2**beta.
    """

    order = 0
    exact = True

    def __init__(self, counts_A: Sequence[int] | np.ndarray, beta: int = 14, name: str = "unigram"):
        self.counts_A = np.asarray(counts_A, np.int64)
        if self.counts_A.shape != (257,):
            raise UsageError(f"a unigram model has 257 counts, not {self.counts_A.shape}")
        self.beta = beta
        self.name = name
        self._rows = {
            symbols: frequencies.frequencies_from_counts(self.counts_A[:symbols], beta)
            for symbols in ((256, 257) if beta > 8 else (256,))
        }

    @classmethod
    def train(cls, texts: Iterable[bytes | str], *, beta: int = 14) -> "UnigramModel":
        """Counts `texts`, each with one end."""
        counts = np.zeros(257, np.int64)
        for text in each_as_bytes(texts):
            counts[:256] += np.bincount(np.frombuffer(text, np.uint8), minlength=256)
            counts[256] += 1
        if not counts[:256].any():
            raise UsageError("a unigram model needs some text: these texts are empty")
        return cls(counts, beta)

    def window_frequencies(self, contexts: Sequence[bytes], symbols: int = 256) -> np.ndarray:
        """The same row for every context, uint32 [N, symbols]."""
        return np.tile(self._rows[symbols], (len(contexts), 1))

    def fingerprint(self) -> str:
        """Hex digest of the frequencies."""
        state = hashlib.sha256(b"unigram %d" % self.beta)
        for row in self._rows.values():
            state.update(row.astype("<u4").tobytes())
        return state.hexdigest()

    def save(self, directory: str | os.PathLike) -> None:
        """Writes model.json into the folder `directory`."""
        fields = {"kind": "unigram", "name": self.name, "beta": self.beta}
        with atomic_path(directory, directory=True, mark=byte_models.SPEC.file) as temporary:
            byte_models.SPEC.write(temporary, fields | {"counts": self.counts_A.tolist()})

    @classmethod
    def from_directory(cls, directory: Path, meta: Mapping[str, Any]) -> "UnigramModel":
        return cls(meta["counts"], meta["beta"], meta["name"])


def _interpolate(
    blob,
    offsets,
    labels_S,
    firsts_S1,
    counts_S,
    ends_S,
    shorter_S,
    shorter_ends_S,
    shorter_totals_S,
    discounts_Dx3,
    result_NxA,
):
    """The module's formula for each context; order of the additions fixed, so results are too."""
    symbols = result_NxA.shape[1]
    for n in range(len(offsets) - 1):
        result_NxA[n, :] = 1.0 / symbols
        size = offsets[n + 1] - offsets[n]
        for length in range(size + 1):
            node = 0
            for position in range(offsets[n + 1] - length, offsets[n + 1]):
                low, high = firsts_S1[node], firsts_S1[node + 1]
                while low < high:
                    middle = (low + high) // 2
                    if labels_S[middle] < blob[position]:
                        low = middle + 1
                    else:
                        high = middle
                if low == firsts_S1[node + 1] or labels_S[low] != blob[position]:
                    node = -1
                    break
                node = low
            if node < 0:
                continue
            begin, end = firsts_S1[node], firsts_S1[node + 1]
            whole = length == size
            ends = ends_S[node] if whole else shorter_ends_S[node]
            total = counts_S[node] if whole else shorter_totals_S[node]
            if symbols == 256:
                total -= ends
                ends = 0
            if total <= 0:
                continue
            different = end - begin + (1 if ends > 0 else 0)
            backoff = discounts_Dx3[length, 0] == 0.0
            scale = 1.0 / (total + different) if backoff else 1.0 / total
            used = 0.0
            # First how much is left for the shorter context, then both parts at once.
            for child in range(begin, end + 1):
                count = ends
                if child < end:
                    count = counts_S[child] if whole else shorter_S[child]
                if count > 0:
                    which = min(count, 3) - 1
                    used += (count - discounts_Dx3[length, which]) * scale
            rest = max(0.0, 1.0 - used)
            for symbol in range(symbols):
                result_NxA[n, symbol] *= rest
            for child in range(begin, end + 1):
                count, symbol = ends, 256
                if child < end:
                    count = counts_S[child] if whole else shorter_S[child]
                    symbol = labels_S[child]
                if count > 0:
                    which = min(count, 3) - 1
                    result_NxA[n, symbol] += (count - discounts_Dx3[length, which]) * scale
