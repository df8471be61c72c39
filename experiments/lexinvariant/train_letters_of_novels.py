"""Counts the shipped letter n-grams of German and French, and records what they are worth.

    python -m experiments.lexinvariant.train_letters_of_novels --data DIR

DIR (default: $FREEVOCAB_DATA) holds eltec-deu and eltec-fra, each with txt/*.txt and its SPLIT.tsv:
the ELTeC collections' novels of 1840 to 1920 in the public domain, 42 MB of each language. Only the
train split is counted. Umlauts, the sharp s and ligatures are spelt out (`ciphers.languages`). No
seed: the same files on any machine with the same text.

The rows are before and after the counts were rounded for the file. Takes about a minute on one
core and 2 GB of memory.
"""

import argparse
import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from experiments.lexinvariant.train_english_letters import Row, bits
from research import corpora
from research.lexinvariance.ciphers import ciphers, languages, letters, letters_file
from research.reporting import results

COLUMNS = (
    "model", "condition", "letters", "order", "smoothing", "counts", "novels", "ngrams",
    "file_bytes", "seconds",
)  # fmt: skip
NOTES = (
    "novels are bits of held-out text per enciphered symbol; nothing held out was counted.",
    "In the condition clear the spaces are known: only letters cost, given that they are none.",
)
MODELS = (("letters", ciphers.LETTERS + " "), ("letters-no-spaces", ciphers.LETTERS))


@dataclasses.dataclass(frozen=True)
class Config:
    """What is counted and shipped."""

    order: int = 5
    smoothing: str = "kneser-ney"
    folders: tuple[tuple[str, str], ...] = (("german", "eltec-deu"), ("french", "eltec-fra"))
    """Language and folder of its novels."""


def spelt_out(corpus: corpora.Corpus, split: str, language: str) -> Iterator[str]:
    """The documents of a split, without letters that a language writes as two in ciphers."""
    return (languages.spelt_out(each, language) for each in corpus.documents(split))


def rows_of(corpus: corpora.Corpus, language: str, config: Config, shipped: Path) -> Iterator[Row]:
    """Counts the two models of a language, writes their files, and yields what they are worth."""
    for name, alphabet in MODELS:
        began = time.monotonic()
        counts = letters.tally(spelt_out(corpus, "train", language), alphabet, config.order)
        path = shipped / f"{language}-{name}.bin"
        about = {"novels": {"digest": corpus.digest, "times": 1}}
        letters_file.write(path, counts, alphabet, config.smoothing, {"trained_on": about})
        saved = letters_file.read(path)
        held_out = [letters.ids(each, alphabet) for each in spelt_out(corpus, "valid", language)]
        for kind, counts_kind in (("exact", counts), ("as shipped", saved.counts)):
            model = letters.smooth(counts_kind, alphabet, config.smoothing)
            for condition in ciphers.CONDITIONS:
                if ciphers.alphabet(condition) == alphabet:
                    yield {
                        "model": path.stem,
                        "condition": condition,
                        "letters": len(alphabet),
                        "order": config.order,
                        "smoothing": config.smoothing,
                        "counts": kind,
                        "ngrams": np.count_nonzero(counts_kind),
                        "novels": round(bits(model, condition, held_out), 4),
                        "file_bytes": path.stat().st_size if kind == "as shipped" else None,
                        "seconds": round(time.monotonic() - began, 1),
                    }


def main() -> None:
    """Counts, measures, writes the files and the record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", default=os.environ.get("FREEVOCAB_DATA"), type=Path)
    parser.add_argument("--shipped", default=letters.SHIPPED, type=Path, help="for the files")
    parser.add_argument("--results", default=results.COMMITTED, type=Path)
    options = parser.parse_args()
    if options.data is None:
        parser.error("where is the text? give --data DIR or set FREEVOCAB_DATA")
    began, config = time.monotonic(), Config()
    rows: list[Row] = []
    trained_on = {}
    for language, folder in config.folders:
        corpus = corpora.load(f"text:{options.data}/{folder}/txt/*.txt")
        trained_on[language] = {
            "digest": corpus.digest, "bytes": sum(map(len, corpus.documents("train")))
        }  # fmt: skip
        for row in rows_of(corpus, language, config, options.shipped):
            rows.append(row)
            print(row, flush=True)
    results.record(
        "lexinvariant",
        "letters_of_novels",
        "cpu",
        rows,
        dataclasses.asdict(config) | {"trained_on": trained_on},
        [],
        time.monotonic() - began,
        NOTES,
        options.results,
        columns=COLUMNS,
    )


if __name__ == "__main__":
    main()
