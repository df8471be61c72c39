"""How stable a sentence's tokens are under another word before it (Figure 8)."""

import re
from collections import Counter
from pathlib import Path

import numpy as np

from experiments.shared import compressors
from experiments.shared.tables import Clock, Log, Row, remarks_on, with_corpus
from research.evaluation.statistics import pairwise_levenshtein
from research.reporting import plots

TITLE = "Stability of tokens under another first word (Fig 8)"
COLUMNS = (
    "method",
    "vocabulary",
    "tokens",
    "mean_distance",
    "least",
    "most",
    "share_changed",
    "seconds",
)
MEANING = {
    "tokens": "mean length of the sequences",
    "mean_distance": "mean Levenshtein distance over all pairs of words",
    "least": "of the distances",
    "most": "of the distances",
    "share_changed": "mean distance over mean length",
}
PAPER_ROWS: list[Row] = []  # a figure without numbers


def picture(path: Path, title: str, rows: list[Row], paper_rows: list) -> bool:
    """The share of tokens that change, with the pairs of words that change least and most."""
    with plots.canvas(path, (8, 4)) as figure:
        plot = figure.subplots()
        for at, row in enumerate(reversed(rows)):
            least, most = row["least"] / row["tokens"], row["most"] / row["tokens"]
            plot.plot([least, most], [at, at], color="grey", linewidth=2)
            plot.plot([row["share_changed"]], [at], "o", color="tab:blue", markersize=7)
        plot.set_yticks(range(len(rows)), [row["method"] for row in reversed(rows)])
        plot.set(title=title, xlim=(0, 1.1), xlabel="share of a sentence's tokens that change: mean"
                 " over pairs of words, least and most")  # fmt: skip
        plot.grid(axis="x", alpha=0.3)
    return True


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """One row for each codec."""
    corpus = compressors.load_corpus(config.corpus)
    texts = [word + b" " + config.sentence.encode() for word in drawn_words(corpus, config)]
    rows = []
    for codec_config in config.codecs:
        clock = Clock()
        codec = compressors.build_codec(codec_config, config.m1, corpus, workdir, log)
        sequences = codec.encode(texts)
        distances = pairwise_levenshtein(sequences)
        length = sum(map(len, sequences)) / len(sequences)
        rows.append({
            "method": compressors.method(codec_config),
            "vocabulary": codec.vocab_size,
            "tokens": length,
            "mean_distance": float(distances.mean()),
            "least": int(distances.min()),
            "most": int(distances.max()),
            "share_changed": float(distances.mean()) / length,
            "seconds": clock.seconds(),
        })
        log(f"{rows[-1]['method']}: {rows[-1]['mean_distance']:.2f} of {length:.1f} tokens change")
    return with_corpus(rows, corpus)


def drawn_words(corpus, config) -> list[bytes]:
    """config.num_words of the training text's config.among commonest words, the commonest first."""
    words = common_words(corpus, config.among)
    chosen = np.random.default_rng(config.seed).choice(len(words), config.num_words, replace=False)
    return [words[index] for index in sorted(chosen)]


def common_words(corpus, count: int) -> list[bytes]:
    """The most frequent words of the training text; of equally frequent ones, by the alphabet."""
    words: Counter[bytes] = Counter()
    for text in compressors.documents(corpus, "train", compressors.TOKENIZER_BYTES):
        words.update(re.findall(rb"\b[A-Za-z]{2,}\b", text))
    return sorted(words, key=lambda word: (-words[word], word))[:count]


def remarks(rows: list[Row]) -> list[str]:
    """How many of a sentence's tokens another first word changes."""
    shown = ", ".join(f"{row['method']} {row['share_changed']:.3f}" for row in rows)
    return remarks_on(rows, f"share of tokens that change: {shown}")
