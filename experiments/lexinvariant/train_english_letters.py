"""Counts the shipped letter n-grams of English, and records what they are worth.

    python -m experiments.lexinvariant.train_english_letters --data DIR

DIR (default: $FREEVOCAB_DATA) holds enwiki-2015/train-*.txt and valid.txt, enwiki-2015-more/*.txt
and english-novels-100 with its SPLIT.tsv: 308 MB of encyclopaedia and 71 MB of novels; the ASCII
model also counts the code of the running Python. A novel counts four times, so that the two kinds
of English weigh about the same: more encyclopaedia alone would lose on novels. Nothing of a valid
split is counted. No seed: the same files on any machine with the same text.

The rows are bits of held-out text per enciphered symbol, for each condition of a cipher and each
order, before and after the counts were rounded for the file. Takes about two minutes on one core
and 3 GB of memory.
"""

import argparse
import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from research import corpora
from research.corpora import Corpus
from research.lexinvariance.ciphers import ciphers, letters, letters_file
from research.lexinvariance.ciphers.letters import LetterNGrams
from research.reporting import results

COLUMNS = (
    "model", "condition", "letters", "order", "smoothing", "weights", "counts", "enwiki",
    "novels", "code", "ngrams", "file_bytes", "seconds",
)  # fmt: skip
NOTES = (
    "enwiki, novels and code are bits of held-out text per enciphered symbol; nothing held out "
    "was counted.",
    "In the condition clear the spaces are known: only letters cost, given that they are none.",
    "Rounding counts to levels of 7 % costs less than 0.001 bits.",
    "Interpolated Kneser-Ney beats Witten-Bell by a few thousandths of a bit at the highest order.",
)
Row = dict[str, object]


@dataclasses.dataclass(frozen=True)
class Config:
    """What is counted and shipped."""

    order: int = 5
    """Of the two models of a to z; ascii_order: of that of the printable characters."""
    ascii_order: int = 3
    smoothing: str = "kneser-ney"
    """Of all."""
    novels: int = 4
    code: int = 4
    """`novels`, `code`: how often their n-grams count; encyclopaedia counts once."""


@dataclasses.dataclass(frozen=True)
class Text:
    """Corpora to count with how often each counts, and those whose held-out text is scored."""

    train: dict[str, tuple[Corpus, int]]
    held_out: dict[str, Corpus]

    @property
    def weights(self) -> str:
        """What counts more than once."""
        more = [f"{kind} {times} times" for kind, (_, times) in self.train.items() if times > 1]
        return ", ".join(more)

    def tallies(self, alphabet: str, order: int) -> tuple[Any, Any]:
        """Counts of the train splits, int64 [A] * order: every corpus once, and as weighted."""
        once = weighted = np.int64(0)
        for corpus, times in self.train.values():
            counts = letters.tally(corpus.documents("train"), alphabet, order)
            once, weighted = once + counts, weighted + times * counts
        return once, weighted


def read(data: Path, config: Config) -> tuple[Text, Text]:
    """The text of the models of a to z, and that of the ASCII model."""
    valid = f"valid={data}/enwiki-2015/valid.txt"
    enwiki = corpora.load(f"text:{data}/enwiki-2015/train-*.txt;{valid}")
    # Its own files are all train.
    more = corpora.load(f"text:{data}/enwiki-2015-more/*.txt;{valid}")
    novels = corpora.load(f"text:{data}/english-novels-100/corpus/*.txt")
    code = corpora.load("builtin:code")
    english = Text(
        {"enwiki": (enwiki, 1), "enwiki-more": (more, 1), "novels": (novels, config.novels)},
        {"enwiki": enwiki, "novels": novels},
    )
    return english, Text(
        english.train | {"code": (code, config.code)}, english.held_out | {"code": code}
    )


def bits(model: LetterNGrams, condition: str, texts_N: list[np.ndarray]) -> float:
    """Bits per enciphered symbol.

    Args:
      condition: of `ciphers`, or "ascii", where all symbols are enciphered.
      texts_N: each the ids of one text.
    """
    total, symbols = 0.0, 0
    for ids_L in texts_N:
        logs_L = letters.log_likelihoods(model, ids_L)
        if condition == "clear":
            spaces_L = _space_logs(model, ids_L)
            inside_L = ids_L != ciphers.SPACE
            logs_L = (logs_L - np.log1p(-np.exp(spaces_L)))[inside_L]
        total -= float(logs_L.sum())
        symbols += len(logs_L)
    return total / symbols / float(np.log(2))


