"""Identities of the bits-per-byte arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.evaluation import bits_per_byte as bpb

# Table 12: ratio and uniform bits/byte for the two vocabularies (v=256, v=65,536).
RATIOS = {
    "AC": (5.49, 10.98, 1.457),
    "StaticAC": (1.73, 3.46, 4.624),
    "EqualInfoAC[b=16]": (2.66, 5.31, 3.008),
    "EqualInfoAC[b=32]": (3.49, 6.97, 2.292),
    "EqualInfoAC[b=64]": (4.16, 8.33, 1.923),
    "EqualInfoAC[b=128]": (4.61, 9.22, 1.735),
    "GZip": (2.23, 4.47, 3.587),
}


@pytest.mark.parametrize("name", RATIOS)
def test_uniform_bits_per_byte_is_log2_v_over_ratio(name):
    byte_ratio, wide_ratio, uniform = RATIOS[name]
    assert bpb.uniform_bits_per_byte(256, byte_ratio) == pytest.approx(uniform, abs=2e-3)
    assert bpb.uniform_bits_per_byte(2**16, wide_ratio) == pytest.approx(uniform, rel=3e-3)
    assert wide_ratio == pytest.approx(2 * byte_ratio, abs=0.011)
    assert bpb.uniform_bits_per_byte(2**16, 2 * byte_ratio) == pytest.approx(
        bpb.uniform_bits_per_byte(256, byte_ratio), rel=1e-12
    )


def test_sums_not_means_of_ratios():
    # 10 bytes at 1 bit each and 30 at 3 bits each: 100 bits over 40 bytes.
    nats = (10 * 1 + 30 * 3) * math.log(2)
    assert bpb.bits_per_byte(nats, 40) == pytest.approx(2.5)
    with pytest.raises(ValueError, match="at least one byte"):
        bpb.bits_per_byte(1.0, 0)


def test_the_floor_of_one_costs_what_definitions_say():
    assert round(bpb.floor_cost_bound(14), 4) == 0.0227
    assert round(bpb.floor_cost_bound(16), 4) == 0.0056
    assert round(bpb.floor_cost_bound(12), 3) == 0.093


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 15), min_size=1, max_size=60))
def test_unigram_of_its_own_text_is_below_uniform_plus_smoothing(ids):
    ids = np.array(ids, np.int32)
    own = bpb.unigram_bits_per_byte(ids, ids, 16, len(ids))
    # Add-one counts are a mixture of the plug-in shares and uniform: never worse than ln(16 + m).
    assert 0.0 < own <= math.log2(16 + len(ids))
    unseen = bpb.unigram_bits_per_byte(np.zeros(0, np.int32), ids, 16, len(ids))
    assert unseen == pytest.approx(4.0)


def test_unigram_refuses_an_id_outside_the_vocabulary():
    with pytest.raises(ValueError, match="ends at 4"):
        bpb.unigram_bits_per_byte(np.array([4]), np.array([0]), 4, 1)


def test_lost_bytes_are_charged_eight_bits_each():
    assert bpb.with_lost_bytes(1.0, 1 / 9) == pytest.approx(1.0 + 8 / 9)
    assert bpb.with_lost_bytes(1.0, 0.0) == 1.0
