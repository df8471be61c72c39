"""What `freevocab decipher` makes of puzzles of every kind: error rates, by length and language.

    python -m experiments.benchmarks.puzzles [--data DIR] [--texts N] [--restarts N] [--out FILE]

DIR holds english-novels-100 and eltec-deu and eltec-fra, each with its SPLIT.tsv. Texts are pieces
of novels that no shipped model has counted: English ones of the valid split, others of the test
split. Without DIR there is English alone, of the clone's novels, some of which have been counted.
Kinds: simple (a random key, spaces in the clear), solid (without spaces), numbers (`07 12 / 03`),
caesar, homophonic (54 symbols, without spaces; a letter's number of symbols by its frequency, or
`uniform`, drawn), vigenere (a key of 7 letters) and random letters. For the last two the right
answer is that there is no reading.

Measured with --seed 0, wrong letters in all of 2 texts (caesar, homophonic) or 3 (simple), the
language recognised in each: simple, 40 / 80 / 160 / 320 letters, English .017 / 0 / 0 / 0, German
0 / 0 / 0 / 0; French, 40 letters, .025. caesar, 20 and 35 letters, English and German, 0.
homophonic, 400 letters, English, 0 in 5 s of processor time. The other rows are not yet measured.
"""

import time
from typing import Any

import numpy as np

from experiments.benchmarks import report
from research import corpora
from research.lexinvariance.ciphers import ciphers, decipher, languages, shipped_solver

FOLDERS = {
    "english": "english-novels-100/corpus/*.txt",
    "german": "eltec-deu/txt/*.txt",
    "french": "eltec-fra/txt/*.txt",
}
KINDS = {
    # kind -> lengths, languages
    "simple": ((40, 80, 160, 320), languages.LANGUAGES),
    "solid": ((160, 320), languages.LANGUAGES),
    "numbers": ((160,), languages.LANGUAGES),
    "caesar": ((20, 35), languages.LANGUAGES),
    "homophonic": ((400,), languages.LANGUAGES),
    "homophonic, uniform": ((400,), ("english",)),
    "vigenere": ((240,), ("english",)),
    "random": ((240,), ("english",)),
}
SYMBOLS = [chr(0x430 + n) for n in range(32)] + [chr(0x561 + n) for n in range(30)]
HOMOPHONES, VIGENERE = 54, 7
Row = dict[str, Any]


def held_out(data: str, language: str) -> list[str]:
    """Novels that are counted nowhere, with umlauts and ligatures spelt out."""
    corpus = corpora.load(f"text:{data}/{FOLDERS[language]}" if data else "builtin:novels")
    split = "valid" if language == "english" else "test"
    return [languages.spelt_out(document, language) for document in corpus.documents(split)]


def enciphered(plain: str, kind: str, rng: np.random.Generator) -> str:
    """A puzzle as people print it.

    Args:
      plain: of `ciphers.normalise`.
    """
    if kind.startswith("homophonic"):
        return homophonic(plain, rng, uniform=kind.endswith("uniform"))
    key = rng.permutation(26)
    if kind == "numbers":
        numbers = {letter: f"{key[n] + 1:02}" for n, letter in enumerate(ciphers.LETTERS)}
        return " / ".join(" ".join(numbers[letter] for letter in word) for word in plain.split())
    ids = [ciphers.LETTERS.find(letter) for letter in plain]
    if kind == "caesar":
        key = (np.arange(26) + rng.integers(1, 26)) % 26
    shifts = rng.integers(0, 26, VIGENERE)
    out, place = [], 0
    for id_ in ids:
        if id_ < 0:
            out.append(" ")
            continue
        if kind == "vigenere":
            id_ = (id_ + shifts[place % VIGENERE]) % 26
        elif kind == "random":
            id_ = rng.integers(0, 26)
        else:
            id_ = key[id_]
        place += 1
        out.append(ciphers.LETTERS[id_].upper())
    return "".join(out)


def homophonic(plain: str, rng: np.random.Generator, *, uniform: bool) -> str:
    """Each letter replaced by one of its symbols at random, HOMOPHONES in all."""
    ids_L = ciphers.letter_ids(plain, spaces=False).astype(np.int64)
    counts_A = np.bincount(ids_L, minlength=26)
    present = np.flatnonzero(counts_A)
    symbols_A = (counts_A > 0).astype(np.int64)
    while symbols_A.sum() < HOMOPHONES:
        shares_A = counts_A / np.maximum(symbols_A, 1)
        symbols_A[rng.choice(present) if uniform else np.argmax(shares_A)] += 1
    first_A = np.cumsum(np.append(0, symbols_A))
    names = rng.permutation(SYMBOLS)
    return "".join(str(names[first_A[a] + rng.integers(symbols_A[a])]) for a in ids_L)


def errors(plain: str, found: str) -> float:
    """Share of the letters that are wrong."""
    pairs = zip(ciphers.letter_ids(plain, False), ciphers.letter_ids(found, False), strict=True)
    return float(np.mean([a != b for a, b in pairs]))


def run(
    data: str = "", texts: int = 8, restarts: int = 0, seed: int = 0, kinds: tuple[str, ...] = ("",)
) -> list[Row]:
    """One row for each kind, language and length; `restarts` 0: as long as the command does."""
    solve = shipped_solver.make(seconds=3.0, restarts=restarts or None, seed=seed)
    novels = {
        language: held_out(data, language)
        for language in languages.LANGUAGES
        if data or language == "english"
    }
    rows: list[Row] = []
    for kind in [kind for kind in KINDS if kinds == ("",) or kind in kinds]:
        lengths, tongues = KINDS[kind]
        for language in [each for each in tongues if each in novels]:
            for length in lengths:
                solid = kind == "solid" or kind.startswith("homophonic")
                rng = np.random.default_rng((seed, length))
                pieces = ciphers.windows(
                    novels[language], length, texts, "none" if solid else "clear", rng
                )
                began, results = time.process_time(), []
                for plain in pieces:
                    cipher = enciphered(plain, kind, rng)
                    found = decipher.decipher(cipher, solve, language="auto")
                    results.append((errors(plain, found.plain), found))
                rows.append(_row(kind, language, length, results) | {
                    "seconds": round((time.process_time() - began) / texts, 1)
                })  # fmt: skip
                print(rows[-1], flush=True)
    return rows


def _row(kind, language, length, results):
    wrong = [rate for rate, _ in results]
    reading = [found for _, found in results if found.reads]
    return {
        "kind": kind,
        "language": language,
        "length": length,
        "texts": len(results),
        "errors": round(float(np.mean(wrong)), 4),
        "median": round(float(np.median(wrong)), 4),
        "read": len(reading),
        "said_language": sum(found.cipher.language == language for found in reading),
        "said_right": round(float(np.mean([found.text_confidence for found in reading])), 3)
        if reading
        else None,
    }


def main() -> None:
    """Reads the command line, prints the rows and writes them."""
    report.main("puzzles", run, __doc__)


if __name__ == "__main__":
    main()
