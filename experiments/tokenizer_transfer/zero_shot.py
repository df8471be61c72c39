"""One model under tokenizers that it was not trained with, by every method, without any training
on the target (the paper's main tables, in bits/byte)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from configs.tokenizer_transfer.presets import TransferConfig
from experiments.shared.tables import Clock, Log, Row, pick, remarks_on, with_corpus
from experiments.tokenizer_transfer import accuracy, base_models, hypernetworks, transfer_methods
from experiments.tokenizer_transfer.accuracy import ORIGINAL
from research.evaluation import per_byte
from research.reporting import plots

TITLE = "Zero-shot tokenizer transfer: one model, tokenizers that it never saw (main tables)"
COLUMNS = (
    "target",
    "method",
    "bits_per_byte",
    "interval",
    "lost",
    "recovered",
    "accuracy",
    "accuracy_interval",
    "kept",
    "kept_interval",
    "tokens_per_byte",
    "shorter",
    "entries",
    "overlap",
    "seen",
    "lost_share",
    "bits_per_byte_all",
    "seconds",
)
MEANING = {
    "interval": "least to greatest over seeds, where there are several",
    "lost": "bits/byte above the model with its own tokenizer",
    "recovered": "share of what random rows lose that the method saves",
    "accuracy": (
        "% of questions right, which of four continuations is the text's own (chance 25); the"
        " paper's: average over tasks"
    ),
    "kept": "accuracy as % of the original's",
    "shorter": "% of the original's tokens that the target saves",
    "entries": "how many stand for text",
    "seen": "% of the target's entries that a sampled training tokenizer had",
}
BRIEF = (
    "target", "method", "bits_per_byte", "lost", "accuracy", "kept", "tokens_per_byte", "shorter",
    "overlap",
)  # fmt: skip


def _paper(target: str, group: str, **figures: float) -> list[Row]:
    names = {"hypernetwork": transfer_methods.HYPERNETWORK, "focus": "focus", "original": ORIGINAL}
    rows = []
    for name, value in figures.items():
        row = {"group": group, "target": target, "method": names[name], "accuracy": value}
        moved = {} if name == "original" else {"kept": 100 * value / figures["original"]}
        rows.append(row | moved)
    return rows


PAPER_ROWS: list[Row] = [
    *_paper("Mistral-7B, GPT-2", "paper", original=76.9, focus=55.6, hypernetwork=73.0),
    *_paper("Mistral-7B, StarCoder", "paper", original=28.1, focus=13.3, hypernetwork=23.2),
    *_paper("XLM-R, 50k a language", "paper", original=72.6, hypernetwork=71.2),
]


def weights_of(config: TransferConfig) -> tuple[str, ...]:
    """Folders of the models that the table cannot do without."""
    return ("base", "hypernetwork")


def run(config: TransferConfig, *, workdir: Path, log: Log) -> list[Row]:
    """The model with its own tokenizer, then every method on every target."""
    clock = Clock()
    base = base_models.trained(config, config.seeds[0], workdir, log)
    own = base_models.own_bits(base, workdir)
    items = accuracy.questions(config, base.corpus)
    own_N = base_models.right_answers(base, base.params, base.table, base.codec, items)
    rows = [
        {
            "group": ORIGINAL,
            "target": config.tokenizer.label,
            "method": ORIGINAL,
            "bits_per_byte": own.bits_per_byte,
            "tokens_per_byte": own.tokens / own.bytes,
            "entries": base.codec.vocab_size,
            **accuracy.columns(own_N),
            "seconds": clock.seconds(),
        }
    ]
    log(f"own tokenizer: {_said(rows[0])}, {rows[0]['tokens_per_byte']:.4f} tokens/byte")
    hypernets = {
        seed: hypernetworks.trained(config, base, seed, workdir, log) for seed in config.seeds
    }
    for index, tokenizer in enumerate(config.targets):
        donor = transfer_methods.donor_table(config, index, workdir, log)
        target = transfer_methods.target(config, base, tokenizer, workdir, log, donor=donor)
        of_target = []
        for method in target.methods(config.methods):
            clock = Clock()
            seeds = config.seeds if transfer_methods.draws(method) else config.seeds[:1]
            tables = [
                transfer_methods.table(method, base, target, hypernets[seed], seed)
                for seed in seeds
            ]
            sums = [transfer_methods.evaluate(base, table, target) for table in tables]
            right = [
                base_models.right_answers(base, base.params, table, target.codec, items)
                for table in tables
            ]
            row: Row = target.facts(hypernets[config.seeds[0]]) | {"method": method}
            row |= _measured(sums, own)
            row["shorter"] = 100 * (1 - row["tokens_per_byte"] / rows[0]["tokens_per_byte"])
            row |= accuracy.columns(np.stack(right), own_N)
            row["bits_per_byte_all"] = per_byte.with_lost_bytes(
                row["bits_per_byte"], target.lost_share
            )
            of_target.append(row | {"seconds": clock.seconds()})
            log(f"{target.label}, {method}: {_said(row)}")
        rows += _with_recovered(of_target)
    return with_corpus(rows, base.corpus)


def _said(row: Row) -> str:
    return f"{row['bits_per_byte']:.4f} bits/byte, accuracy {row['accuracy']:.1f} %"


def _measured(sums, own) -> Row:
    bits = np.array([one.bits_per_byte for one in sums])
    row = {"bits_per_byte": float(bits.mean()), "lost": float(bits.mean()) - own.bits_per_byte}
    if len(bits) > 1:
        row["interval"] = f"{bits.min():.3f} to {bits.max():.3f}"
    return row


def _with_recovered(rows: list[Row]) -> list[Row]:
    random = pick(rows, method="random")
    if random is None or random["lost"] <= 0:
        return rows
    return [row | {"recovered": 1 - row["lost"] / random["lost"]} for row in rows]


def remarks(rows: list[Row]) -> list[str]:
    """Which method wins on each target."""
    lines: list[str | None] = []
    targets = dict.fromkeys(row["target"] for row in rows if row["method"] == "fvt")
    for target in targets:
        figures = {row["method"]: row["bits_per_byte"] for row in rows if row["target"] == target}
        hyper = min(transfer_methods.HYPERNETWORKS, key=lambda name: figures.get(name, np.inf))
        rivals = {
            name: figures[name] for name in figures if name not in transfer_methods.HYPERNETWORKS
        }
        rival = min(rivals, key=rivals.__getitem__)
        lines.append(
            f"{target}: {hyper} {figures[hyper]:.3f} bits/byte, the best method that is not trained"
            f" {rivals[rival]:.3f} ({rival})"
        )
    lines.append(
        "the paper measures accuracy of 7 B models on tasks; ours are bits/byte of a model trained"
        " here, so that only the order of the methods compares"
    )
    return remarks_on(rows, *lines)


# The table in brief and as a picture.

STYLES = {  # method -> marker, colour
    "hypernetwork": ("o", "tab:blue"),
    "hypernetwork + overlap": ("*", "tab:cyan"),
    "focus": ("s", "tab:orange"),
    "fvt": ("^", "tab:green"),
    "omp": ("D", "tab:purple"),
    "wechsel": ("v", "tab:brown"),
    "random": ("X", "tab:grey"),
}
THEIR_TARGET = "Mistral-7B, GPT-2"


def _targets(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["target"] for row in rows if row["method"] != ORIGINAL))


def _cell(row: Row | None) -> str | None:
    """bits/byte, and % right where that was measured."""
    if row is None:
        return None
    right = row.get("accuracy")
    return f"{row['bits_per_byte']:.2f}" + (f" ({right:.0f} %)" if right is not None else "")


def summary(rows: Sequence[Row], paper_rows: Sequence[Row]) -> tuple[list[str], list[Row]]:
    """(columns, lines): methods by their mean over targets, the model itself first."""
    own, targets = pick(rows, method=ORIGINAL), _targets(rows)
    methods = [name for name in STYLES if any(row["method"] == name for row in rows)]

    def mean(method: str) -> float:
        """Over the targets that every method has."""
        of_method = (pick(rows, method=method, target=target) for target in common)
        bits = [row["bits_per_byte"] for row in of_method if row]
        return sum(bits) / len(bits)

    common = [
        target for target in targets
        if all(pick(rows, method=name, target=target) for name in methods)
    ]  # fmt: skip

    lines = []
    for method in [ORIGINAL] * (own is not None) + sorted(methods, key=mean):
        theirs = pick(paper_rows, method=method, target=THEIR_TARGET)
        line: Row = {"method": method}
        for target in targets:
            line[target] = _cell(pick(rows, method=method, target=target))
        if own is not None and method == ORIGINAL:
            line = {"method": f"{ORIGINAL}, its own {own['target']}"}
            line |= dict.fromkeys(targets, _cell(own))
        lines.append(line | {f"paper ({THEIR_TARGET}), %": theirs and theirs["accuracy"]})
    return list(lines[0]), lines


def picture(path: Path, title: str, rows: Sequence[Row], paper_rows: Sequence[Row]) -> bool:
    """A column for each target, a mark for each method, a line for the model itself."""
    own, targets = pick(rows, method=ORIGINAL), _targets(rows)
    if own is None or not targets:
        return False
    panels = [("bits_per_byte", "bits/byte")]
    if own.get("accuracy") is not None:
        panels.append(("accuracy", "% of continuations right (chance 25)"))
    with plots.canvas(path, (4.5 + 4 * len(panels), 5)) as figure:
        *ours, theirs = figure.subplots(1, len(panels) + 1, width_ratios=[4] * len(panels) + [1.5])
        for plot, (column, name) in zip(ours, panels, strict=True):
            _panel(plot, rows, targets, column)
            plot.set(title="ours", ylabel=name)
        their_rows = [row for row in paper_rows if row["target"] == THEIR_TARGET]
        _panel(theirs, their_rows, [THEIR_TARGET], "accuracy")
        theirs.set(title="paper", ylabel="accuracy, %", xlim=(-0.6, 0.6))
        figure.suptitle(title, fontsize="medium", x=0.01, ha="left")
        handles, labels = ours[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", fontsize=9, frameon=False)
    return True


def _panel(plot: Any, rows: Sequence[Row], targets: Sequence[str], column: str) -> None:
    if own := pick(rows, method=ORIGINAL):
        plot.axhline(
            own[column], color="firebrick", linestyle="--", linewidth=1.2, label="original"
        )
    for number, method in enumerate(STYLES):
        aside = 0.09 * (number - len(STYLES) // 2)  # so that none hides another
        of_method = [pick(rows, method=method, target=target) for target in targets]
        points = [(at + aside, row[column]) for at, row in enumerate(of_method) if row]
        if points:
            xs, ys = zip(*points, strict=True)
            marker, colour = STYLES[method]
            plot.plot(xs, ys, marker, color=colour, label=method, markersize=7)
    plot.set_xticks(range(len(targets)), targets, fontsize=8)
    plot.set_xlim(-0.5, len(targets) - 0.5)
    plot.grid(axis="y", alpha=0.3)
