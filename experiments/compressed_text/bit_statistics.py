"""Divergence of compressed bit streams from uniform, by n-gram length (Figs 11, 16, 17)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.compressed_text import compressors, encoding, setting, wording
from research.codecs.bits import ids_to_bits
from research.evaluation import statistics
from research.reporting import plots

TITLE = "Divergence of the compressed bits from uniform (Figs 11, 16, 17)"
COLUMNS = ("method", "unit", "estimate", "bits", *(f"n={n}" for n in (1, 2, 4, 8, 12, 16)))
"""unit: n-grams overlap, tokens do not. estimate: plug-in or Miller-Madow. n=...: KL from uniform,
bits per n-gram; the rows hold every n from 1 to 16. method "random" is numpy's generator (the
paper took Python's `secrets`)."""
PAPER_ROWS: list[dict[str, Any]] = []  # figures only, no numbers
RANDOM = "random"


def picture(path: Path, title: str, rows: list[dict[str, Any]], paper_rows: list) -> bool:
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


def run(config, *, workdir: Path, log: Callable[[str], None]) -> list[dict[str, Any]]:
    """Four rows for each stream: n-grams and tokens, plug-in and Miller-Madow."""
    corpus = setting.load_corpus(config.corpus)
    examples = _examples(corpus, config.text_bytes, config.example_bytes)
    streams = {}
    for codec_config in config.codecs:
        codec = compressors.build_codec(codec_config, config.m1, corpus, workdir, log)
        name = compressors.method(codec_config)
        with encoding.shared(codec, config.text_bytes) as quick:
            streams[name] = stream(quick, examples, codec_config.bits_per_token)
        log(f"{name}: {len(streams[name])} bits of {sum(map(len, examples))} bytes")
    longest = max(len(bits) for bits in streams.values())
    streams[RANDOM] = np.random.default_rng(config.seed).integers(0, 2, longest, np.uint8)
    rows = [row for name, bits in streams.items() for row in _rows(name, bits, config.longest)]
    return setting.with_corpus(rows, corpus)


def _examples(corpus, text_bytes: int, example_bytes: int) -> list[bytes]:
    """Validation text as the paper cuts it: documents in a row, in examples of equal length."""
    text = b"\n".join(compressors.documents(corpus, "valid", text_bytes))
    starts = range(0, len(text) - example_bytes + 1, example_bytes)
    return [text[start : start + example_bytes] for start in starts]


def stream(codec, examples: list[bytes], bits_per_token: int) -> np.ndarray:
    """The bits of all examples in a row, without the last token of each: it may be padded."""
    ids = [part[:-1] for part in codec.encode(examples)]
    return ids_to_bits(np.concatenate(ids), bits_per_token)


def _rows(name: str, bits: np.ndarray, longest: int) -> list[dict[str, Any]]:
    rows = []
    for unit, overlapping in (("n-gram", True), ("token", False)):
        found = {
            f"n={n}": statistics.ngram_divergence(bits, n, overlapping=overlapping)
            for n in range(1, longest + 1)
        }
        common = {"method": name, "unit": unit, "bits": len(bits)}
        rows.append(common | {"estimate": "plug-in"} | {k: d.plug_in for k, d in found.items()})
        rows.append(
            common | {"estimate": "Miller-Madow"} | {k: d.miller_madow for k, d in found.items()}
        )
    return rows


def remarks(rows: list[dict[str, Any]]) -> list[str]:
    """How far each stream is from uniform, at one length."""
    corrected = {
        row["method"]: row for row in rows
        if row["unit"] == "n-gram" and row["estimate"] == "Miller-Madow"
    }
    length = next(f"n={n}" for n in (8, 4, 1) if f"n={n}" in corrected[RANDOM])
    shown = ", ".join(f"{method} {row[length]:.1e}" for method, row in corrected.items())
    return wording.compact(
        f"bits of an n-gram lost to uniform, {length}: {shown}", wording.text(rows)
    )
