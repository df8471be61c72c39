"""Which closing rules can be decoded: ratio, and windows read back right (ours; Table 17)."""

from pathlib import Path

from experiments.compressed_text import windows
from experiments.compressed_text.windows import Intervals
from experiments.shared import compressors
from experiments.shared.tables import Clock, Log, Row, remarks_on, statement, with_corpus

TITLE = "How a window closes, and what can be read back (ours; Table 17)"
COLUMNS = (
    "closing",
    "window_bits",
    "ratio",
    "ratio_to_greedy",
    "num_windows",
    "right_as_described",
    "stopped_at_cap",
    "right_first_match",
    "seconds",
)
MEANING = {
    "closing": "the rule by which a window ends",
    "window_bits": "bits of a window",
    "ratio": "bytes a window",
    "ratio_to_greedy": "ratio over that of the greedy rule (point)",
    "num_windows": "windows that were decoded",
    "right_as_described": "share of windows whose bytes the paper's decoder gives back",
    "stopped_at_cap": "share where the described decoder had not stopped after 64 bytes",
    "right_first_match": "share whose bytes the first prefix with the code gives back",
}
PAPER_ROWS: list[Row] = [
    {"closing": "point", "window_bits": 16, "ratio": 5.31, "ratio_to_greedy": 1.0},
    {"closing": "point+delay", "window_bits": 16, "ratio": 4.40, "ratio_to_greedy": 0.829},
]
RULES = ("point", "dyadic", "point+delay")


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """One row for each closing rule."""
    corpus = compressors.load_corpus(config.corpus)
    model = compressors.build_m1(config.m1, corpus, workdir, log)
    intervals = Intervals(model, config.window_bits)
    rows = []
    for rule in RULES:
        clock = Clock()
        cut = _windows(corpus, intervals, rule, config.num_windows)
        codes = [window.code for window in cut]
        described = windows.decode_as_described(codes, intervals, rule)
        first = windows.decode_first_match(codes, intervals, rule)
        row = {
            "closing": rule,
            "window_bits": config.window_bits,
            "ratio": sum(len(window.text) for window in cut) / len(cut),
            "num_windows": len(cut),
            "right_as_described": _share(w.text == t for w, t in zip(cut, described, strict=True)),
            "stopped_at_cap": _share(text == b"" for text in described),
            "right_first_match": _share(w.text == t for w, t in zip(cut, first, strict=True)),
            "seconds": clock.seconds(),
        }
        rows.append(row)
        log(
            f"{rule}: {row['ratio']:.3f} bytes a window, {row['right_as_described']:.1%} right as"
            f" described, {row['right_first_match']:.1%} by the first match"
        )
    greedy = rows[0]["ratio"]
    rows = [row | {"ratio_to_greedy": row["ratio"] / greedy} for row in rows]
    return with_corpus(rows, corpus)


def _windows(corpus, intervals, rule, count) -> list[windows.Window]:
    """`count` windows from the validation split, or all there are; the last of a text is left out.

    A text's last window may end for want of text instead of bits.
    """
    whole: list[windows.Window] = []
    for document in corpus.documents("valid"):
        cut = []
        for window in windows.windows(document, intervals, rule):
            cut.append(window)
            if len(whole) + len(cut) > count:
                break
        whole += cut[:-1]
        if len(whole) >= count:
            break
    return whole[:count]


def _share(flags) -> float:
    values = list(flags)
    return sum(values) / len(values)


def remarks(rows: list[Row]) -> list[str]:
    """Which rules lose text."""
    of = {row["closing"]: row for row in rows}
    point, dyadic, delay = (of[rule] for rule in RULES)
    return remarks_on(
        rows,
        f"the paper's decoder reads {point['right_as_described']:.1%} of the greedy point windows"
        f" back (it runs to its cap on {point['stopped_at_cap']:.1%}) and"
        f" {dyadic['right_as_described']:.1%} of the dyadic ones",
        statement(
            "point+delay loses nothing when the first prefix with the code is taken",
            delay["right_first_match"] == 1.0,
            f"{delay['right_first_match']:.2%} of {delay['num_windows']:,} windows right",
        ),
    )
