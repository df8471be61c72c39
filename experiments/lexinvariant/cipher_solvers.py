"""Error rates of cipher solvers by length: n-grams, a lexinvariant model, and both."""

import importlib.util
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.lexinvariant import cipher_probe
from experiments.shared import language_models
from experiments.shared.tables import Log, Row, pick, remarks_on, with_corpus
from research.evaluation import statistics
from research.lexinvariance.ciphers import ciphers, key_decoding, letters
from research.lexinvariance.ciphers.ciphers import Cipher
from research.lexinvariance.ciphers.solvers import climb, reference

TITLE = "Solving ciphers: symbol error rate by length"
LENGTHS = (16, 32, 64, 128, 256, 512)
_MEASURES = ("error", "interval", "precision", "solved", "seconds")
COLUMNS = (
    "solver", "knows", "condition",
    *(f"{measure} {length}" for measure in _MEASURES for length in LENGTHS), "texts",
)  # fmt: skip
MEANING = {
    "solver": "what reads the key",
    "knows": "what the solver has learned from: n-grams, model, both, or nothing but frequencies",
    "condition": "spaces left clear, or enciphered too",
    "error": "mean symbol error rate for this many enciphered symbols",
    "interval": "95 % bootstrap interval of the error, over texts",
    "precision": "share of the symbols that occur whose letter is right",
    "solved": "share of texts without an error",
    "seconds": "median for a text",
    "texts": "how many were deciphered for each number",
}
BRIEF = ("solver", "knows", "condition", *(f"error {length}" for length in LENGTHS))


def _anchor(solver: str, **errors: float) -> Row:
    figures = {f"error {name[1:]}": value for name, value in errors.items()}
    return {"solver": solver, "condition": "clear", **figures}


PAPER_ROWS: list[Row] = [
    # Not this paper's, which has no such table. Other texts (English Wikipedia), far larger models
    # and corpora; the first two as Kambhatla et al. (2018) plot and tabulate them.
    _anchor("6-gram beam of 100k (Nuhn 2013)", n16=0.61, n32=0.04, n128=0.0005),
    _anchor(
        "neural LM, beam of 100k (Kambhatla 2018)", n16=0.268, n32=0.059, n64=0.0007, n128=0.0001
    ),
]
PLOT = {
    "x": "enciphered symbols", "y": "symbol error rate", "series": ("solver",),
    "across": "error ", "panels": "condition", "log_x": True, "lines": True,
}  # fmt: skip
PEER = "subbreaker"
_ROUNDS = 200  # of subbreaker, whose own limit of 10,000 takes minutes for short texts


class Answer(NamedTuple):
    """What a solver says of a text: the letter of each symbol, and its seconds."""

    key_S: np.ndarray
    seconds: float


Solver = Callable[[Cipher, int], np.ndarray]  # (cipher, number of the text) -> key_S


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """A row for each solver, condition and length."""
    corpus = language_models.load_corpus(config.text)
    probed = cipher_probe.trained(config, workdir, log)
    train = _text(corpus, "train", config.text.train_bytes)
    held_out = _text(corpus, "valid", config.text.valid_bytes)
    log(f"counting letter {max(config.orders)}-grams")
    models = {
        alphabet: letters.count(train, alphabet, max(config.orders))
        for alphabet in map(ciphers.alphabet, config.conditions)
    }
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for condition in config.conditions:
        model = models[ciphers.alphabet(condition)]
        for length in config.lengths:
            texts = _ciphers(config, held_out, condition, length)
            logs = probed.posteriors(texts)
            for solver, knows, solve, count in _solvers(config, model, logs, length):
                answers = [_timed(solve, cipher, n) for n, cipher in enumerate(texts[:count])]
                if answers:
                    facts = {"solver": solver, "knows": knows, "condition": condition}
                    row = rows.setdefault((solver, condition), facts)
                    row |= _scores(texts, answers, length, config.seed)
            here = [row for row in rows.values() if row["condition"] == condition]
            best = _best(here, length)
            log(f"{condition}, {length}: best {best['solver']}, {_error(best, length):.4f}")
    return with_corpus(list(rows.values()), corpus)


def _error(row: Row, length: int) -> float:
    return row.get(f"error {length}", float("inf"))


def _best(rows: Sequence[Row], length: int) -> Row:
    return min(rows, key=lambda row: _error(row, length))


def _text(corpus, split: str, max_bytes: int) -> list[str]:
    from experiments.shared import compressors

    texts = compressors.documents(corpus, split, max_bytes)
    return [text.decode("utf-8", "replace") for text in texts]


def _ciphers(config, texts: list[str], condition: str, length: int) -> list[Cipher]:
    """The texts of one condition and length, under keys of their own."""
    place = ciphers.CONDITIONS.index(condition)
    rng = np.random.default_rng([config.seed, length, place])
    pieces = ciphers.windows(texts, length, config.texts, condition, rng)
    return [ciphers.renamed(ciphers.make(piece, condition, rng)) for piece in pieces]


