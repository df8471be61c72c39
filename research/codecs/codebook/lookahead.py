"""Choosing a dictionary by what a match leads to, not only by how long it is.

Longest match is greedy: a string that ends inside a word may cost a token later. With a dictionary
at hand, T(i), the tokens from position i to the end of the document, is known for every position,
and so is what an entry s saves where the text at x goes on with s and would else match a (its
longest prefix in the dictionary): T(x + |a|) - T(x + |s|) tokens. `choose` fills a dictionary by
these savings as `dictionary._cover` does by bytes; T comes from the dictionary of the round before,
so it takes a few rounds to settle. This is policy iteration with the entries as the policy.
"""

import heapq

import numpy as np

from research.codecs.byte_models.ngram_counts import CountTrie
from research.codecs.codebook.codebook import CodebookCodec
from research.numba_jit import compiled


def choose(
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
    lengths_S = counts.lengths_S.astype(np.int64)
    chosen_S = lengths_S == 1
    compiled(_fill)(
        counts.parents(), counts.counts_S, lengths_S, saved_SxD, 1.0 / mean, chosen_S, size
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


def _fill(parents_S, counts_S, lengths_S, saved_SxD, per_byte, chosen_S, wanted):
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
    while wanted > 0 and len(heap) > 0:
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
        wanted -= 1
        added = counts_S[node] - covered_S[node]
        above = parents_S[node]
        while above > 0:
            covered_S[above] += added
            for j in range(1, lengths_S[above] + 1):
                gone_SxD[above, j] += saved_SxD[node, j] - gone_SxD[node, j]
            if chosen_S[above]:
                break
            above = parents_S[above]
