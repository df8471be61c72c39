"""Our cipher solver beside PyPI's `subbreaker`, on the same texts, each with its own English.

    python -m experiments.benchmarks.ciphers [--texts N] [--lengths 64 128 256] [--out FILE]

Texts are held-out documentation without spaces, which is all that subbreaker reads, under keys that
nobody has seen. Ours is `climb.solve` with the shipped letter 5-grams; the peer is
`Breaker.break_cipher` with its shipped English quadgrams, as its documentation has it, but stopped
after 200 rounds (its own limit, 10,000, takes minutes for short texts). One process, one core. Both
solve one text first, uncounted.
"""

import argparse
import importlib.util
import random
import time
from typing import Any

import numpy as np

from experiments.benchmarks.report import finish
from research import corpora
from research.lexinvariance.ciphers import ciphers, letters
from research.lexinvariance.ciphers.ciphers import Cipher
from research.lexinvariance.ciphers.solvers import climb

Row = dict[str, Any]
ROUNDS = 200


def run(corpus: str, texts: int, lengths: list[int]) -> list[Row]:
    """One row for each length: errors and seconds of both, and the ratio of the seconds."""
    held_out = corpora.load(corpus).documents("valid")
    documents = [text.decode("utf-8", "replace") for text in held_out]
    model = letters.load("none")
    solvers = {"ours": _ours(model)}
    if importlib.util.find_spec("subbreaker") is not None:
        solvers["subbreaker"] = _peer()
    rows = []
    for length in lengths:
        rng = np.random.default_rng(length)
        pieces = ciphers.windows(documents, length, texts + 1, "none", rng)
        made = [ciphers.renamed(ciphers.make(piece, "none", rng)) for piece in pieces]
        row: Row = {"length": length, "texts": texts}
        for name, solve in solvers.items():
            solve(made[0])
            started = time.process_time()
            keys = [solve(cipher) for cipher in made[1:]]
            row[f"seconds_{name}"] = (time.process_time() - started) / texts
            row[f"errors_{name}"] = float(
                np.mean([_error(c, key) for c, key in zip(made[1:], keys, strict=True)])
            )
        if "subbreaker" in solvers:
            row["times_faster"] = row["seconds_subbreaker"] / row["seconds_ours"]
        rows.append({name: _short(value) for name, value in row.items()})
    return rows


def _ours(model):
    return lambda cipher: climb.solve(cipher.symbols_L, model, seed=0).key_S


def _peer():
    import importlib.resources

    from subbreaker.breaker import Breaker  # pyright: ignore[reportMissingImports]: an extra

    file = importlib.resources.files("subbreaker") / "quadgram" / "EN.json"
    with file.open(encoding="utf-8") as opened:
        breaker = Breaker(opened)

    def solve(cipher: Cipher) -> np.ndarray:
        text = "".join(ciphers.LETTERS[symbol] for symbol in cipher.symbols_L)
        random.seed(0)  # it draws from the module's generator
        found = breaker.break_cipher(text, max_rounds=ROUNDS)
        places = [found.key.index(ciphers.LETTERS[s]) for s in range(len(cipher.key_S))]
        return np.asarray([ciphers.LETTERS.index(found.alphabet[place]) for place in places])

    return solve


def _error(cipher: Cipher, key_S: np.ndarray) -> float:
    return ciphers.symbol_error_rate(cipher, ciphers.decipher(cipher.symbols_L, key_S))


def _short(value):
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main() -> None:
    """Reads the command line and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--corpus", default="builtin:docstrings")
    parser.add_argument("--texts", type=int, default=12)
    parser.add_argument("--lengths", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--out")
    options = vars(parser.parse_args())
    out = options.pop("out")
    finish("ciphers", run(**options), options, [0], out)


if __name__ == "__main__":
    main()
