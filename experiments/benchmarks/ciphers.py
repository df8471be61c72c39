"""Our cipher solver against PyPI's `subbreaker`, on the same texts, each with its own English.

    python -m experiments.benchmarks.ciphers [--texts N] [--lengths 64 128 256] [--out FILE]

Texts are held-out documentation without spaces, which is all that subbreaker reads, under keys that
nobody has seen. Ours is `climb.solve` with the shipped letter 5-grams; the peer is
`Breaker.break_cipher` with its shipped English quadgrams, as its documentation has it, but stopped
after 200 rounds (its own limit, 10,000, takes minutes for short texts). One process, one core. Both
solve one text first, uncounted.
"""

import importlib.util
import time
from typing import Any

import numpy as np

from experiments.benchmarks import report
from experiments.lexinvariant import cipher_solvers
from research import corpora
from research.lexinvariance.ciphers import ciphers, letters
from research.lexinvariance.ciphers.ciphers import Cipher
from research.lexinvariance.ciphers.solvers import climb

Row = dict[str, Any]


def run(
    corpus: str = "builtin:docstrings", texts: int = 12, lengths: tuple[int, ...] = (64, 128, 256)
) -> list[Row]:
    """One row for each length: errors and seconds of both, and the ratio of the seconds."""
    held_out = corpora.load(corpus).documents("valid")
    documents = [text.decode("utf-8", "replace") for text in held_out]
    model = letters.load("none")
    solvers = {"ours": _ours(model)}
    if importlib.util.find_spec(cipher_solvers.PEER) is not None:
        peer = cipher_solvers.subbreaker()
        solvers[cipher_solvers.PEER] = lambda cipher: peer(cipher, 0)
    rows = []
    for length in lengths:
        rng = np.random.default_rng(length)
        pieces = ciphers.windows(documents, length, texts + 1, "none", rng)
        enciphered = [ciphers.renamed(ciphers.make(piece, "none", rng)) for piece in pieces]
        row: Row = {"length": length, "texts": texts}
        for name, solve in solvers.items():
            solve(enciphered[0])
            started = time.process_time()
            keys = [solve(cipher) for cipher in enciphered[1:]]
            row[f"seconds_{name}"] = (time.process_time() - started) / texts
            row[f"errors_{name}"] = float(
                np.mean([_error(c, key) for c, key in zip(enciphered[1:], keys, strict=True)])
            )
        if "subbreaker" in solvers:
            row["times_faster"] = row["seconds_subbreaker"] / row["seconds_ours"]
        rows.append({name: _short(value) for name, value in row.items()})
    return rows


def _ours(model):
    return lambda cipher: climb.solve(cipher.symbols_L, model, seed=0).key_S


def _error(cipher: Cipher, key_S: np.ndarray) -> float:
    return ciphers.symbol_error_rate(cipher, ciphers.decipher(cipher.symbols_L, key_S))


def _short(value):
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main() -> None:
    """Reads the command line, prints the rows and writes them."""
    report.main("ciphers", run, __doc__)


if __name__ == "__main__":
    main()
