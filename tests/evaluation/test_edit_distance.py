"""The batched distances against the textbook programme."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from research.evaluation.edit_distance import levenshtein, pairwise_levenshtein


def reference(first, second) -> int:
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        new = [i]
        for j, b in enumerate(second, 1):
            new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (a != b)))
        row = new
    return row[-1]


sequences = st.lists(st.lists(st.integers(0, 3), max_size=7), min_size=2, max_size=5)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(sequences)
def test_all_pairs_equal_the_textbook(sequences):
    expected = [
        reference(sequences[i], sequences[j])
        for i in range(len(sequences))
        for j in range(i + 1, len(sequences))
    ]
    np.testing.assert_array_equal(pairwise_levenshtein(sequences), expected)


def test_known_distances():
    assert levenshtein(b"kitten", b"sitting") == 3
    assert levenshtein([], [1, 2, 3]) == 3
    assert levenshtein([1, 2, 3], [1, 2, 3]) == 0
    assert pairwise_levenshtein([[1]]).shape == (0,)
