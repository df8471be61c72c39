"""Arrays that are read as one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.training.data.joined_array import JoinedArray

PARTS = st.lists(st.lists(st.integers(-100, 100), max_size=6), min_size=1, max_size=6)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(lists=PARTS, data=st.data())
def test_it_is_indexed_as_the_concatenation_would_be(lists, data):
    parts = [np.array(each, np.int64) for each in lists]
    added = data.draw(st.lists(st.integers(0, 9), min_size=len(parts), max_size=len(parts)))
    whole = np.concatenate([part + more for part, more in zip(parts, added, strict=True)])
    joined = JoinedArray(parts, added)
    assert len(joined) == len(whole) and joined.shape == whole.shape
    assert np.array_equal(np.asarray(joined), whole) and np.asarray(joined).dtype == whole.dtype
    bound = st.none() | st.integers(-len(whole) - 3, len(whole) + 3)
    cut = slice(data.draw(bound), data.draw(bound), data.draw(st.sampled_from([None, 1, 2, -1])))
    assert np.array_equal(joined[cut], whole[cut])
    if len(whole):
        places = st.integers(-len(whole), len(whole) - 1)
        positions_BxL = np.array(data.draw(st.lists(st.tuples(places, places), max_size=9)), int)
        assert np.array_equal(joined[positions_BxL], whole[positions_BxL])
        one = data.draw(places)
        assert joined[one] == whole[one] and np.ndim(joined[one]) == 0


@pytest.mark.parametrize("index", [3, -4, [0, 3], [True, False, True], 1.0])
def test_what_is_no_position_is_an_index_error(index):
    with pytest.raises(IndexError):
        JoinedArray([np.arange(2), np.arange(1)])[index]


def test_parts_that_are_read_alone_are_not_copied():
    parts = [np.arange(5), np.arange(7)]
    assert np.shares_memory(JoinedArray(parts)[6:9], parts[1])
