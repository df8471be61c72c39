"""Longest match: compiled, with numpy alone, and by the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.errors import FreevocabError
from research.tokenizers import trie as tries

BYTES = [bytes([byte]) for byte in range(256)]
few_letters = st.binary(max_size=40).map(lambda data: bytes(97 + byte % 3 for byte in data))
texts = st.lists(st.one_of(st.binary(max_size=60), few_letters), max_size=4)
vocabularies = st.sets(few_letters.filter(lambda s: len(s) > 1), max_size=30).map(
    lambda strings: BYTES + sorted(strings)
)


def joined(documents):
    offsets = np.cumsum([0, *map(len, documents)]).astype(np.int64)
    return np.frombuffer(b"".join(documents), np.uint8), offsets


def by_definition(strings, text):
    ids, index = [], {string: i for i, string in enumerate(strings)}
    while text:
        length = max(n for n in range(1, len(text) + 1) if text[:n] in index)
        ids.append(index[text[:length]])
        text = text[length:]
    return ids


@settings(max_examples=40, deadline=None, derandomize=True)
@given(vocabularies, texts)
def test_both_ways_follow_the_definition(strings, documents):
    trie = tries.build(strings)
    expected = [by_definition(strings, document) for document in documents]
    for compile in (True, False):
        ids, counts = trie.encode(*joined(documents), compile=compile)
        assert ids.dtype == np.int32
        assert counts.tolist() == [len(each) for each in expected]
        assert ids.tolist() == sum(expected, [])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(vocabularies, texts)
def test_matches_at_every_position(strings, documents):
    known = set(strings)
    expected = [
        max(n for n in range(1, len(text) - i + 1) if text[i : i + n] in known)
        for text in documents
        for i in range(len(text))
    ]
    trie = tries.build(strings)
    assert trie.match_lengths(*joined(documents)).tolist() == expected
    assert tries._match_everywhere(trie, *joined(documents))[0].tolist() == expected


def test_a_match_does_not_reach_into_the_next_text():
    trie = tries.build([*BYTES, b"ab", b"abcd"])
    for compile in (True, False):
        ids, counts = trie.encode(*joined([b"ab", b"cd", b"", b"abcd"]), compile=compile)
        assert ids.tolist() == [256, 99, 100, 257]
        assert counts.tolist() == [1, 2, 0, 1]


def test_the_search_backs_off_to_the_last_string_that_ended():
    trie = tries.build([*BYTES, b"ab", b"abcdefg"])
    ids, _ = trie.encode(*joined([b"abcdefxabcdefg"]))
    assert ids.tolist() == [256, *b"cdefx", 257]


def test_many_random_strings_agree_with_numpy():
    generator = np.random.default_rng(0)
    strings = {bytes(row) for row in generator.integers(0, 6, (4000, 9), np.uint8)}
    strings |= {string[: 2 + sum(string) % 7] for string in strings}
    trie = tries.build([*BYTES, *sorted(strings)])
    data = generator.integers(0, 7, 50_000).astype(np.uint8)
    offsets = np.array([0, 17, 17, 30_000, 50_000])
    compiled, numpy = (trie.encode(data, offsets, compile=way) for way in (True, False))
    np.testing.assert_array_equal(compiled[0], numpy[0])
    np.testing.assert_array_equal(compiled[1], numpy[1])


def test_children_are_listed_in_order():
    trie = tries.build([*BYTES, b"ab", b"aa"])
    children = trie.children()
    below_a = children[children[0][97]]
    assert trie.labels_S[below_a].tolist() == [97, 98]
    assert trie.ids_S[below_a].tolist() == [257, 256]


@pytest.mark.parametrize(
    ("strings", "problem"),
    [
        (BYTES[:-1], "1 are missing"),
        ([*BYTES, b"a"], "twice"),
        ([*BYTES, b""], "none of them empty"),
        ([], "none of them empty"),
    ],
)
def test_what_is_no_vocabulary(strings, problem):
    with pytest.raises(FreevocabError, match=problem):
        tries.build(strings)
