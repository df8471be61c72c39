"""Trains the shipped codebooks `english-b16` and `english-dictionary`, and records what was tried.

    python -m experiments.compressed_text.train_english_codebook --data DIR [--candidates]

DIR (default: $FREEVOCAB_DATA) holds enwiki-2015/train-*.txt and valid.txt, and english-novels-100
with its SPLIT.tsv: 173 MB, three fifths of it encyclopaedia. Twice as much encyclopaedia would
lose more on novels than it gains. Nothing of a valid split is trained on. Everything is counting:
no seed, the same strings on any machine.

The rows are bytes of held-out text per token. `--candidates` measures first, on a sample, what the
shipped settings were chosen from: orders, smoothings, where to count, precisions, a Tunstall code,
dictionaries by probability, coverage and lookahead. Takes about 20 minutes with it, 15 without,
and 6 GB of memory.
"""

import argparse
import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path

from research import corpora, files
from research.codecs.byte_models import ngram_counts
from research.codecs.byte_models.ngram import SMOOTHINGS, NGramModel
from research.codecs.codebook import CodebookCodec
from research.codecs.codebook.build import compile_codebook, train_codebook
from research.codecs.codebook.dictionary import build_dictionary, train_dictionary
from research.codecs.saved import SPEC
from research.reporting import results

SHIPPED = Path(__file__).resolve().parents[2] / "research" / "codecs" / "shipped"
COLUMNS = (
    "codec", "model", "counted", "beta", "train_bytes", "strings", "longest", "enwiki", "novels",
    "seconds",
)  # fmt: skip
NOTES = (
    "enwiki and novels are bytes of held-out text per token; nothing held out was trained on.",
    "point+delay counted where windows begin beats counts from everywhere (the paper's way).",
    "A dictionary chosen by lookahead makes longer tokens than one by coverage or probability.",
)
_PIECE = 65536
Row = dict[str, object]


@dataclasses.dataclass(frozen=True)
class Config:
    """What is shipped."""

    beta: int = 16
    """Precision of english-b16's frequencies."""
    smoothing: str = "discount"
    """Of its n-gram."""
    window_rounds: int = 2
    dictionary_rounds: int = 6
    """`window_rounds`, `dictionary_rounds`: of counting where tokens begin."""
    longest: int = 32
    """Bytes of the longest string counted."""
    dictionary_size: int = 65536
    """Strings of english-dictionary."""
    sample_bytes: int = 10_000_000
    """Training text of each candidate."""


@dataclasses.dataclass(frozen=True)
class Text:
    """Documents to train on, and the held-out ones of each corpus."""

    train: list[bytes]
    held_out: dict[str, list[bytes]]

    @property
    def size(self) -> int:
        """Bytes to train on."""
        return sum(map(len, self.train))

    def sample(self, size: int) -> "Text":
        """The same with about `size` bytes to train on: every n-th piece of up to 64 KiB."""
        pieces = [
            document[start : start + _PIECE]
            for document in self.train
            for start in range(0, len(document), _PIECE)
        ]
        return Text(pieces[:: max(1, round(self.size / size))], self.held_out)

    def row(self, codec: CodebookCodec, started: float, /, **columns: object) -> Row:
        """Bytes per token on the held-out text, `columns`, and the time since `started`."""
        seconds = round(time.monotonic() - started, 1)
        held_out = {
            name: round(sum(map(len, texts)) / sum(map(len, codec.encode(texts))), 4)
            for name, texts in self.held_out.items()
        }
        longest = max(map(len, codec.token_bytes()))
        sizes = {"train_bytes": self.size, "strings": codec.vocab_size, "longest": longest}
        return columns | sizes | held_out | {"seconds": seconds}


def read(data: Path) -> tuple[Text, dict[str, dict]]:
    """The text under `data`, and what a reader of the results should know of it."""
    specs = {
        "enwiki": f"text:{data}/enwiki-2015/train-*.txt;valid={data}/enwiki-2015/valid.txt",
        "novels": f"text:{data}/english-novels-100/corpus/*.txt",
    }
    parts = {name: corpora.load(spec) for name, spec in specs.items()}
    train, held_out, facts = [], {}, {}
    for name, corpus in parts.items():
        of_part = {split: list(corpus.documents(split)) for split in ("train", "valid")}
        train += of_part["train"]
        held_out[name] = of_part["valid"]
        facts[name] = {"digest": corpus.digest} | {
            split: {"documents": len(documents), "bytes": sum(map(len, documents))}
            for split, documents in of_part.items()
        }
    return Text(train, held_out), facts


