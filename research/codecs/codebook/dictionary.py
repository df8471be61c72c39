"""`dictionary`: all 256 bytes and the strings that shorten longest-match text the most.

Given how often each string begins where a token begins, a dictionary D makes the mean token as
long as

    sum over s in D of n(s) (|s| - |longest proper prefix of s in D|) / n("")

bytes: every start contributes its longest match. Which D of a given size maximises this is a
facility location problem, and adding the string with the largest gain each time comes within
1 - 1/e of the best (Nemhauser, Wolsey, Fisher 1978). Gains only shrink as D grows, so a heap with
late updates does it. Where tokens begin depends on D, so `train_dictionary` encodes the text with
the dictionary, counts again, and chooses again, a few times.

A longer match is not always better for what follows it: a string that ends inside a word may cost
a token later. With a dictionary at hand, T(i), the tokens from position i to the end of the
document, is known for every position, and so is what an entry s saves where the text at x goes on
with s and would else match a (its longest prefix in the dictionary): T(x + |a|) - T(x + |s|)
tokens. `choose_by_lookahead` fills a dictionary by these savings, as coverage does by bytes. T
comes from the dictionary of the round before, so it takes a few rounds to settle. This is policy
iteration with the entries as the policy.

On held-out English a 65,536-string dictionary makes tokens of 5.1 to 5.4 bytes by probability (the
most probable strings, with every prefix of a good one among them), 5.4 to 5.8 by coverage, 5.7 to
6.2 by lookahead (trained on 10 MB; 6.1 to 6.4 on 173 MB).
"""

import heapq
from collections.abc import Callable, Iterable

import numpy as np

from research.codecs.byte_models import ByteModel, ngram_counts
from research.codecs.byte_models.ngram_counts import CountTrie
from research.codecs.codebook import CodebookCodec
from research.errors import UsageError
from research.numba_jit import compiled

_BATCH = 4096


def build_dictionary(
    counts: CountTrie | ByteModel, size: int, *, by: str = "coverage"
) -> list[bytes]:
    """`size` strings in lexicographic order, all 256 single bytes among them.

    Fewer if `counts` holds fewer.

    Args:
      counts: how often strings begin at a token's start; or a byte model, whose probabilities
        of a string at a window's start then stand for counts.
      by: "coverage" or "probability" (see the top of this module).

    Raises:
      UsageError: a size below 256, another `by`.
    """
    if size < 256:
        raise UsageError(f"a dictionary holds all 256 bytes: its size cannot be {size}")
    if by not in ("coverage", "probability"):
        raise UsageError(f"a dictionary is built by coverage or probability, not {by!r}")
    if not isinstance(counts, CountTrie):
        counts = probable_strings(counts, 1 / (8 * size))
    lengths_S = counts.lengths_S.astype(np.int64)
    if by == "coverage":
        nothing_SxD = np.zeros((len(lengths_S), counts.depth + 1), np.float32)
        chosen_S = _most_saving(counts, nothing_SxD, 1.0, size - 256)
    else:
        order = np.argsort(np.where(lengths_S > 1, -counts.counts_S, 0), kind="stable")
        chosen_S = np.zeros(len(lengths_S), np.bool_)
        chosen_S[order[: min(size - 256, int((lengths_S > 1).sum()))]] = True
    return _entries(counts, chosen_S)


