"""Counts of a moving queue equal counts from scratch, and a count by hand."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.transfer.sampling import counting, pretokens
from research.transfer.sampling import texts as text_queue
from research.transfer.sampling.config import Candidates, Pretokens
from research.transfer.sampling.counting import Counts
from research.transfer.sampling.texts import Queue

CUT = Pretokens()
CANDIDATES = [
    Candidates(),
    Candidates(max_characters=3),
    Candidates(max_bytes=4),
    Candidates(max_characters=5, stride=4),
    Candidates(max_characters=4, aligned=False),
]
TEXTS = st.lists(st.text("abc é'1न\n", max_size=25).map(str.encode) | st.binary(max_size=12))


def by_hand(texts, candidates):
    """Substrings with their counts and characters, by slices of Python strings."""
    counts = Counter()
    found = pretokens.split(CUT, texts)
    for a, b in zip(found.start_W[:-1], found.start_W[1:], strict=True):
        word = found.data[a:b].tobytes()
        starts = [
            i for i in range(len(word))
            if not candidates.aligned or i == 0 or word[i] & 0xC0 != 0x80
        ]
        ends = [*starts[1:], len(word)]
        for n in range(0, len(starts), candidates.stride):
            for characters, end in enumerate(ends[n : n + candidates.max_characters], 1):
                if end - starts[n] <= candidates.max_bytes:
                    counts[word[starts[n] : end], characters] += 1
    return counts


def content(counts):
    live = counts.live()
    return dict(
        zip(
            zip(counts.bytes_of(live), counts.characters_S[live].tolist(), strict=True),
            counts.counts_S[live].tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize("candidates", CANDIDATES, ids=str)
def test_counts_are_those_of_every_substring(candidates):
    @settings(max_examples=60, deadline=None)
    @given(TEXTS)
    def check(texts):
        counts = Counts(candidates)
        counts.add(counts.batch(pretokens.split(CUT, texts)))
        assert content(counts) == by_hand(texts, candidates)

    check()


@settings(max_examples=40, deadline=None)
@given(st.lists(TEXTS, min_size=5, max_size=9), st.sampled_from(CANDIDATES))
def test_a_moved_queue_counts_what_a_new_one_counts(batches, candidates):
    def texts(number):
        return batches[number]

    moving = Queue(texts, 3)
    for first in [*range(len(batches) - 2), 1, 0]:
        counts, held = moving.at(first, CUT, candidates)
        anew, anew_held = Queue(texts, 3).at(first, CUT, candidates)
        assert content(counts) == content(anew)
        for one, other in ((counts, held), (anew, anew_held)):
            assert content(one.compacted(other)[0]) == content(anew)
        words, count_P = counts.words_of(held[:2])
        words_anew, count_anew_P = anew.words_of(anew_held[:2])
        np.testing.assert_array_equal(words.data, words_anew.data)
        np.testing.assert_array_equal(words.start_W, words_anew.start_W)
        np.testing.assert_array_equal(count_P, count_anew_P)


def test_what_left_the_queue_is_forgotten_in_time(monkeypatch):
    monkeypatch.setattr(text_queue, "_SPARE", 500)
    queue = Queue(lambda number: [b"word%d and more %d" % (number * 7919, number)] * 3, 4)
    sizes = [queue.at(first, CUT, Candidates())[0].strings.size for first in range(200)]
    assert max(sizes) < 2500
    counts, _ = queue.at(199, CUT, Candidates())
    anew, _ = Queue(queue.texts, 4).at(199, CUT, Candidates())
    assert content(counts) == content(anew)


def test_compiled_and_not_are_the_same(monkeypatch):
    texts = [b"the cat sat on the mat; the 123 caf\xc3\xa9s \xff\xff"]
    fast = {candidates: by_candidates(texts, candidates) for candidates in CANDIDATES}
    monkeypatch.setattr(counting, "compiled", lambda function: function)
    for candidates in CANDIDATES:
        counts, hashes = by_candidates(texts, candidates)
        assert counts == fast[candidates][0]
        np.testing.assert_array_equal(hashes, fast[candidates][1])


def by_candidates(texts, candidates):
    counts = Counts(candidates)
    counts.add(counts.batch(pretokens.split(CUT, texts)))
    return content(counts), counts.strings.hash_S[: counts.strings.size]
