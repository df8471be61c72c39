"""Rows for the papers' claims: of trivial baselines, of noise, and of the papers' own figures.

Each function gives, for the tables of one paper, table -> rows of one kind. Baselines know what
needs no training: nothing at all, frequencies of ids, frequencies by an id's place, counts in the
context, ranks of frequencies.
"""

import importlib
import math

from experiments.compressed_text import compression_ratios
from research.reporting.claims import Spread

BASELINES = {
    "compressed_text": ("nothing", "frequencies", "places"),
    "lexinvariant": ("baseline",),
    "tokenizer_transfer": ("baseline",),
}
SPREAD = Spread(0.003, "the paper's")


def paper_rows(table):
    """PAPER_ROWS of an experiment."""
    return list(importlib.import_module(f"experiments.{table.replace('/', '.')}").PAPER_ROWS)


def left(row, *, places=False):
    """Share of a token's bits that frequencies leave (Table 3), by an id's place or without.

    Places tell of GZip what we measured on novels (its tokens of 8 and of 12 bits, sequences of
    128); whole windows of 12 bits leave .91.
    """
    wide = row["vocabulary"] > 256
    if row["method"].startswith("GZip"):
        return (0.898, 0.938)[wide] if places else 1.0
    if row["method"] in ("EqualInfo W=16", "EqualInfo W=16 point+delay") and wide:
        return 0.91
    for known in compression_ratios.PAPER_ROWS:
        if known["method"] == row["method"] and known["unigram_bpb"] is not None:
            return known["unigram_bpb"] / known["uniform_bpb"]
    return 1.0


def counted(rows):
    """The rows with what counts by place give, as ours have it."""
    return [
        row | {"by_position": left(row, places=True) * math.log2(row["vocabulary"])} for row in rows
    ]


def _with_left(rows, share):
    """The rows of models that leave a share of a token's bits."""
    return [
        row | {"bits_per_byte": share(row) * math.log2(row["vocabulary"]) / row["ratio"]}
        for row in counted(rows)
    ]


def nothing(rows):
    """The same rows after learning nothing."""
    return _with_left(rows, lambda row: 1.0)


def frequencies(rows):
    """Of models that know how often each id occurs."""
    return _with_left(rows, left)


def places(rows):
    """Of models that know how often each id occurs at each place."""
    return _with_left(rows, lambda row: left(row, places=True))


def alike(rows, noise=SPREAD.bits):
    """Models that all learned as much as each other, but for noise; of GZip's ids nothing."""
    return [
        row
        | {
            "ratio": math.log2(row["vocabulary"]) / 2.0,
            "bits_per_byte": (2.0 if "GZip" in row["method"] else 1.5) + noise * (-1) ** index,
            "mflops_per_byte": 1.0,
            "by_position": 0.95 * math.log2(row["vocabulary"]),
        }
        for index, row in enumerate(rows)
    ]


MAIN, SIZES = "compressed_text/main_results", "compressed_text/window_size"
RESET, MATCHED = "compressed_text/m1_reset", "compressed_text/byte_matched"
HEADER, RATIOS = "compressed_text/gzip_header", "compressed_text/compression_ratios"
MODELS = (MAIN, SIZES, RESET, MATCHED, HEADER)