def train_dictionary(
    documents: Iterable[bytes],
    size: int = 65536,
    *,
    rounds: int = 6,
    longest: int = 24,
    by: str = "lookahead",
    name: str = "dictionary",
    progress: Callable[[int, CodebookCodec], None] | None = None,
) -> CodebookCodec:
    """A dictionary for text like `documents`.

    Args:
      size: how many strings, the 256 bytes included; fewer come out of very little text.
      rounds: how often to encode, count and choose.
      longest: bytes of the longest string.
      by: "probability", "coverage", or "lookahead" (coverage in the first two rounds).
      progress: called with (round, codec) after each round.
    """
    data, offsets = ngram_counts.join(documents)
    starts: np.ndarray | None = None
    codec: CodebookCodec | None = None  # the first round counts everywhere, and only short strings
    for number in range(rounds + 1):
        # What begins less than a twentieth of a string's share of the tokens is not a candidate.
        total = len(data) if starts is None else len(starts)
        counts = ngram_counts.count(
            data,
            offsets,
            depth=longest if number else min(longest, 8),
            min_count=max(2, total // (20 * size)),
            starts=starts,
        )
        if by == "lookahead" and codec is not None and number > 2:
            chosen_S = choose_by_lookahead(counts, codec, data, offsets, size - 256)
            strings = _entries(counts, chosen_S)
        else:
            way = "coverage" if by == "lookahead" else by
            strings = build_dictionary(counts, size, by=way)
        notes = {"size": size, "by": by, "rounds": number}
        codec = CodebookCodec(strings, name=name, notes=notes)
        if progress is not None:
            progress(number, codec)
        if number < rounds:
            starts = codec.token_starts(data, offsets)
    assert codec is not None  # there is a round 0
    return codec


def choose_by_lookahead(
    counts: CountTrie, codec: CodebookCodec, data: np.ndarray, offsets: np.ndarray, size: int
) -> np.ndarray:
    """Marks the strings of `counts` that save the most tokens after those of `codec`, bool [S].

    Args:
      counts: strings counted where `codec`'s tokens begin in the text.
      data, offsets: the text, uint8 [L], and where its documents begin and the last ends.
      size: how many to mark besides the single bytes; fewer where no more save anything.
    """
    starts = codec.token_starts(data, offsets)
    mean = len(data) / max(1, len(starts))
    lengths_L = codec.trie.match_lengths(data, offsets)
    ahead_L = np.zeros(len(data), np.float32)
    compiled(_tokens_ahead)(offsets, lengths_L, mean, ahead_L)
    ends = offsets[1:][np.searchsorted(offsets[1:], starts, side="right")]
    saved_SxD = np.zeros((len(counts.labels_S), counts.depth + 1), np.float32)
    compiled(_sum_along_paths)(
        data, starts, ends, counts.firsts_S1, counts.labels_S, ahead_L, saved_SxD
    )
    return _most_saving(counts, saved_SxD, 1.0 / mean, size)


def probable_strings(model: ByteModel, threshold: float) -> CountTrie:
    """Strings that `model` gives a probability of at least `threshold` at a window's start.

    Returns:
      a `CountTrie` whose counts are the probabilities times 2^40.
    """
    levels, strings = [(np.full(1, -1), np.zeros(1, np.uint8), np.ones(1))], [b""]
    probabilities_N = np.ones(1)
    while strings:
        parts = [
            model.window_frequencies(strings[start : start + _BATCH], 256) / 2.0**model.beta
            for start in range(0, len(strings), _BATCH)
        ]
        children_NxA = np.concatenate(parts) * probabilities_N[:, None]
        row_C, label_C = np.nonzero(children_NxA >= threshold)
        probabilities_N = children_NxA[row_C, label_C]
        strings = [
            strings[row] + bytes((label,))
            for row, label in zip(row_C.tolist(), label_C.tolist(), strict=True)
        ]
        if strings:
            levels.append((row_C, label_C.astype(np.uint8), probabilities_N))
    return ngram_counts.from_levels(
        [(parents, labels, np.round(p * 2.0**40).astype(np.int64)) for parents, labels, p in levels]
    )


def _entries(counts: CountTrie, chosen_S: np.ndarray) -> list[bytes]:
    """The chosen strings and all single bytes, sorted."""
    strings = counts.strings()
    chosen = {strings[node] for node in np.flatnonzero(chosen_S)}
    return sorted(chosen.union(bytes((byte,)) for byte in range(256)))


def _most_saving(
    counts: CountTrie, saved_SxD: np.ndarray, per_byte: float, size: int
) -> np.ndarray:
    """Marks all single bytes, and the `size` strings that save the most, bool [S]."""
    lengths_S = counts.lengths_S.astype(np.int64)
    chosen_S = lengths_S == 1
    compiled(_fill_by_savings)(
        counts.parents(), counts.counts_S, lengths_S, saved_SxD, per_byte, chosen_S, size
    )
    return chosen_S


def _tokens_ahead(offsets, lengths_L, mean, ahead_L):
    """T(i) less the (end - i) / mean that is usual: small numbers, so that sums stay exact."""
    for text in range(len(offsets) - 1):
        begin, end = offsets[text], offsets[text + 1]
        tokens = np.zeros(end - begin + 1, np.int64)
        for i in range(end - 1, begin - 1, -1):
            tokens[i - begin] = 1 + tokens[i - begin + lengths_L[i]]
            ahead_L[i] = tokens[i - begin] - (end - i) / mean


def _sum_along_paths(data, starts, ends, firsts_S1, labels_S, ahead_L, saved_SxD):
    """saved[s, j]: minus the sum of `ahead` at x + j over the starts x that go on with s."""
    depth = saved_SxD.shape[1] - 1
    for n in range(len(starts)):
        start, node = starts[n], 0
        for length in range(1, min(ends[n] - start, depth) + 1):
            label = data[start + length - 1]
            low, high = firsts_S1[node], firsts_S1[node + 1]
            limit = high
            while low < high:
                middle = (low + high) // 2
                if labels_S[middle] < label:
                    low = middle + 1
                else:
                    high = middle
            if low == limit or labels_S[low] != label:
                break
            node = low
            for j in range(1, length + 1):
                if start + j < ends[n]:
                    saved_SxD[node, j] -= ahead_L[start + j]


def _fill_by_savings(parents_S, counts_S, lengths_S, saved_SxD, per_byte, chosen_S, room):
    """Largest saving first; `covered` and `gone` belong to starts with a longer match below."""
    covered_S = np.zeros(len(parents_S), np.int64)
    gone_SxD = np.zeros_like(saved_SxD)
    heap = [(0.0, 0)]
    for node in range(1, len(parents_S)):
        length = lengths_S[node]
        if length > 1:
            saving = counts_S[node] * (length - 1) * per_byte
            saving += saved_SxD[node, length] - saved_SxD[node, 1]
            heap.append((-saving, node))
    heapq.heapify(heap)
    while room > 0 and len(heap) > 0:
        known, node = heapq.heappop(heap)
        above = parents_S[node]
        while above > 0 and not chosen_S[above]:
            above = parents_S[above]
        if node == 0 or above <= 0:
            continue
        length, shorter = lengths_S[node], lengths_S[above]
        saving = (counts_S[node] - covered_S[node]) * (length - shorter) * per_byte
        saving += saved_SxD[node, length] - gone_SxD[node, length]
        saving -= saved_SxD[node, shorter] - gone_SxD[node, shorter]
        if saving <= 0:
            continue
        if -saving > known + 1e-3 and len(heap) > 0 and -saving > heap[0][0]:
            heapq.heappush(heap, (-saving, node))
            continue
        chosen_S[node] = True
        room -= 1
        added = counts_S[node] - covered_S[node]
        above = parents_S[node]
        while above > 0:
            covered_S[above] += added
            for j in range(1, lengths_S[above] + 1):
                gone_SxD[above, j] += saved_SxD[node, j] - gone_SxD[node, j]
            if chosen_S[above]:
                break
            above = parents_S[above]
