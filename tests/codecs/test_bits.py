"""Bits to ids and back, for every N and W."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.codecs.coder import bits
from research.errors import FreevocabError, UsageError

cases = settings(max_examples=40, deadline=None, derandomize=True)


@cases
@given(st.lists(st.integers(0, 1), max_size=100), st.integers(1, 24))
def test_ids_hold_the_bits_and_zeros_behind_them(values, n):
    ids = bits.bits_to_ids(np.array(values, np.uint8), n)
    assert ids.dtype == np.int32 and len(ids) == -(-len(values) // n)
    back = bits.ids_to_bits(ids, n)
    assert back[: len(values)].tolist() == values
    assert len(back) - len(values) < n and not back[len(values) :].any()


@cases
@given(st.integers(1, 24), st.lists(st.integers(0, 2**24 - 1), max_size=20))
def test_every_id_survives(n, values):
    ids = np.array([value % 2**n for value in values], np.int32)
    assert bits.bits_to_ids(bits.ids_to_bits(ids, n), n).tolist() == ids.tolist()


def test_the_first_bit_is_the_most_significant():
    nine = np.array([1, 0, 0, 0, 0, 0, 0, 1, 1], np.uint8)
    assert bits.bits_to_ids(nine, 8).tolist() == [129, 128]


@cases
@given(st.sampled_from([8, 12, 16, 24, 40, 128]), st.lists(st.integers(0, 2**128 - 1), max_size=6))
def test_wide_numbers_keep_their_bits(width, values):
    values = [value % 2**width for value in values]
    size = -(-width // 16)
    digits = np.array(
        [[(value >> 16 * g) & 0xFFFF for g in range(size)] for value in values], np.uint32
    ).reshape(-1, size)
    stream = bits.digits_to_bits(digits, width)
    assert "".join(map(str, stream)) == "".join(format(value, f"0{width}b") for value in values)
    padded = np.concatenate([stream, np.zeros(width - 1, np.uint8)])
    assert np.array_equal(bits.bits_to_digits(padded, width), digits)


def test_wrong_ids_and_widths_are_refused():
    with pytest.raises(FreevocabError, match="id 256 is outside .* 256"):
        bits.ids_to_bits(np.array([256]), 8)
    with pytest.raises(FreevocabError, match="outside"):
        bits.ids_to_bits(np.array([-1]), 8)
    for n in (0, 25, 8.0):
        with pytest.raises(UsageError, match="1..24"):
            bits.bits_to_ids(np.zeros(3, np.uint8), n)