def compressed_text(kind):
    """kind: one of BASELINES, "noise" or "paper"."""
    pick = {"noise": 1, "paper": 2}.get(kind, 0)
    found = {table: paper_rows(table) for table in (*MODELS, RATIOS)}
    found[SIZES] = [row for row in found[SIZES] if row["size"] == "25m"]
    if not pick:
        found[RESET] = [row | {"ratio": 3.0} for row in found[RESET]]
    for table in MODELS:
        change = {"nothing": nothing, "frequencies": frequencies, "places": places,
                  "noise": alike, "paper": counted}[kind]  # fmt: skip
        found[table] = change(found[table])
    if kind != "paper":
        flat = (0.0, 0.002)[pick]
        found[RATIOS] = [
            row | {"ratio": 2 * (1 + flat * (-1) ** index), "uniform_bpb": 4.0, "unigram_bpb": 4.0}
            for index, row in enumerate(found[RATIOS])
        ]
    rules = [(0.0, 0.0, 0.0), (0.9995, 0.999, 0.01), (1 - 1.1e-5, 1 - 1.1e-5, 1 - 0.829)][pick]
    found["compressed_text/closing_rules"] = [
        {"closing": "point", "ratio_to_greedy": 1.0, "right_as_described": rules[0]},
        {"closing": "dyadic", "ratio_to_greedy": 0.8, "right_as_described": rules[1]},
        {"closing": "point+delay", "ratio_to_greedy": 1 - rules[2], "right_first_match": 1.0},
    ]
    shares = [(0.02, 0.02, 0.5), (0.03, 0.02, 0.97), (0.9, 0.02, 1.0)][pick]
    found["compressed_text/token_semantics"] = [
        {"part": "position", "item": "any", "share": 0.02},
        {"part": "position", "item": "position 1", "share": shares[0]},
        {"part": "position", "item": "position 2", "share": shares[1]},
        {"part": "code", "item": "point", "share": shares[2]},
        {"part": "code", "item": "point+delay", "share": 1.0},
    ]
    bits = [(0, 0, 0, 0), (1e-8, 2e-8, 1e-8, 0), (0, 1e-4, 1e-2, 0)][pick]
    found["compressed_text/bit_statistics"] = [
        {"method": name, "unit": "token", "estimate": "Miller-Madow", "bits": 10**9, "n=8": value}
        for name, value in zip(("StaticAC", "EqualInfo W=16", "GZip", "random"), bits, strict=True)
    ] + [{"method": "AC", "unit": "token", "estimate": "Miller-Madow", "bits": 10**9, "n=8": 0.0}]
    changed = [(1.0, 1.0, 1.0), (0.30, 0.31, 0.32), (0.05, 0.3, 1.0)][pick]
    found["compressed_text/token_stability"] = [
        {"method": name, "vocabulary": 65_536, "share_changed": share}
        for name, share in zip(("SentencePiece", "EqualInfo W=16", "AC"), changed, strict=True)
    ]
    positions = [[0.04] * 8, [0.05, 0.045] * 4, [0.09, 0.1, 0.12, 0.035, 0.03, 0.03, 0.02, 0.02]]
    found["compressed_text/position_accuracy"] = [
        {"guess": 0.04} | {f"position {k + 1}": share for k, share in enumerate(positions[pick])}
    ]
    right = [(0.77, 0.77, 0.77, 5.545), (0.77, 0.775, 0.78, 5.5), (0.7686, 0.7698, 0.953, 2.489)]
    alone, ac, own, nats = right[pick]
    decoding = {"task": "decompress", "vocabulary": 256}
    found["compressed_text/learn_the_coder"] = [
        decoding | {"method": "byte LM only", "accuracy": alone},
        decoding | {"method": "AC", "accuracy": ac},
        decoding | {"method": "EqualInfo W=16", "accuracy": own},
        {
            "method": "AC", "task": "compress", "vocabulary": 256, "accuracy": 0.017, "nats": nats,
            "uniform_nats": 5.545,
        },
    ]  # fmt: skip
    return found