def _solvers(config, model, logs, length) -> Iterator[tuple[str, str, Solver, int]]:
    """(name, what it knows, the solver, number of texts)."""
    every, seed = config.texts, config.seed
    yield "frequency ranks", "frequencies", lambda c, n: reference.frequency(
        c.symbols_L, model
    ).key_S, every
    yield "bigram Metropolis", "n-grams", lambda c, n: reference.metropolis(
        c.symbols_L, model, seed=seed + n
    ).key_S, every
    for order in config.orders:

        def climbed(c, n, order=order):
            return climb.solve(c.symbols_L, model, seed=seed + n, order=order).key_S

        yield f"{order}-gram climbing", "n-grams", climbed, every

    def safest(c, n):
        solution = climb.solve(c.symbols_L, model, seed=seed + n)
        sure = climb.confidence(c.symbols_L, model, solution, seed=seed + n)
        return climb.safest(sure, _counts(c))

    yield f"{max(config.orders)}-gram climbing, safest key", "n-grams", safest, every

    def beamed(c, n):
        return reference.beam_search(c.symbols_L, model, width=config.beam).key_S

    yield f"{max(config.orders)}-gram beam of {config.beam:,}", "n-grams", beamed, every
    for reading in key_decoding.READINGS:

        def read(c, n, reading=reading):
            inside_L = c.symbols_L >= 0
            return key_decoding.key(reading, logs[n][inside_L], c.symbols_L[inside_L], c.occurring)

        yield f"probe, {reading}", "model", read, every

    def both(c, n):
        start = cipher_probe.start(logs[n], c)
        return climb.solve(c.symbols_L, model, seed=seed + n, start_SxA=start).key_S

    yield f"probe, then {max(config.orders)}-gram climbing", "both", both, every
    if length >= 64 and importlib.util.find_spec(PEER) is not None:
        yield PEER, "its own quadgrams", subbreaker(), min(config.subbreaker_texts, every)


def _counts(cipher: Cipher) -> np.ndarray:
    return np.bincount(cipher.symbols_L[cipher.symbols_L >= 0], minlength=len(cipher.key_S))


def subbreaker() -> Solver:
    """PyPI's quadgram hill climber with its own English; it knows 26 letters and no spaces."""
    import importlib.resources

    from subbreaker.breaker import Breaker  # pyright: ignore[reportMissingImports]: an extra

    folder = importlib.resources.files("subbreaker") / "quadgram" / "EN.json"
    with folder.open(encoding="utf-8") as file:
        breaker = Breaker(file)

    def solve(cipher: Cipher, number: int) -> np.ndarray:
        # The symbol of an enciphered space, the 27th, is told to it and left out.
        names = [s for s in cipher.occurring if cipher.key_S[s] != ciphers.SPACE]
        of = {int(symbol): ciphers.LETTERS[i] for i, symbol in enumerate(names)}
        text = "".join(of[int(s)] for s in cipher.symbols_L if int(s) in of)
        random.seed(number)  # it draws from the module's generator
        solution = breaker.break_cipher(text, max_rounds=_ROUNDS)
        key_S = cipher.key_S.copy()
        for symbol, name in of.items():
            key_S[symbol] = ciphers.LETTERS.index(solution.alphabet[solution.key.index(name)])
        return key_S

    return solve


def _timed(solve: Solver, cipher: Cipher, number: int) -> Answer:
    started = time.perf_counter()
    key_S = solve(cipher, number)
    return Answer(np.asarray(key_S), time.perf_counter() - started)


def _scores(texts: list[Cipher], answers: list[Answer], length: int, seed: int) -> Row:
    errors, precisions = [], []
    for cipher, answer in zip(texts, answers, strict=False):
        read_L = ciphers.decipher(cipher.symbols_L, answer.key_S)
        errors.append(ciphers.symbol_error_rate(cipher, read_L))
        precisions.append(ciphers.key_precision(cipher, answer.key_S))
    means_R = statistics.resampled_means(np.asarray(errors)[:, None], seed=seed)[:, 0]
    low, high = np.quantile(means_R, (0.025, 0.975))
    return {
        f"error {length}": float(np.mean(errors)),
        f"interval {length}": f"{low:.4f} to {high:.4f}",
        f"precision {length}": float(np.mean(precisions)),
        f"solved {length}": float(np.mean(np.asarray(errors) == 0)),
        # The median: the first text pays for compiling the loops.
        f"seconds {length}": float(np.median([answer.seconds for answer in answers])),
        "texts": len(errors),
    }


def remarks(rows: list[Row]) -> list[str]:
    """Which kind of solver wins where, and what the peer costs."""
    lines: list[str | None] = []
    lengths = [n for n in LENGTHS if any(f"error {n}" in row for row in rows)]
    for condition in dict.fromkeys(row["condition"] for row in rows):
        here = [row for row in rows if row["condition"] == condition]
        ours = [row for row in here if row["solver"] != PEER]
        for length in lengths:
            parts = []
            for knows in ("n-grams", "model", "both"):
                best = _best([row for row in ours if row["knows"] == knows], length)
                parts.append(f"{knows} {_error(best, length):.4f} ({best['solver']})")
            lines.append(f"spaces {condition}, {length} symbols, best of each: " + ", ".join(parts))
        peer = pick(here, solver=PEER)
        for length in lengths:
            if peer and f"error {length}" in peer:
                best = _best([row for row in ours if "climbing" in row["solver"]], length)
                ratio = best[f"seconds {length}"] / peer[f"seconds {length}"]
                lines.append(
                    f"spaces {condition}, {length} symbols: {best['solver']} takes {ratio:.1%} of"
                    f" {PEER}'s time, errors {_error(best, length):.4f} (of {best['texts']} texts)"
                    f" against {_error(peer, length):.4f} (of {peer['texts']})"
                )
    if not any(row["solver"] == PEER for row in rows):
        lines.append(f"{PEER} was not installed: its rows are left out (pip install {PEER})")
    return remarks_on(rows, *lines)
