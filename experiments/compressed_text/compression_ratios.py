"""Compression ratio, text seen, uniform and unigram bits/byte of each codec (Tables 1-3, 12)."""

import math
from pathlib import Path

import numpy as np

from experiments.shared import compressors
from experiments.shared.tables import Clock, Log, Row, remarks_on, with_corpus
from research.evaluation import per_byte
from research.training.data import example_store, token_store

FLOOR_BYTES = 50_000  # of validation text on which the floor's cost is measured
TITLE = "Compression ratios (Tables 1-3 and 12)"
COLUMNS = (
    "method",
    "vocabulary",
    "ratio",
    "bit_ratio",
    "train_bytes",
    "uniform_bpb",
    "unigram_bpb",
    "floor_bpb",
    "seconds",
)
MEANING = {
    "bit_ratio": "bits of text for each bit of its code",
    "train_bytes": "text in a training run of training_tokens",
    "uniform_bpb": "bits/byte of the uniform distribution over the ids",
    "unigram_bpb": "bits/byte of the ids' frequencies in the training text",
    "floor_bpb": (
        "bits/byte that M1's integer frequencies, at least one each, add to its own"
        " cross-entropy (at most -log2(1 - 256 / 2^beta); below zero where M1 is too"
        " sure and the floor helps)"
    ),
}


def _paper(method, ratios, trained, uniform, unigram, vocabularies=(256, 65_536)):
    return [
        {
            "method": method,
            "vocabulary": vocabulary,
            "ratio": ratio,
            "bit_ratio": 8 * ratio / math.log2(vocabulary),
            "train_bytes": seen and int(seen * 1e9),
            "uniform_bpb": uniform,
            "unigram_bpb": unigram,
        }
        for vocabulary, ratio, seen in zip(vocabularies, ratios, trained, strict=True)
    ]


PAPER_ROWS: list[Row] = [
    *_paper("Bytes", (1.0,), (26.19,), 8.000, 4.602, (256,)),
    *_paper("SentencePiece", (4.28,), (111.73,), 3.497, 2.443, (32_000,)),
    *_paper("AC", (5.49, 10.98), (143.20, 284.96), 1.457, 1.457),
    *_paper("StaticAC", (1.73, 3.46), (45.28, 90.42), 4.624, 4.624),
    *_paper("EqualInfo W=16", (2.66, 5.31), (69.57, 138.54), 3.008, 2.976),
    *_paper("EqualInfo W=24", (3.15, 6.30), (None, None), None, None),
    *_paper("EqualInfo W=32", (3.49, 6.97), (91.12, 181.56), 2.292, 2.285),
    *_paper("EqualInfo W=64", (4.16, 8.33), (108.62, 216.62), 1.923, 1.921),
    *_paper("EqualInfo W=128", (4.61, 9.22), (120.22, 239.13), 1.735, 1.735),
    *_paper("GZip", (2.23, 4.47), (58.37, 116.77), 3.587, 3.586),
]


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """One row for each codec: counted on the validation text, unigram from the train text."""
    corpus = compressors.load_corpus(config.corpus)
    rows = []
    for codec_config in config.codecs:
        row = _row(codec_config, config, corpus, workdir, log)
        log(f"{row['method']}, V = {row['vocabulary']}: {row['ratio']:.3f} bytes a token")
        rows.append(row)
    return with_corpus(rows, corpus)


def _row(codec_config, config, corpus, workdir, log) -> Row:
    clock = Clock()
    codec = compressors.build_codec(codec_config, config.m1, corpus, workdir, log)
    train_ids, _ = _examples(codec, corpus, "train", config.train_bytes, config.example_bytes)
    valid_ids, num_bytes = _examples(
        codec, corpus, "valid", config.valid_bytes, config.example_bytes
    )
    ratio = num_bytes / len(valid_ids)
    texts = compressors.documents(corpus, "valid", FLOOR_BYTES)
    return {
        "method": compressors.method(codec_config),
        "vocabulary": codec.vocab_size,
        "ratio": ratio,
        "bit_ratio": 8 * ratio / math.log2(codec.vocab_size),
        "train_bytes": int(config.training_tokens * ratio),
        "uniform_bpb": per_byte.uniform_bits_per_byte(codec.vocab_size, ratio),
        "unigram_bpb": per_byte.unigram_bits_per_byte(
            train_ids, valid_ids, codec.vocab_size, num_bytes
        ),
        "floor_bpb": _floor_cost(codec, codec_config, texts),
        "seconds": clock.seconds(),
    }


def _examples(codec, corpus, split, max_bytes, example_bytes) -> tuple[np.ndarray, int]:
    """The ids of whole examples, each encoded by itself, and the bytes that they stand for."""
    half = compressors.MODELS if split == "train" else None
    documents = token_store.first_bytes(corpus.documents(split, half=half), max_bytes)
    texts = list(example_store.cut(documents, example_bytes, example_bytes))
    with compressors.parallel(codec, max_bytes) as quick:
        return np.concatenate(quick.encode(texts)), sum(map(len, texts))


def _floor_cost(codec, codec_config, texts: list[bytes]) -> float | None:
    """Bits/byte that the integer frequencies cost more than M1's own probabilities.

    None where there is no byte model, or it has no probabilities to show.
    """
    model = getattr(codec, "model", None)
    if model is None or not hasattr(model, "probabilities"):
        return None
    floored = own = 0.0
    for text in texts:
        contexts = _contexts(codec, codec_config, model.order, text)
        symbols_N = np.frombuffer(text, np.uint8)
        for start in range(0, len(text), 4096):
            part = contexts[start : start + 4096]
            at = (np.arange(len(part)), symbols_N[start : start + 4096])
            frequencies_NxA = model.window_frequencies(part)
            floored -= np.log2(frequencies_NxA[at] / 2**model.beta).sum()
            own -= np.log2(model.probabilities(part)[at]).sum()
    return float(floored - own) / sum(map(len, texts))


def _contexts(codec, codec_config, order: int, text: bytes) -> list[bytes]:
    """What M1 sees before each byte: the window's bytes so far, or (AC) the last `order`."""
    starts = np.zeros(len(text), np.int64)
    if codec_config.kind == "equal_info":
        lengths = np.asarray(codec.windows([text])[0].lengths_N)
        starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return [text[max(start, end - order) : end] for end, start in enumerate(starts.tolist())]


def remarks(rows: list[Row]) -> list[str]:
    """What M1's integer frequencies cost, and the text."""
    costs = [row["floor_bpb"] for row in rows if row["floor_bpb"] is not None]
    return remarks_on(
        rows,
        f"integer frequencies cost M1 {min(costs):+.3f} to {max(costs):+.3f} bits/byte"
        if costs
        else None,
    )