def lexinvariant(kind):
    """kind: "baseline", "noise" or "paper"."""
    pick = {"baseline": 0, "noise": 1, "paper": 2}[kind]
    found = {"lexinvariant/perplexity_by_position": _positions(pick)}
    found["lexinvariant/reasoning"] = [
        row for symbols in ("uniform", "by frequency") for row in _tasks(pick, symbols)
    ]
    keys = [(0.15, 0.24), (0.30, 0.305), (0.630, 0.996)][pick]
    found["lexinvariant/deciphering"] = [
        {
            "reading": reading, "model": "gaussian", "start 0": keys[0], "start 400": keys[1],
            "spread_last": 0.05, "sequences": 100, "per_position": (0.2, 0.3, 0.95)[pick],
        }
        for reading in ("majority vote", "last position")
    ]  # fmt: skip
    gaps = [(0.57, 0.57), (0.57, 0.56), (0.57, 0.11)][pick]
    found["lexinvariant/mixture"] = [
        {"model": "p' (exact mixture)", "length": length, "mean_gap": gap, "excess_bits": 9.5,
         "nearest_bits": 9.4, "nearest_key_bits": 9.5}
        for length, gap in zip((4, 128), gaps, strict=True)
    ] + [
        {"model": "gaussian", "length": length, "mean_gap": gap, "excess_bits": (62, 55, 12)[pick]}
        for length, gap in zip((4, 128), gaps, strict=True)
    ]  # fmt: skip
    tasks = [("12/0/11", "11/0/12", 33.0), ("12/0/11", "11/0/12", 50.0),
             ("22/3/11", "11/4/23", 50.0)][pick]  # fmt: skip
    found["lexinvariant/regularization"] = [
        {"measure": "BBH", "per": "majority", "accuracy": 33.3},
        *(
            {"measure": "BBH", "p": 0.2, "shots": shots, "up/same/down": signs, "sign_p":
             (0.9, 0.9, 0.08)[pick], "accuracy": tasks[2], "questions": 1000}
            for shots, signs in ((3, tasks[0]), (0, tasks[1]))
        ),
    ]  # fmt: skip
    norms = [(1.0,) * 4, (1.01, 1.02, 1.03, 1.04), (1.5, 2.0, 3.0, 5.0)][pick]
    nats = [(3.1, 3.1), (2.999, 3.001), (2.0, 2.02)][pick]
    names = [f"norm {part}" for part in (25, 50, 75, 100)]
    found["lexinvariant/random_rows"] = [
        {"random": "drawn", "p": 0.2} | dict(zip(names, norms, strict=True)),
        {"random": "permuted", "p": 0.2} | dict.fromkeys(names, 1.0),
        {"random": "permuted", "p": 1.0, "nats_renamed": nats[0], "spread_renamed": 0.002},
        {"random": "all drawn (gaussian)", "p": 1.0, "nats_renamed": nats[1]},
        {"random": "counts in the sequence", "nats": 3.0},
        {"random": "uniform", "nats": 3.3},
    ]
    ends = [  # unseen in the end, best, in distribution
        {"active": (50, 50, 50), "temporary": (50, 50, 50), "vanilla": (50, 50, 50)},
        {"active": (62, 62, 95), "temporary": (62, 62, 95), "vanilla": (60, 62, 95)},
        {"active": (95, 95, 60), "temporary": (90, 90, 98), "vanilla": (30, 80, 98)},
    ][pick]
    found["lexinvariant/dual_process"] = [
        {"split": split, "skew": skew, "method": method, "at 100": end, "best": best}
        for method, (unseen, best, known) in ends.items()
        for skew in ("uniform", "1.2")
        for split, end in (("unseen", unseen), ("in_distribution", known))
    ]
    plain, heads, counts = [(0.87, 0.27, 0.27), (0.30, 0.29, 0.295), (0.2, 0.1, 0.27)][pick]
    bits = [(4.0, 4.0), (2.01, 2.0), (2.0, 1.9)][pick]
    found["lexinvariant/in_context_languages"] = [
        {"model": "learned", "vocabulary": "learned", "total_variation": plain,
         "bits_per_symbol": bits[0]},
        {"model": "heads", "vocabulary": "learned", "ngram_heads": "1", "total_variation": heads,
         "bits_per_symbol": bits[1]},
        {"model": "back-off n-gram, order 2", "total_variation": counts},
        {"model": "uniform", "total_variation": 0.87},
    ]  # fmt: skip
    return found


