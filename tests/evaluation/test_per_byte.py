"""Identities of bits per byte, and FLOPs per byte: every figure of the paper's Table 15."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.evaluation import per_byte

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
    assert per_byte.uniform_bits_per_byte(256, byte_ratio) == pytest.approx(uniform, abs=2e-3)
    assert per_byte.uniform_bits_per_byte(2**16, wide_ratio) == pytest.approx(uniform, rel=3e-3)
    assert wide_ratio == pytest.approx(2 * byte_ratio, abs=0.011)
    assert per_byte.uniform_bits_per_byte(2**16, 2 * byte_ratio) == pytest.approx(
        per_byte.uniform_bits_per_byte(256, byte_ratio), rel=1e-12
    )


def test_sums_not_means_of_ratios():
    # 10 bytes at 1 bit each and 30 at 3 bits each: 100 bits over 40 bytes.
    nats = (10 * 1 + 30 * 3) * math.log(2)
    assert per_byte.bits_per_byte(nats, 40) == pytest.approx(2.5)
    with pytest.raises(ValueError, match="at least one byte"):
        per_byte.bits_per_byte(1.0, 0)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 15), min_size=1, max_size=60))
def test_unigram_of_its_own_text_is_below_uniform_plus_smoothing(ids):
    ids = np.array(ids, np.int32)
    own = per_byte.unigram_bits_per_byte(ids, ids, 16, len(ids))
    # Add-one counts are a mixture of the plug-in shares and uniform: never worse than ln(16 + m).
    assert 0.0 < own <= math.log2(16 + len(ids))
    unseen = per_byte.unigram_bits_per_byte(np.zeros(0, np.int32), ids, 16, len(ids))
    assert unseen == pytest.approx(4.0)


def test_unigram_refuses_an_id_outside_the_vocabulary():
    with pytest.raises(ValueError, match="ends at 4"):
        per_byte.unigram_bits_per_byte(np.array([4]), np.array([0]), 4, 1)


def test_lost_bytes_are_charged_eight_bits_each():
    assert per_byte.with_lost_bytes(1.0, 1 / 9) == pytest.approx(1.0 + 8 / 9)
    assert per_byte.with_lost_bytes(1.0, 0.0) == 1.0


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=12), st.binary(max_size=12))
def test_common_subsequence_against_the_plain_recursion(a, b):
    row = [0] * (len(b) + 1)
    for x in a:
        last = row
        row = [0]
        for j, y in enumerate(b):
            row.append(last[j] + 1 if x == y else max(last[j + 1], row[j]))
    assert per_byte.common_subsequence_length(a, b) == row[-1]


SIZES = ("25m", "113m", "403m", "2b")
# name: (ratio, M1 at run time, MFLOPs/byte as printed for the four sizes)
TABLE_15 = {
    "Bytes": (1.0, False, ("50.0", "226", "806", "4000")),
    "AC v=256": (5.49, True, ("15.11", "47.17", "152.81", "734.6")),
    "AC v=65k": (10.98, True, ("10.55", "26.58", "79.41", "370.3")),
    "EqualInfoAC[16] v=256": (2.66, True, ("24.80", "90.96", "309.01", "1510")),
    "EqualInfoAC[16] v=65k": (5.31, True, ("15.42", "48.56", "157.79", "759.30")),
    "GZip v=256": (2.23, False, ("22.42", "101.35", "361.43", "1790")),
    "GZip v=65k": (4.47, False, ("11.19", "50.56", "180.31", "894.85")),
}
STATIC_AC = {1.73: {"25m": "28.90", "2b": "2310"}, 3.46: {"25m": "14.45", "2b": "1160"}}


def printed(value: float, as_in: str) -> str:
    """`value` with as many digits as the paper shows; 1,510 and 4,000 have three figures."""
    if "." not in as_in and float(as_in) >= 1000:
        return f"{round(value, -1):.0f}"
    return f"{value:.{len(as_in.partition('.')[2])}f}"


@pytest.mark.parametrize("name", TABLE_15)
def test_table_15_to_the_digit(name):
    ratio, has_m1, column = TABLE_15[name]
    m1 = per_byte.M1_FLOPS_PER_BYTE if has_m1 else 0.0
    for size, shown in zip(SIZES, column, strict=True):
        value = per_byte.flops_per_byte(per_byte.NOMINAL_PARAMETERS[size], ratio, m1) / 1e6
        assert printed(value, shown) == shown, (name, size, value)


@pytest.mark.parametrize("ratio", STATIC_AC)
def test_static_ac_pays_for_no_m1(ratio):
    for size, shown in STATIC_AC[ratio].items():
        value = per_byte.flops_per_byte(per_byte.NOMINAL_PARAMETERS[size], ratio) / 1e6
        assert printed(value, shown) == shown


@pytest.mark.parametrize(
    "size, shown", list(zip(SIZES, (11.69, 52.82, 188.37, 934.84), strict=True))
)
def test_sentencepiece_within_a_twentieth_of_a_percent(size, shown):
    value = per_byte.flops_per_byte(per_byte.NOMINAL_PARAMETERS[size], 4.28) / 1e6
    # The printed figure itself is only good to half a unit of its last digit.
    assert abs(value - shown) <= 0.0005 * shown + 0.005


def test_a_ratio_of_nothing_is_refused():
    with pytest.raises(ValueError, match="positive"):
        per_byte.flops_per_byte(1.0, 0.0)
