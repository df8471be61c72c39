"""FLOPs per byte: every figure of the paper's Table 15 from its ratios."""

import pytest

from research.evaluation import flops

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
    m1 = flops.M1_FLOPS_PER_BYTE if has_m1 else 0.0
    for size, shown in zip(SIZES, column, strict=True):
        value = flops.flops_per_byte(flops.NOMINAL_PARAMETERS[size], ratio, m1) / 1e6
        assert printed(value, shown) == shown, (name, size, value)


@pytest.mark.parametrize("ratio", STATIC_AC)
def test_static_ac_pays_for_no_m1(ratio):
    for size, shown in STATIC_AC[ratio].items():
        value = flops.flops_per_byte(flops.NOMINAL_PARAMETERS[size], ratio) / 1e6
        assert printed(value, shown) == shown


@pytest.mark.parametrize(
    "size, shown", list(zip(SIZES, (11.69, 52.82, 188.37, 934.84), strict=True))
)
def test_sentencepiece_within_a_twentieth_of_a_percent(size, shown):
    value = flops.flops_per_byte(flops.NOMINAL_PARAMETERS[size], 4.28) / 1e6
    # The printed figure itself is only good to half a unit of its last digit.
    assert abs(value - shown) <= 0.0005 * shown + 0.005


def test_a_ratio_of_nothing_is_refused():
    with pytest.raises(ValueError, match="positive"):
        flops.flops_per_byte(1.0, 0.0)