def _positions(pick):
    """Standard and gaussian in three kinds of text, with floors; the baseline is the best floor."""
    rows = paper_rows("lexinvariant/perplexity_by_position")
    found = []
    for kind, wanted in (
        ("general English, characters", "the Pile"), ("code, characters", "GitHub"),
        ("general English, unigram", "the Pile"),
    ):  # fmt: skip
        of = {r["model"]: r for r in rows if r["text"] == wanted and r["kind"] == kind}
        starts = [name for name in of["gaussian"] if name.startswith("start ")]
        wide = kind.endswith("unigram")
        floor = {
            name: (9_000 if wide else 45) * (0.5 if wide else 0.3) ** (number / 10)
            for number, name in enumerate(starts)
        }
        ours = of["gaussian"]
        if pick < 2:
            ours = ours | {name: value * (1, 0.998)[pick] for name, value in floor.items()}
        standard = of.get("learned", {name: 2.0 for name in starts} | {"model": "learned"})
        counted = {"model": "n-gram, order 2", **floor}
        found += [row | {"kind": kind} for row in (ours, standard, counted)]
    return found


def _tasks(pick, symbols):
    """Cells of both tasks; the baseline copies any candidate, noise is a little above that."""
    cells = [(0.0, 26.0), (26.0, 27.0), (48.5, 91.8)][pick]
    rows = []
    for task in ("LookUp", "Permutation"):
        where = {"task": task, "symbols": symbols, "text": "t", "ids": "characters"}
        for model, value in zip(("standard", "gaussian"), cells, strict=True):
            interval = f"{value - 1.5:.2f} to {value + 1.5:.2f}"
            above = (None, None, True)[pick] if model == "gaussian" else None
            row = {"model": model, "accuracy": value, "interval": interval}
            rows.append(where | row | {"above_standard": above})
        rows.append(where | {"model": "copying", "accuracy": 26.0})
    ratio = (None, 1.04, 3.04)[pick]
    both = {"task": "both, ratio of means", "symbols": symbols, "model": "gaussian", "ratio": ratio}
    return rows + [both] * (ratio is not None)


def _answers(right, own=None, error=1.0):
    """Columns of accuracy, with intervals; own: the original's, of which so much is kept."""
    ends = right - error, right + error
    row = {"accuracy": right, "accuracy_interval": "{:.1f} to {:.1f}".format(*ends)}
    if own is not None:
        kept = (100 * end / own for end in ends)
        row["kept_interval"] = "{:.1f} to {:.1f}".format(*kept)
    return row