def candidates(text: Text, config: Config) -> Iterator[Row]:
    """One row for each way tried, on the text given."""
    for order in (3, 5, 7, 9):
        started = time.monotonic()
        data, offsets = ngram_counts.join(text.train)
        counts = ngram_counts.count(data, offsets, depth=order + 1, min_count=3)
        for smoothing in SMOOTHINGS if order == 7 else SMOOTHINGS[:1]:
            yield text.row(
                compile_codebook(NGramModel(counts, 14, smoothing)),
                started,
                **facts("point+delay", f"order {order}, {smoothing}", 0, 14),
            )
    started = time.monotonic()
    model = NGramModel(counts, 16)
    yield text.row(tunstall(model), started, **facts("Tunstall", "order 9", 0, 16))
    started = time.monotonic()
    codec = CodebookCodec(build_dictionary(model, config.dictionary_size))
    yield text.row(codec, started, **facts("dictionary by coverage", "order 9", 0, 16))
    for beta in (14, 16):
        for smoothing in SMOOTHINGS[:2]:
            yield from _windows(text, dataclasses.replace(config, beta=beta, smoothing=smoothing))
    for by in ("probability", "coverage", "lookahead"):
        yield from _dictionary(text, config, by)


def facts(codec: str, model: str, rounds: int, beta: int | None) -> Row:
    """The columns that say what was tried."""
    counted = f"where tokens begin, round {rounds}" if rounds else "everywhere"
    return {"codec": codec, "model": model, "counted": counted, "beta": beta}


def _windows(text: Text, config: Config, collected: list[CodebookCodec] | None = None) -> list[Row]:
    rows, started = [], time.monotonic()

    def after_round(number: int, codec: CodebookCodec) -> None:
        model = f"{'window' if number else 'order 7'}, {config.smoothing}"
        rows.append(text.row(codec, started, **facts("point+delay", model, number, config.beta)))

    codec, _ = train_codebook(
        text.train,
        beta=config.beta,
        smoothing=config.smoothing,
        rounds=config.window_rounds,
        longest=config.longest,
        name="english-b16",
        progress=after_round,
    )
    if collected is not None:
        collected.append(codec)
    return rows


def _dictionary(
    text: Text, config: Config, by: str, collected: list[CodebookCodec] | None = None
) -> list[Row]:
    rows, started = [], time.monotonic()

    def after_round(number: int, codec: CodebookCodec) -> None:
        tried = facts(f"dictionary by {by}", "counts", number, None)
        rows.append(text.row(codec, started, **tried))

    codec = train_dictionary(
        text.train,
        config.dictionary_size,
        rounds=config.dictionary_rounds,
        by=by,
        longest=config.longest,
        name="english-dictionary",
        progress=after_round,
    )
    if collected is not None:
        collected.append(codec)
    return rows


def tunstall(model: NGramModel) -> CodebookCodec:
    """The most probable leaf becomes an inner node with 256 leaves until 65,536 would be passed.

    The single bytes that are no leaves are added, so that the end of a text can be written.
    """
    leaves = {bytes((byte,)): 0.0 for byte in range(256)}
    inner = [b""]
    expanded: dict[bytes, float] = {b"": 1.0}
    while True:
        for string in inner:
            probability_A = model.probabilities([string])[0] * expanded[string]
            leaves.pop(string, None)
            leaves |= {string + bytes((b,)): p for b, p in enumerate(probability_A.tolist())}
        if len(leaves) + 255 > 65_536 - 256:
            return CodebookCodec(sorted({*leaves, *(bytes((b,)) for b in range(256))}))
        inner = [max(leaves, key=leaves.__getitem__)]
        expanded[inner[0]] = leaves[inner[0]]


def main() -> None:
    """Trains, measures, saves both codebooks and writes the record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", default=os.environ.get("FREEVOCAB_DATA"), type=Path)
    parser.add_argument("--shipped", default=SHIPPED, type=Path, help="where the codebooks go")
    parser.add_argument("--results", default=results.COMMITTED, type=Path)
    parser.add_argument("--candidates", action="store_true", help="measure the alternatives too")
    options = parser.parse_args()
    if options.data is None:
        parser.error("where is the text? give --data DIR or set FREEVOCAB_DATA")
    for name in ("english-b16", "english-dictionary"):
        files.check_out(options.shipped / name, mark=SPEC.file)
    began, config = time.monotonic(), Config()
    text, corpus_facts = read(options.data)
    rows: list[Row] = []

    def keep(row: Row) -> None:
        rows.append(row)
        print(row, flush=True)

    if options.candidates:
        for row in candidates(text.sample(config.sample_bytes), config):
            keep(row)
    codecs: list[CodebookCodec] = []
    for beta in (30 - config.beta, config.beta):  # 14 and 16, the one that is shipped last
        for row in _windows(text, dataclasses.replace(config, beta=beta), codecs):
            keep(row)
    for row in _dictionary(text, config, "lookahead", codecs):
        keep(row)
    trained_on = {
        name: {"corpus_digest": part["digest"], **part["train"]}
        for name, part in corpus_facts.items()
    }
    for codec in codecs[1:]:
        notes = codec.notes | {"trained_on": trained_on}
        CodebookCodec(codec.token_bytes(), name=codec.name, notes=notes).save(
            options.shipped / codec.name
        )
    results.record(
        "compressed_text",
        "english_b16",
        "cpu",
        rows,
        dataclasses.asdict(config) | {"corpora": corpus_facts},
        [],
        time.monotonic() - began,
        NOTES,
        options.results,
        columns=COLUMNS,
    )


if __name__ == "__main__":
    main()
