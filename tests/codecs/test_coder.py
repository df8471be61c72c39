"""The plain coder, on lanes and on the host, against unbounded integers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from research.codecs.coder import coder, host_coder
from research.codecs.coder.frequencies import integer_frequencies
from tests.codecs import bigint_reference as reference

BATCH, LENGTH, WORDS = 6, 40, 24
encode = jax.jit(functools.partial(coder.encode, num_words=WORDS), static_argnums=2)
decode = jax.jit(coder.decode, static_argnums=2)
decode_step = jax.jit(coder.decode_step, static_argnums=4)
locate_in = jax.jit(coder.locate_in, static_argnums=2)
sum_below = jax.jit(coder.sum_below)


def _tables(seed: int, symbols: int, beta: int) -> np.ndarray:
    """Frequencies [B, T, A], hostile ones among them."""
    random = np.random.default_rng(seed)
    alphas = (0.005, 0.05, 1.0)
    rows = [random.dirichlet(np.full(symbols, a), size=(BATCH, LENGTH)) for a in alphas]
    chosen = np.choose(random.integers(0, 3, (BATCH, LENGTH, 1)), rows).astype(np.float32)
    frequencies = integer_frequencies(chosen, beta)
    hostile = random.random((BATCH, LENGTH)) < 0.3
    peak = np.ones(symbols, np.uint32)
    peak[random.integers(symbols)] = 2**beta - symbols + 1
    frequencies[hostile] = peak
    return frequencies


def _choose(frequencies: np.ndarray, seed: int) -> np.ndarray:
    """Symbols [B, T]: rows by chance, the likeliest ones, the first, the last."""
    random = np.random.default_rng(seed)
    sums = np.cumsum(frequencies, 2)
    point = random.integers(0, sums[0, 0, -1], (BATCH, LENGTH, 1))
    symbols = (sums <= point).sum(2)
    symbols[2] = frequencies[2].argmax(1)
    symbols[3], symbols[4] = 0, frequencies.shape[2] - 1
    symbols[5] = random.integers(0, frequencies.shape[2], LENGTH)
    return symbols


def _intervals(frequencies, symbols):
    upper = np.take_along_axis(np.cumsum(frequencies, 2), symbols[..., None], 2)[..., 0]
    size = np.take_along_axis(frequencies, symbols[..., None], 2)[..., 0]
    return (upper - size).astype(np.uint32), upper.astype(np.uint32)


def _bits(words: np.ndarray) -> str:
    return "".join(format(int(word), "032b") for word in words)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.sampled_from([(256, 14), (257, 16)]))
def test_lanes_and_host_give_the_reference_message_and_decode_it(seed, shape):
    symbols, beta = shape
    frequencies = _tables(seed, symbols, beta)
    chosen = _choose(frequencies, seed)
    lower, upper = _intervals(frequencies, chosen)
    words, num_bits = encode(jnp.asarray(lower), jnp.asarray(upper), beta)
    for row in range(BATCH):
        pairs = list(zip(lower[row].tolist(), upper[row].tolist(), strict=True))
        message = reference.encode_message(pairs, beta)
        ours = _bits(np.asarray(words[row]))
        assert num_bits[row] == len(message) and ours[: len(message)] == message
        assert "1" not in ours[len(message) :]
        assert "".join(map(str, host_coder.encode(lower[row], upper[row], beta))) == message
        information = LENGTH * beta - np.log2((upper - lower)[row]).sum()
        assert len(message) <= information * 1.001 + 2
    below = np.cumsum(frequencies, 2) - frequencies
    assert np.array_equal(decode(words, jnp.asarray(below, jnp.uint32), beta), chosen)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.sampled_from([np.uint16, np.uint32]))
def test_the_ways_from_frequencies_equal_those_from_their_sums(seed, dtype):
    frequencies = _tables(seed, 256, 14)
    chosen = _choose(frequencies, seed)
    lower, upper = _intervals(frequencies, chosen)
    words, _ = encode(jnp.asarray(lower), jnp.asarray(upper), 14)
    reader = coder.open_reader(words)
    for t in range(LENGTH):
        row = jnp.asarray(frequencies[:, t], dtype)
        assert np.array_equal(sum_below(row, jnp.asarray(chosen[:, t])), lower[:, t])
        found = locate_in(reader, row, 14)
        assert np.array_equal(found.symbol, chosen[:, t])
        assert np.array_equal(found.lower, lower[:, t])
        assert np.array_equal(found.upper, upper[:, t])
        reader = decode_step(reader, found.lower, found.upper, words, 14)


def test_a_carry_runs_through_any_number_of_ones():
    # Around one half, symbol after symbol: ones (or a one and zeros) without end; then the side is
    # chosen.
    half = (2**13 - 1, 2**13 + 1)
    for length in (LENGTH - 3, 400):
        for tail in ((0, 1), (2**14 - 1, 2**14)):
            pairs = [half] * length + [tail] * 3
            message = reference.encode_message(pairs, 14)
            lower, upper = np.array(pairs, np.uint32).T
            assert "".join(map(str, host_coder.encode(lower, upper, 14))) == message
            if len(pairs) == LENGTH:
                words, num_bits = encode(*_lanes(lower, upper), 14)
                assert _bits(words[0])[: int(num_bits[0])] == message


def _lanes(lower, upper):
    """The same symbols in every row."""
    return [jnp.asarray(np.tile(x, (BATCH, 1)), jnp.uint32) for x in (lower, upper)]


def test_padding_changes_nothing():
    random = np.random.default_rng(0)
    lower, upper = np.zeros((BATCH, LENGTH), int), np.full((BATCH, LENGTH), 2**14)
    for row in range(BATCH):  # five symbols, at different places
        places = np.sort(random.choice(LENGTH, 5, replace=False))
        lower[row, places] = [5, 9, 700, 16000, 3]
        upper[row, places] = [6, 11, 5000, 16384, 4]
    words, num_bits = encode(jnp.asarray(lower, jnp.uint32), jnp.asarray(upper, jnp.uint32), 14)
    assert len(np.unique(num_bits)) == 1 and len(np.unique(words, axis=0)) == 1
    assert words[0].any()


def test_vmap_over_messages_equals_the_batch():
    frequencies = _tables(5, 256, 14)
    lower, upper = (jnp.asarray(x[:, 0]) for x in _intervals(frequencies, _choose(frequencies, 5)))

    @jax.jit
    def both(start):
        batched = coder.encode_step(start, lower, upper, 14)
        mapped = jax.vmap(lambda s, lo, up: coder.encode_step(s, lo, up, 14))
        return batched, mapped(start, lower, upper)

    batched, mapped = both(coder.whole(lower))
    assert jax.tree.all(jax.tree.map(np.array_equal, mapped, batched))


def test_the_compiled_host_loops_equal_their_python_source():
    frequencies = _tables(9, 257, 14)
    lower, upper = (x[0].astype(np.int64) for x in _intervals(frequencies, _choose(frequencies, 9)))
    values, widths = np.zeros((2, LENGTH + 1), np.int64)
    interval = host_coder._narrow_all([*map(int, lower)], [*map(int, upper)], 14, values, widths)
    values[-1], widths[-1] = host_coder.last_emission(*interval)
    bits = np.zeros(int(widths.sum()), np.uint8)
    host_coder._join(values, widths, bits)
    assert np.array_equal(bits, host_coder.encode(lower, upper, 14))


def test_any_bits_decode_in_bounded_time():
    frequencies = np.ones(257, np.int64)
    frequencies[0] = 2**14 - 256
    sums = np.concatenate([[0], np.cumsum(frequencies)])
    for bits in (np.zeros(40, np.uint8), np.ones(40, np.uint8), np.zeros(0, np.uint8)):
        text = host_coder.decode_static(bits, sums, 14)
        # A certain byte costs at least log2(2^14 / (2^14 - 256)) > 1/45 bit.
        assert len(text) <= 45 * (len(bits) + 2)
