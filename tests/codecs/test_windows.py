"""The window coder on lanes against unbounded integers, and what WINDOWS.md promises."""

import functools
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.codecs.coder import multiword
from research.codecs.coder.frequencies import integer_frequencies
from research.codecs.windows import HostWindows, WindowRules, windows
from research.errors import UsageError
from tests.codecs import bigint_reference as reference


class RandomModel:
    """Frequencies drawn by a hash of the context: flat, peaked, and hostile ones."""

    name, order = "random", None

    def __init__(self, beta: int, seed: int = 0):
        self.beta = beta
        self.seed = seed
        self.asked = 0

    @functools.cache  # noqa: B019
    def row(self, context: bytes) -> list[int]:
        random = np.random.default_rng([zlib.crc32(context), self.seed])
        if random.random() < 0.25:
            row = [1] * 256
            row[random.integers(256)] = 2**self.beta - 255
            return row
        alpha = random.choice([0.02, 0.2, 5.0])
        drawn = random.dirichlet(np.full(256, alpha)).astype(np.float32)
        return integer_frequencies(drawn, self.beta).tolist()

    def window_frequencies(self, contexts, symbols=256):
        self.asked += len(contexts)
        return np.array([self.row(context) for context in contexts], np.uint32)


def _value(digits: multiword.Digits, row: int) -> int:
    return sum(int(d[row]) << 16 * g for g, d in enumerate(digits))


@pytest.mark.parametrize(("window_bits", "beta"), [(12, 12), (16, 16), (40, 14), (128, 16)])
def test_lanes_equal_unbounded_integers(window_bits, beta):
    random = np.random.default_rng(window_bits)
    batch = 64
    interval = windows.whole(window_bits, jnp.zeros(batch))
    expected = [(0, 2 ** (window_bits + 16))] * batch
    narrow = jax.jit(windows.narrow, static_argnums=3)
    facts = jax.jit(
        lambda i: (windows.code(i), windows.has_point(i), windows.has_one_point(i),
                   windows.has_cell(i))
    )  # fmt: skip
    for _ in range(12):
        lower = random.integers(0, 2**beta, batch)
        upper = np.minimum(lower + 1 + random.geometric(0.001, batch), 2**beta)
        upper[::7] = 2**beta
        edges = jnp.asarray(np.stack([lower, upper]), jnp.uint32)
        interval = narrow(interval, edges[0], edges[1], beta)
        expected = [
            reference.child(*e, int(lo), int(up), beta)
            for e, lo, up in zip(expected, lower, upper, strict=True)
        ]
        code, some, one, cell = facts(interval)
        for row, (low, width) in enumerate(expected):
            assert _value(interval.low, row) == low and _value(interval.range, row) == width
            point = reference.point_code(low, width)
            assert bool(some[row]) == (point is not None)
            assert bool(cell[row]) == (reference.cell_code(low, width) is not None)
            only = point is not None and (point + 1) << 16 >= low + width
            assert bool(one[row]) == only
            assert point is None or _value(code, row) == point


def test_locate_finds_the_child_that_holds_the_point():
    beta, batch = 14, 256
    random = np.random.default_rng(3)
    frequencies = np.array([RandomModel(beta).row(bytes([n])) for n in range(batch)])
    sums = np.concatenate([np.zeros((batch, 1), int), np.cumsum(frequencies, 1)], 1)
    table = jnp.asarray(sums, jnp.uint32)
    codes = random.integers(0, 2**32, batch)
    target = multiword.unstack(
        jnp.asarray([[c & 0xFFFF, c >> 16, 0] for c in codes.tolist()], jnp.uint32)
    )
    whole = windows.whole(32, jnp.zeros(batch))
    found = windows.locate(
        whole, target, lambda index: table[jnp.arange(batch), index], beta, 256
    )
    for row, code in enumerate(codes.tolist()):
        limit = (code << 16) * 2**beta // 2**48
        symbol = int(np.searchsorted(sums[row], limit, "right")) - 1
        assert found.symbol[row] == symbol
        assert (found.lower[row], found.upper[row]) == (sums[row][symbol], sums[row][symbol + 1])


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.binary(max_size=24),
    st.integers(0, 99),
    st.sampled_from([(12, 12), (16, 14), (16, 16), (24, 14), (64, 16)]),
    st.sampled_from(["point+delay", "point", "dyadic"]),
)
def test_host_windows_equal_the_definition(text, seed, shape, closing):
    window_bits, beta = shape
    model = RandomModel(beta, seed)
    coder = HostWindows(model, WindowRules(window_bits, beta, closing))
    coded = coder.encode([text, text])[1]
    pairs = list(zip(coded.codes, coded.lengths_N.tolist(), strict=True))
    assert pairs == reference.encode_windows(text, model.row, window_bits, beta, closing)
    if closing == "point+delay":
        decoded, lengths = coder.decode([coded.codes_NxG])[0]
        assert decoded == text and lengths.tolist() == coded.lengths_N.tolist()


