"""What the hypernetwork owes to its parts: residual, auxiliary loss, samplers, slots, alignment."""

import dataclasses
from pathlib import Path

from configs.tokenizer_transfer.ablations import Config
from experiments.shared.tables import Clock, Log, Row, remarks_on, with_corpus
from experiments.tokenizer_transfer import base_models, hypernetworks, transfer_methods

TITLE = "Ablations of the hypernetwork: bits/byte with one part changed"
COLUMNS = (
    "variant", "bits_per_byte", "interval", "worse", "worst_target", "falling", "accuracy",
    "seconds",
)  # fmt: skip
MEANING = {
    "variant": "what was changed",
    "bits_per_byte": (
        "mean over the targets (and seeds); a column for each target follows in the file"
    ),
    "interval": "least to greatest over seeds, where there are several",
    "worse": "bits/byte above the first row",
    "worst_target": "the target with the most bits/byte",
    "falling": (
        "nats a token by which the mean training loss of the last fifth is below that of the"
        " fifth before it: near 0, it is a plateau"
    ),
    "accuracy": (
        "the ALM paper's average over tasks and three targets, of TinyLlama's hypernetwork:"
        " zett's form, residual with the auxiliary loss, residual without"
    ),
}
FVT = "fvt (no training)"
PAPER_ROWS: list[Row] = [
    {"variant": "zett's form, identity first", "accuracy": round((42.4 + 42.2 + 41.9) / 3, 2)},
    {"variant": "residual, auxiliary loss", "accuracy": round((42.7 + 42.2 + 42.0) / 3, 2)},
    {"variant": "residual", "accuracy": round((42.1 + 41.7 + 41.7) / 3, 2)},
]


def weights_of(config: Config) -> tuple[str, ...]:
    """Folders of the models that the table cannot do without."""
    return ("base",)


def run(config: Config, *, workdir: Path, log: Log) -> list[Row]:
    """A row for each variant of the hypernetwork."""
    seeds = config.setting.seeds
    base = base_models.trained(config.setting, seeds[0], workdir, log)
    targets = [
        transfer_methods.target(config.setting, base, tokenizer, workdir, log)
        for tokenizer in config.setting.targets
    ]
    rows = [_row(FVT, [_bits("fvt", base, targets, None, seeds[0])], targets)]
    for name, changes in config.variants:
        clock = Clock()
        settings = dataclasses.replace(config.setting.hypernetwork, **dict(changes))
        changed = dataclasses.replace(config.setting, hypernetwork=settings)
        bits, falling = [], []
        for seed in seeds:
            hypernet = hypernetworks.trained(changed, base, seed, workdir, log, keep=False)
            bits.append(_bits(transfer_methods.HYPERNETWORK, base, targets, hypernet, seed))
            falling.append(hypernet.falling)
        row = _row(name, bits, targets) | {"seconds": clock.seconds()}
        if None not in falling:
            row["falling"] = sum(falling) / len(falling)
        rows.append(row)
        log(f"{name}: {rows[-1]['bits_per_byte']:.4f} bits/byte")
    first = rows[1]["bits_per_byte"]
    rows = [rows[0], *(row | {"worse": row["bits_per_byte"] - first} for row in rows[1:])]
    return with_corpus(rows, base.corpus)


def _bits(method, base, targets, hypernet, seed) -> list[float]:
    """Bits/byte of each target."""
    return [
        transfer_methods.evaluate(
            base, transfer_methods.table(method, base, to, hypernet, seed), to
        ).bits_per_byte
        for to in targets
    ]


def _row(name: str, bits: list[list[float]], targets) -> Row:
    means = [sum(one) / len(one) for one in zip(*bits, strict=True)]
    worst = max(range(len(means)), key=means.__getitem__)
    row = {"variant": name, "bits_per_byte": sum(means) / len(means)}
    row["worst_target"] = targets[worst].label
    if len(bits) > 1:
        of_seeds = [sum(one) / len(one) for one in bits]
        row["interval"] = f"{min(of_seeds):.3f} to {max(of_seeds):.3f}"
    return row | {to.label: value for to, value in zip(targets, means, strict=True)}


def remarks(rows: list[Row]) -> list[str]:
    """What each change does."""
    bits = {row["variant"]: row["bits_per_byte"] for row in rows}
    first = rows[1]["variant"] if len(rows) > 1 else FVT
    changes = [
        f"{name}: {value - bits[first]:+.3f} bits/byte beside {first}"
        for name, value in bits.items()
        if name not in (first, FVT)
    ]
    return remarks_on(rows, *changes)