def _space_logs(model, ids_L):
    """ln p(space) at each place, float64 [L]."""
    every, n = (*model.lower, model.log_p), model.order
    logs_L = np.empty(len(ids_L))
    for place in range(min(n - 1, len(ids_L))):
        logs_L[place] = every[place][(*ids_L[:place], ciphers.SPACE)]
    rest = max(0, len(ids_L) - n + 1)
    context = tuple(ids_L[k : k + rest] for k in range(n - 1))
    logs_L[len(ids_L) - rest :] = model.log_p[(*context, ciphers.SPACE)]
    return logs_L


def rows_of(
    name: str,
    alphabet: str,
    conditions: tuple[str, ...],
    text: Text,
    config: Config,
    shipped: Path,
) -> Iterator[Row]:
    """Counts one model, yields what it is worth, and writes its file."""
    order = config.ascii_order if name == "english-ascii" else config.order
    began = time.monotonic()
    held_out = {
        kind: [letters.ids(each, alphabet) for each in corpus.documents("valid")]
        for kind, corpus in text.held_out.items()
    }

    def rows(model: LetterNGrams, **facts: object) -> Iterator[Row]:
        for condition in conditions:
            costs = {
                kind: round(bits(model, condition, texts), 4) for kind, texts in held_out.items()
            }
            yield {
                "model": name,
                "condition": condition,
                "letters": len(alphabet),
                "order": model.order,
                "smoothing": config.smoothing,
                "weights": text.weights,
                "counts": "exact",
                **facts,
                **costs,
                "seconds": round(time.monotonic() - began, 1),
            }

    once, counts = text.tallies(alphabet, order)
    facts = {"ngrams": np.count_nonzero(counts)}
    model = letters.smooth(once, alphabet, config.smoothing)
    yield from rows(model, weights="all once", **facts)
    model = letters.smooth(counts, alphabet, "witten-bell")
    yield from rows(model, smoothing="witten-bell", **facts)
    model = letters.smooth(counts, alphabet, config.smoothing)
    for shorter in range(1, order + 1):
        yield from rows(model.shorter(shorter), **(facts if shorter == order else {}))
    trained_on = {
        kind: {"digest": corpus.digest, "times": weight}
        for kind, (corpus, weight) in text.train.items()
    }
    path = shipped / f"{name}.bin"
    letters_file.write(path, counts, alphabet, config.smoothing, {"trained_on": trained_on})
    saved = letters_file.read(path)
    model = letters.smooth(saved.counts, saved.alphabet, saved.smoothing)
    yield from rows(model, counts="as shipped", file_bytes=path.stat().st_size, **facts)


def main() -> None:
    """Counts, measures, writes the three files and the record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", default=os.environ.get("FREEVOCAB_DATA"), type=Path)
    parser.add_argument("--shipped", default=letters.SHIPPED, type=Path, help="for the files")
    parser.add_argument("--results", default=results.COMMITTED, type=Path)
    options = parser.parse_args()
    if options.data is None:
        parser.error("where is the text? give --data DIR or set FREEVOCAB_DATA")
    began, config = time.monotonic(), Config()
    english, with_code = read(options.data, config)
    rows: list[Row] = []
    for name, alphabet, conditions, text in (
        ("english-letters", ciphers.LETTERS + " ", ("clear", "enciphered"), english),
        ("english-letters-no-spaces", ciphers.LETTERS, ("none",), english),
        ("english-ascii", letters.ASCII, ("ascii",), with_code),
    ):
        for row in rows_of(name, alphabet, conditions, text, config, options.shipped):
            rows.append(row)
            print(row, flush=True)
    facts = {
        kind: {"digest": corpus.digest, "times": weight, "bytes": _size(corpus, "train")}
        for kind, (corpus, weight) in with_code.train.items()
    }
    held_out = {
        kind: {"digest": corpus.digest, "bytes": _size(corpus, "valid")}
        for kind, corpus in with_code.held_out.items()
    }
    results.record(
        "lexinvariant",
        "english_letters",
        "cpu",
        rows,
        dataclasses.asdict(config) | {"trained_on": facts, "held_out": held_out},
        [],
        time.monotonic() - began,
        NOTES,
        options.results,
        columns=COLUMNS,
    )


def _size(corpus, split):
    return sum(map(len, corpus.documents(split)))


if __name__ == "__main__":
    main()