@pytest.mark.parametrize("seed", [0, 1])
def test_all_codes_of_a_small_window_are_a_codebook(seed):
    """WINDOWS.md 2, 3, 4 and 5 on every code there is."""
    model = RandomModel(12, seed)
    coder = HostWindows(model, WindowRules(12, 12))
    codes = np.arange(2**12, dtype=np.uint32)[:, None]
    strings = [text for text, _ in coder.decode(list(codes[:, None]))]
    assert all(strings) and len(set(strings)) == 2**12
    for code, coded in enumerate(coder.encode(strings)):
        assert coded.codes == [code]
    book = {text: code for code, text in enumerate(strings)}
    assert all(bytes([byte]) in book for byte in range(256))
    for code in range(0, 2**12, 331):
        assert reference.decode_window(code, model.row, 12, 12) == strings[code]
    random = np.random.default_rng(seed)
    text = b"".join(strings[n] for n in random.integers(0, 2**12, 100)) + random.bytes(50)
    longest, start = [], 0
    while start < len(text):
        size = next(n for n in range(60, 0, -1) if text[start : start + n] in book)
        longest.append(book[text[start : start + size]])
        start += size
    assert coder.encode([text])[0].codes == longest


def test_zero_bytes_cost_a_bounded_number_of_steps_each():
    """Zeros never move `low`; a window looks ahead only until one point is left."""

    # (1 - 255/2^12)^n brings 2^12 points to one: n = 12 ln 2 / -ln(1 - 255/2^12) < 130.
    coder = HostWindows(_Zeros(12), WindowRules(12, 12))
    coder._known = _Forgetful()
    steps = [_count_steps(coder, bytes(size)) for size in (400, 800)]
    assert steps[0] <= 130 * 400 and steps[1] - steps[0] <= 130 * 400
    # And windows that were seen before are not walked again.
    model = _Zeros(12)
    coded = HostWindows(model, WindowRules(12, 12)).encode([bytes(100_000)])[0]
    assert coded.lengths_N.tolist() == [1] * 100_000 and model.asked <= 130


class _Zeros(RandomModel):
    """Nothing but zero bytes is likely."""

    def window_frequencies(self, contexts, symbols=256):
        self.asked += len(contexts)
        row = np.ones((len(contexts), 256), np.uint32)
        row[:, 0] = 2**self.beta - 255
        return row


class _Forgetful(dict):
    """Remembers no window, so that each is walked again."""

    def __setitem__(self, key, value):
        del key, value


def _count_steps(coder: HostWindows, text: bytes) -> int:
    walk = coder._encode(text)
    row = np.concatenate([[0], 2**12 - 255 + np.arange(256)]).astype(np.int64)
    steps = 0
    try:
        next(walk)
        while True:
            steps += 1
            walk.send(row)
    except StopIteration:
        return steps


def test_wrong_options_are_refused():
    for options in ((10, 10), (136, 14), (12, 14), (16, 17)):
        with pytest.raises(UsageError):
            WindowRules(*options)
    with pytest.raises(UsageError, match="closing"):
        WindowRules(16, 14, "round")
    with pytest.raises(UsageError, match="reset"):
        WindowRules(16, 14, reset="sometimes")
