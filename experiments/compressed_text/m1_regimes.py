"""Which M1 fills windows best: counts or a Transformer, trained everywhere or at windows (ours)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from configs.shared import M1Config
from experiments.shared import compressors
from experiments.shared.tables import Clock, Log, Row, remarks_on, with_corpus
from research.codecs.byte_models import ByteModel
from research.codecs.codebook import CodebookCodec
from research.codecs.codebook.build import compile_codebook
from research.reporting import results

TITLE = "M1 for windows: counts or a Transformer, trained everywhere or where windows begin"
COLUMNS = (
    "method",
    "learned",
    "bytes_per_window",
    "window_bits_per_byte",
    "text_bits_per_byte",
    "train_bytes",
    "seconds",
)
MEANING = {
    "learned": "everywhere in the text (the paper's way) or where windows begin",
    "bytes_per_window": "of validation text, point+delay",
    "window_bits_per_byte": (
        "with the context cut at the same windows for every row, those of the n-gram that"
        " learned everywhere; from integer frequencies"
    ),
    "text_bits_per_byte": (
        "with the text before as context; of counts, those of TEXT_ORDER that other tables"
        " compress with (a codebook's are pruned to what its windows need, and where windows"
        " begin no text is counted); from integer frequencies, but for the Transformer"
    ),
    "train_bytes": "text that was learned from, repeats counted",
}

TEXT_ORDER = 5
PAPER_ROWS: list[Row] = [
    {
        "method": "Transformer",
        "learned": "everywhere",
        "text_bits_per_byte": 1.457,
        "train_bytes": 2_500_000 * 128 * 1024,
    },
]


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """Four rows: two models, two places to learn."""
    corpus = compressors.load_corpus(config.corpus)
    train = compressors.documents(corpus, "train", config.train_bytes, compressors.COMPRESSORS)
    valid = compressors.documents(corpus, "valid", config.valid_bytes)
    num_bytes = sum(map(len, train))

    clock = Clock()
    counted = {}
    for regime, rounds in (("everywhere", 0), ("where windows begin", config.rounds)):
        log(f"counting {regime}")
        counted[regime] = _count(config, train, rounds) + (clock.seconds(),)
    codec = counted["everywhere"][0]
    whole = M1Config(order=TEXT_ORDER, beta=config.beta, max_bytes=config.train_bytes)
    text_bits = {
        "everywhere": _text_bits_per_byte(
            compressors.build_m1(whole, corpus, workdir, log), valid, TEXT_ORDER
        )
    }
    windows = Counter(string for string in _strings(codec, valid))
    rows = [
        {
            "method": "n-gram",
            "learned": regime,
            "bytes_per_window": bytes_per_window(codebook, valid),
            "window_bits_per_byte": window_bits_per_byte(model, windows),
            "text_bits_per_byte": text_bits.get(regime),
            "train_bytes": num_bytes,
            "seconds": seconds,
        }
        for regime, (codebook, model, seconds) in counted.items()
    ]
    folder = workdir / "m1_regimes" / results.key(corpus.digest, config)
    codec.save(folder / "codec")
    regimes: dict[str, Literal["text", "window"]] = {
        "everywhere": "text", "where windows begin": "window",
    }  # fmt: skip
    for regime, name in regimes.items():
        log(f"training a Transformer {regime}")
        clock = Clock()
        model, sums = _transformer(config, name, folder, log)
        rows.append(
            {
                "method": "Transformer",
                "learned": regime,
                "bytes_per_window": bytes_per_window(
                    compile_codebook(model, config.window_bits), valid
                ),
                "window_bits_per_byte": window_bits_per_byte(model, windows),
                "text_bits_per_byte": sums.bits_per_byte,
                "train_bytes": config.steps * config.batch_size * config.length,
                "seconds": clock.seconds(),
            }
        )
    for row in rows:
        log(f"{row['method']} {row['learned']}: {row['bytes_per_window']:.3f} bytes a window")
    return with_corpus(rows, corpus)


def bytes_per_window(codec: CodebookCodec, texts: Sequence[bytes]) -> float:
    """The ratio of a codebook on `texts`."""
    return sum(map(len, texts)) / sum(map(len, codec.encode(texts)))


def window_bits_per_byte(model: ByteModel, windows: Counter[bytes]) -> float:
    """Bits/byte of integer frequencies over window strings, the context of each only itself.

    Args:
      windows: string -> how often it occurs.
    """
    contexts = sorted({string[:end] for string in windows for end in range(len(string))})
    rows = {context: row for row, context in enumerate(contexts)}
    bits_NxA = model.beta - np.log2(model.window_frequencies(contexts))
    bits = sum(
        count * bits_NxA[rows[string[:end]], string[end]]
        for string, count in windows.items()
        for end in range(len(string))
    )
    return float(bits / sum(len(string) * count for string, count in windows.items()))


def remarks(rows: list[Row]) -> list[str]:
    """Where to learn, and what to ship."""
    of = {(row["method"], row["learned"]): row for row in rows}
    lines = []
    for method in ("n-gram", "Transformer"):
        everywhere = of[method, "everywhere"]["bytes_per_window"]
        begin = of[method, "where windows begin"]["bytes_per_window"]
        lines.append(
            f"{method}: learning where windows begin gives {begin / everywhere - 1:+.1%} bytes a "
            f"window ({begin:.3f} against {everywhere:.3f})"
        )
    best = max(rows, key=lambda row: row["bytes_per_window"])
    lines.append(
        f"most bytes a window: {best['method']} that learned {best['learned']}; the models did "
        "not see the same amount of text (train_bytes)"
    )
    return remarks_on(rows, *lines)


def _count(config, train: Sequence[bytes], rounds: int) -> tuple[CodebookCodec, ByteModel]:
    from research.codecs.codebook.build import train_codebook

    return train_codebook(
        train, config.window_bits, beta=config.beta, order=config.order, rounds=rounds
    )


def _transformer(config, regime: Literal["text", "window"], folder: Path, log):
    """A Transformer M1 of one regime and the sums of its evaluation on text."""
    from research.cli.train_m1 import TrainM1, train_m1
    from research.codecs import byte_models

    options = TrainM1(
        corpus=config.corpus,
        out=str(folder / regime),
        workdir=str(folder / f"{regime}.work"),
        size=config.size,
        regime=regime,
        codec=str(folder / "codec"),
        length=config.length,
        window_bytes=config.window_bytes,
        batch_size=config.batch_size,
        steps=config.steps,
        max_bytes=config.train_bytes,
        valid_bytes=config.valid_bytes,
        beta=config.beta,
        dtype=config.dtype,
        seed=config.seed,
        log_every=max(1, config.steps // 6),
        optimizer=config.optimizer,
        parallelism=config.parallelism,
    )
    sums = train_m1(options, log)
    return byte_models.load(folder / regime), sums


def _strings(codec: CodebookCodec, texts: Sequence[bytes]) -> Iterable[bytes]:
    strings = codec.token_bytes()
    return (strings[id_] for ids in codec.encode(texts) for id_ in ids)


def _text_bits_per_byte(model: ByteModel, texts: Sequence[bytes], order: int) -> float:
    """Bits/byte over whole texts, each byte after the `order` before it."""
    pairs = Counter(
        (text[max(0, end - order) : end], text[end]) for text in texts for end in range(len(text))
    )
    contexts = sorted({context for context, _ in pairs})
    rows = {context: row for row, context in enumerate(contexts)}
    bits = 0.0
    for start in range(0, len(contexts), 65_536):
        part = contexts[start : start + 65_536]
        bits_NxA = model.beta - np.log2(model.window_frequencies(part))
        bits += sum(
            count * bits_NxA[rows[context] - start, byte]
            for (context, byte), count in pairs.items()
            if start <= rows[context] < start + 65_536
        )
    return float(bits / sum(map(len, texts)))