def tokenizer_transfer(kind):
    """kind: "baseline", "noise" or "paper"."""
    pick = {"baseline": 0, "noise": 1, "paper": 2}[kind]
    moved = [  # method -> (bits/byte, % right)
        {"random": (4.0, 25), "focus": (4.0, 25), "fvt": (4.0, 25), "omp": (4.0, 25),
         "hypernetwork": (4.0, 25)},
        {"random": (3.002, 26), "focus": (3.0, 26), "fvt": (2.999, 26), "omp": (2.997, 26),
         "hypernetwork": (2.998, 26)},
        {"random": (4.0, 25), "focus": (2.6, 55.6), "fvt": (2.7, 50), "omp": (2.1, 70),
         "hypernetwork": (2.05, 73.0)},
    ][pick]  # fmt: skip
    own = {"method": "original", "bits_per_byte": 1.9} | _answers(76.9)
    found = {}
    found["tokenizer_transfer/zero_shot"] = [own | {"target": "BPE 4k"}] + [
        {"target": target, "method": method, "bits_per_byte": bits} | _answers(accuracy, 76.9)
        for target in ("BPE 2k", "Unigram 4k", "WordPiece 4k")
        for method, (bits, accuracy) in moved.items()
    ]
    starts = [  # start -> (at 0, in the end, % right)
        {"original": (1.9, 1.9, 76.9), "random": (4.0, 4.0, 25), "focus": (4.0, 4.0, 25),
         "hypernetwork, itself trained on": (4.0, 4.0, 25)},
        {"original": (2.0, 2.0, 40), "random": (4.0, 2.004, 26), "focus": (3.0, 2.001, 26),
         "hypernetwork, itself trained on": (3.0, 1.998, 26)},
        {"original": (1.9, 1.89, 76.8), "random": (4.0, 2.5, 40), "focus": (2.6, 2.3, 68.7),
         "hypernetwork, itself trained on": (2.05, 1.95, 74.9)},
    ][pick]  # fmt: skip
    found["tokenizer_transfer/n_shot"] = [
        {"target": "Unigram 4k", "start": start, "at 0": first, "bits_per_byte": last}
        | _answers(right, starts["original"][2])
        for start, (first, last, right) in starts.items()
    ]
    tuned = [
        {"original": (1.9, 70), "original, rows of the base model": (1.9, 70), "focus": (4.0, 25),
         "hypernetwork": (4.0, 25), "n-shot, lambda 0": (4.0, 25), "n-shot, lambda 0.5": (4.0, 25)},
        {"original": (1.9, 70), "original, rows of the base model": (1.902, 70),
         "focus": (3.0, 26), "hypernetwork": (2.997, 26), "n-shot, lambda 0": (3.0, 26),
         "n-shot, lambda 0.5": (2.996, 26)},
        {"original": (1.5, 73.3), "original, rows of the base model": (1.49, 74.8),
         "focus": (2.5, 50.3), "hypernetwork": (1.8, 65.6), "n-shot, lambda 0": (1.75, 65.9),
         "n-shot, lambda 0.5": (1.65, 68.2)},
    ][pick]  # fmt: skip
    found["tokenizer_transfer/fine_tuned"] = [
        {"method": method, "bits_per_byte": bits}
        | _answers(right, tuned["original"][1])
        | ({"before": 2.0 if kind == "paper" else bits} if method == "original" else {})
        for method, (bits, right) in tuned.items()
    ]
    variants = [
        (3.0, 3.0, 3.0, 3.0, 3.0), (2.5, 2.501, 2.499, 2.502, 2.503), (2.5, 2.4, 2.35, 2.4, 5.0)
    ][pick]  # fmt: skip
    names = (
        "residual", "residual, auxiliary loss", "residual, distillation",
        "zett's form, identity first", "zett's form without auxiliary loss",
    )  # fmt: skip
    found["tokenizer_transfer/ablations"] = [
        {"variant": "fvt (no training)", "bits_per_byte": 3.0},
        *(
            {"variant": name, "bits_per_byte": bits}
            for name, bits in zip(names, variants, strict=True)
        ),
    ]
    if kind == "paper":
        found["tokenizer_transfer/ablations"][2]["bits_per_byte"] = 2.37
    hyper, focus, shorter = [(4.0, 4.0, 0.0), (3.0, 3.002, 0.1), (1.95, 2.6, 14.0)][pick]
    right = (25, 26, 71.2)[pick]
    found["tokenizer_transfer/cross_lingual"] = [
        row
        for language in ("deu", "fra")
        for row in (
            {"language": language, "method": "original", "bits_per_byte": 1.9} | _answers(72.6),
            {"language": language, "method": "focus", "bits_per_byte": focus} | _answers(25, 72.6),
            {"language": language, "method": "hypernetwork", "bits_per_byte": hyper,
             "shorter": shorter} | _answers(right, 72.6),
        )
    ]  # fmt: skip
    found["tokenizer_transfer/amortization"] = [
        {"model": "mistral-7b", "share": (100.0, 2.2, 0.9)[pick]}
    ]
    agreement = [(0.94, 0.94), (0.94, 0.945), (0.94, 0.9902)][pick]
    found["benchmarks/unigramify"] = [
        {"tokenizer": "GPT-2", "prior_agreement": agreement[0], "held_out_agreement": agreement[1]}
    ]
    return found
