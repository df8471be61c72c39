"""Divergence of compressed bit streams from uniform, by n-gram length (Figs 11, 16, 17)."""

from pathlib import Path

import numpy as np

from experiments.shared import compressors
from experiments.shared.tables import Log, Row, remarks_on, with_corpus
from research.codecs.coder.bits import ids_to_bits
from research.evaluation import statistics
from research.reporting import plots

TITLE = "Divergence of the compressed bits from uniform (Figs 11, 16, 17)"
COLUMNS = ("method", "unit", "estimate", "bits", *(f"n={n}" for n in (1, 2, 4, 8, 12, 16)))
MEANING = {
    "method": "the codec; \"random\" is numpy's generator (the paper took Python's `secrets`)",
    "unit": "n-grams overlap, tokens do not; first bits and last bits are each window's",
    "estimate": "plug-in or Miller-Madow",
    "bits": "how many were counted",
    "n": "KL from uniform for this n, bits per n-gram; the rows hold every n from 1 to 16",
}
PAPER_ROWS: list[Row] = []  # figures only, no numbers
RANDOM = "random"


def picture(path: Path, title: str, rows: list[Row], paper_rows: list) -> bool:
    """Divergence by length, n-grams and tokens; the estimate that is corrected for its bias."""
    corrected = [row for row in rows if row["estimate"] == "Miller-Madow"]
    with plots.canvas(path, (11, 5)) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for plot, unit in zip(panels, ("n-gram", "token"), strict=True):
            for row in (row for row in corrected if row["unit"] == unit):
                values = [(n, row.get(f"n={n}")) for n in range(1, 17)]
                # What is below zero is nothing but the error of the estimate.
                points = [(n, value) for n, value in values if value is not None and value > 0]
                style = {"color": "grey", "linestyle": ":"} if row["method"] == RANDOM else {}
                style |= {"marker": "o", "markersize": 4, "label": row["method"]}
                if points:
                    plot.plot(*zip(*points, strict=True), **style)
            plot.set(title=f"{unit}s", xlabel="length in bits", yscale="log")
            plot.grid(alpha=0.3)
        panels[0].set_ylabel("bits from uniform")
        panels[1].legend(fontsize=9)
        figure.suptitle(title)
    return True


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """Four rows for each stream: n-grams and tokens, plug-in and Miller-Madow. Windows have four
    more: where in them the bits are not uniform."""
    corpus = compressors.load_corpus(config.corpus)
    examples = _examples(corpus, config.text_bytes, config.example_bytes)
    streams, windows = {}, {}
    for codec_config in config.codecs:
        codec = compressors.build_codec(codec_config, config.m1, corpus, workdir, log)
        name = compressors.method(codec_config)
        with compressors.parallel(codec, config.text_bytes) as quick:
            parts = streams_of(quick, examples, codec_config.bits_per_token)
        streams[name] = np.concatenate(parts)
        if codec_config.kind == "equal_info":
            windows[name] = whole_windows(parts, codec_config.window_bits)
        log(f"{name}: {len(streams[name])} bits of {sum(map(len, examples))} bytes")
    longest = max(len(bits) for bits in streams.values())
    streams[RANDOM] = np.random.default_rng(config.seed).integers(0, 2, longest, np.uint8)
    rows = []
    for name, bits in streams.items():
        for unit, overlapping in (("n-gram", True), ("token", False)):
            divergences = {
                n: statistics.ngram_divergence(bits, n, overlapping=overlapping)
                for n in range(1, config.longest + 1)
            }
            rows += _rows(name, unit, len(bits), divergences)
    for name, bits_NxW in windows.items():
        rows += _rows_of_windows(name, bits_NxW, config.longest)
    return with_corpus(rows, corpus)


def _examples(corpus, text_bytes: int, example_bytes: int) -> list[bytes]:
    """Validation text as the paper cuts it: documents in a row, in examples of equal length."""
    text = b"\n".join(compressors.documents(corpus, "valid", text_bytes))
    starts = range(0, len(text) - example_bytes + 1, example_bytes)
    return [text[start : start + example_bytes] for start in starts]


def streams_of(codec, examples: list[bytes], bits_per_token: int) -> list[np.ndarray]:
    """The bits of each example, without those of its last token: it may be padded."""
    return [ids_to_bits(ids[:-1], bits_per_token) for ids in codec.encode(examples)]


def whole_windows(parts: list[np.ndarray], window_bits: int) -> np.ndarray:
    """The windows of all examples, uint8 [N, W]: an example's windows begin where it begins."""
    cut = [bits[: len(bits) // window_bits * window_bits] for bits in parts]
    return np.concatenate(cut).reshape(-1, window_bits)


def _rows_of_windows(name: str, bits_NxW: np.ndarray, longest: int) -> list[Row]:
    """How far the beginnings and the ends of windows are from uniform."""
    lengths = range(1, min(longest, bits_NxW.shape[1]) + 1)
    ends = {
        "first bits": {n: bits_NxW[:, :n] for n in lengths},
        "last bits": {n: bits_NxW[:, -n:] for n in lengths},
    }
    rows = []
    for unit, of_lengths in ends.items():
        divergences = {
            n: statistics.ngram_divergence(bits.reshape(-1), n, overlapping=False)
            for n, bits in of_lengths.items()
        }
        rows += _rows(name, unit, bits_NxW.size, divergences)
    return rows


def _rows(name: str, unit: str, num_bits: int, divergences: dict) -> list[Row]:
    """Both estimates of the divergences by length."""
    common = {"method": name, "unit": unit, "bits": num_bits}
    plain = {f"n={n}": divergence.plug_in for n, divergence in divergences.items()}
    corrected = {f"n={n}": divergence.miller_madow for n, divergence in divergences.items()}
    return [
        common | {"estimate": "plug-in"} | plain,
        common | {"estimate": "Miller-Madow"} | corrected,
    ]


def remarks(rows: list[Row]) -> list[str]:
    """How far each stream is from uniform, at one length."""
    corrected = {
        row["method"]: row for row in rows
        if row["unit"] == "n-gram" and row["estimate"] == "Miller-Madow"
    }
    length = next(f"n={n}" for n in (8, 4, 1) if f"n={n}" in corrected[RANDOM])
    shown = ", ".join(f"{method} {row[length]:.1e}" for method, row in corrected.items())
    return remarks_on(rows, f"bits of an n-gram lost to uniform, {length}: {shown}")
