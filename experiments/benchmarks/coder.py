"""The jitted arithmetic coder against `constriction`'s range coder, a model for every symbol.

    python -m experiments.benchmarks.coder [--lanes N] [--length N] [--cores N] [--out FILE]

Both code the same symbols with the same distributions over 256 bytes, another one for each symbol.
`constriction` runs by its documented fast path: one `RangeEncoder.encode(symbols, family,
probabilities)` with `Categorical(perfect=False)`, a float32 row for each symbol, one thread. Ours
takes cumulative frequencies (14 bits) as uint16; the rows "sums included" start from frequencies.
The process is held to `--cores` (default 1) before either starts; both are warmed up and timed in
turn, and the best of the repeats counts. Expected: several times `constriction`'s speed both ways.
"""

import functools
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.benchmarks import report

Row = dict[str, Any]
ALPHABET, BETA = 256, 14


def run(lanes: int = 2048, length: int = 64, repeats: int = 5, cores: int = 1) -> list[Row]:
    """One row per way and direction: million symbols per second, and our multiple of the peer."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    frequencies, symbols = _data(lanes, length)
    ways = {**_ours(frequencies, symbols), **_peer(frequencies, symbols)}
    best = dict.fromkeys(ways, float("inf"))
    for call in ways.values():
        call()  # compiles, warms up
    for _ in range(repeats):
        for name, call in ways.items():
            started = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - started)
    bits = float(np.mean(BETA - np.log2(np.take_along_axis(frequencies, symbols[..., None], 2))))
    rows = []
    for (way, direction), seconds in best.items():
        speed = symbols.size / seconds / 1e6
        peer = symbols.size / best["constriction", direction] / 1e6
        rows.append(
            {"coder": way, "direction": direction, "million_symbols_per_second": round(speed, 2)}
            | {"times_constriction": round(speed / peer, 2), "bits_per_symbol": round(bits, 3)}
            | {"symbols": symbols.size, "lanes": lanes, "cores": cores}
        )
    return rows


def _data(lanes: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies [B, T, A] and symbols drawn from them, [B, T]."""
    from research.codecs.coder.frequencies import integer_frequencies

    random = np.random.default_rng(0)
    drawn = random.dirichlet(np.full(ALPHABET, 0.05), size=4096).astype(np.float32)
    frequencies = integer_frequencies(drawn, BETA)[random.integers(0, 4096, (lanes, length))]
    points = random.integers(0, 1 << BETA, (lanes, length, 1))
    return frequencies, (np.cumsum(frequencies, axis=2) <= points).sum(axis=2)


def _ours(frequencies: np.ndarray, symbols: np.ndarray) -> dict[tuple[str, str], Callable]:
    import jax
    import jax.numpy as jnp

    from research.codecs.coder import coder

    upper = np.cumsum(frequencies, axis=2, dtype=np.uint32)
    below = jnp.asarray(upper - frequencies, jnp.uint16)
    at = symbols[..., None]
    top = jnp.asarray(np.take_along_axis(upper, at, 2)[..., 0])
    size = jnp.asarray(np.take_along_axis(frequencies, at, 2)[..., 0])
    table = jnp.asarray(np.swapaxes(frequencies, 0, 1), jnp.uint16)
    chosen = jnp.asarray(symbols, jnp.int32)
    words = symbols.shape[1] * 18 // 32 + 1
    encode = jax.jit(functools.partial(coder.encode, beta=BETA, num_words=words))
    decode = jax.jit(functools.partial(coder.decode, beta=BETA))

    lane = jnp.arange(symbols.shape[0], dtype=jnp.uint32)

    # One time step after the other, so that the sums stay in the cache.
    @jax.jit
    def encode_all(frequencies_TxBxA, chosen):
        def look_up(step):
            row_BxA, symbol = step
            lower = coder.sum_below(row_BxA, symbol)
            return lower, lower + row_BxA[lane, symbol]

        lower, upper = jax.lax.map(look_up, (frequencies_TxBxA, chosen.T))
        return coder.encode(lower.T, upper.T, BETA, words)

    @jax.jit
    def decode_all(message, frequencies_TxBxA):
        def step(reader, row_BxA):
            found = coder.locate_in(reader, row_BxA, BETA)
            reader = coder.decode_step(reader, found.lower, found.upper, message, BETA)
            return reader, found.symbol

        return jax.lax.scan(step, coder.open_reader(message), frequencies_TxBxA)[1].T

    @jax.jit
    def decode_by_comparing(message, below):
        def step(reader, row_BxA):
            starts = jax.vmap(coder._part, (None, 1, None), 1)(reader.range, row_BxA, BETA)
            symbol = jnp.sum(starts <= reader.offset[:, None], axis=1) - 1
            lower = jnp.take_along_axis(row_BxA, symbol[:, None], axis=1)[:, 0]
            after = jnp.minimum(symbol + 1, ALPHABET - 1)[:, None]
            next_ = jnp.take_along_axis(row_BxA, after, axis=1)[:, 0]
            upper = jnp.where(symbol == ALPHABET - 1, jnp.uint32(1 << BETA), next_)
            return coder.decode_step(reader, lower, upper, message, BETA), symbol

        rows = jnp.swapaxes(below, 0, 1).astype(jnp.uint32)
        return jax.lax.scan(step, coder.open_reader(message), rows)[1].T

    message, _ = encode(top - size, top)
    if not np.array_equal(message, encode_all(table, chosen)[0]):
        raise AssertionError("the two encoders differ")
    ways = decode(message, below), decode_by_comparing(message, below), decode_all(message, table)
    for decoded in ways:
        if not np.array_equal(decoded, symbols):
            raise AssertionError("the coder did not decode what it encoded")
    done = jax.block_until_ready
    return {
        ("freevocab", "encode"): lambda: done(encode(top - size, top)),
        ("freevocab", "decode"): lambda: done(decode(message, below)),
        ("freevocab, sums included", "encode"): lambda: done(encode_all(table, chosen)),
        ("freevocab, sums included", "decode"): lambda: done(decode_all(message, table)),
        ("freevocab comparing all 256", "decode"): lambda: done(
            decode_by_comparing(message, below)
        ),
    }


def _peer(frequencies: np.ndarray, symbols: np.ndarray) -> dict[tuple[str, str], Callable]:
    import constriction  # pyright: ignore[reportMissingImports]: an extra

    model, queue = constriction.stream.model, constriction.stream.queue

    probabilities = (frequencies.reshape(-1, ALPHABET) / (1 << BETA)).astype(np.float32)
    flat = symbols.reshape(-1).astype(np.int32)
    family = model.Categorical(perfect=False)

    def encode():
        encoder = queue.RangeEncoder()
        encoder.encode(flat, family, probabilities)
        return encoder.get_compressed()

    message = encode()
    return {
        ("constriction", "encode"): encode,
        ("constriction", "decode"): lambda: queue.RangeDecoder(message).decode(
            family, probabilities
        ),
    }


def main() -> None:
    """Reads the command line, prints the rows and writes them."""
    report.main("coder", run, __doc__)


if __name__ == "__main__":
    main()
