"""Bits/byte against tokens of continued training, by where the new table starts (n-shot)."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs.tokenizer_transfer.n_shot import Config
from experiments.shared.tables import Clock, Log, Row, pick, remarks_on, with_corpus
from experiments.tokenizer_transfer import (
    accuracy,
    base_models,
    finetune,
    hypernetworks,
    transfer_methods,
)
from experiments.tokenizer_transfer.accuracy import ORIGINAL
from research.reporting import results
from research.training import loop
from research.transfer import source_model
from research.vocabularies.protocol import EmbeddingTable

TITLE = "Continued training after the transfer (n-shot): bits/byte by thousands of tokens"
# Names of the columns at cpu scale; other scales have other numbers.
COLUMNS = (
    "target", "start", "bits_per_byte", "accuracy", "accuracy_interval", "kept", "kept_interval",
    "tokens_saved", "seconds",
)  # fmt: skip
MEANING = {
    "start": "where the new table starts",
    "bits_per_byte": "at the end; columns at N, in the file: after N thousand tokens of the target",
    "accuracy": (
        "at the end, % of questions right, which of four continuations is the text's own"
        " (chance 25); the paper's: average of five tasks after 800 M tokens"
    ),
    "kept": "accuracy as % of the original's before any of this training",
    "tokens_saved": (
        "how many tokens (thousands) random rows need, less what this start needs, to get"
        " where random rows end; empty if it does not"
    ),
}
PLOT = {
    "x": "thousand tokens of continued training",
    "y": "bits/byte",
    "series": ("start",),
    "across": "at ",
    "lines": True,
}
TOGETHER = "hypernetwork, itself trained on"
PAPER_ROWS: list[Row] = [
    {
        "group": "paper",
        "target": "Mistral-7B, GPT-2",
        "start": start,
        "accuracy": score,
        "kept": 100 * score / 76.9,
    }
    for start, score in (
        (ORIGINAL, 76.8), ("focus", 68.7), (TOGETHER, 74.9),
    )
]  # fmt: skip


def weights_of(config: Config) -> tuple[str, ...]:
    """Folders of the models that the table cannot do without."""
    return ("base", "hypernetwork")


def run(config: Config, *, workdir: Path, log: Log) -> list[Row]:
    """A row for each start: a curve."""
    seed = config.setting.seeds[0]
    base = base_models.trained(config.setting, seed, workdir, log)
    hypernet = hypernetworks.trained(config.setting, base, seed, workdir, log)
    tokenizer = config.setting.targets[config.target]
    to = transfer_methods.target(config.setting, base, tokenizer, workdir, log)
    model = finetune.model_of(base, config.steps, config.learning_rate)
    items = accuracy.questions(config.setting, base.corpus)
    own_N = base_models.right_answers(base, base.params, base.table, base.codec, items)

    def measure(start: str, run: Path) -> Row:
        clock = Clock()
        codec = base.codec if start == ORIGINAL else to.codec
        valid = base_models.valid_store(base, codec, workdir) if start == ORIGINAL else to.store

        def bits(params: Any, table: EmbeddingTable) -> float:
            return base_models.evaluate(base, params, table, valid).bits_per_byte

        shared: dict[str, Any] = {
            "seed": seed,
            "log": lambda line: log(f"{start}: {line}"),
            "evaluate": bits,
            "points": config.points,
        }
        if start == TOGETHER:
            settings = config.setting.hypernetwork
            done = finetune.train_together(
                base, hypernet, settings, to, model, workdir=workdir, run=run, **shared
            )
        else:
            table = base.table
            if start != ORIGINAL:
                table = transfer_methods.table(start, base, to, hypernet, seed)
            store = finetune.train_store(base.corpus, codec, base.text.train_bytes, workdir)
            done = finetune.train(base, table, store, model, workdir=run, **shared)
        right_N = base_models.right_answers(base, done.params, done.table, codec, items)
        return {
            "target": to.label,
            "start": start,
            "bits_per_byte": done.points[-1].bits_per_byte,
            **dict(finetune.names_of(done.points, model.batch_size * model.length)),
            **accuracy.columns(right_N, own_N),
            "seconds": clock.seconds(),
        }

    rows = []
    for start in config.starts:
        run = workdir / "runs" / f"n_shot-{results.key(start, config)}"
        facts = [start, source_model.digest(base.table)]
        row_of = functools.partial(measure, start, run)
        rows.append(results.once(workdir, config, facts, row_of))
        loop.remove(run)
    return with_corpus(_with_saved(rows), base.corpus)


def curve(row: Mapping[str, Any]) -> list[tuple[float, float]]:
    """(thousand tokens, bits/byte) of a row, in order."""
    pairs = [(float(name[3:]), row[name]) for name in row if name.startswith("at ")]
    return sorted(pairs)


def tokens_to(points: list[tuple[float, float]], goal: float) -> float | None:
    """Where a curve first reaches `goal`, between its points in a straight line; None: nowhere."""
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        if y0 <= goal:
            return x0
        if y1 <= goal:
            return x0 + (x1 - x0) * (y0 - goal) / (y0 - y1)
    return None


def _with_saved(rows: list[Row]) -> list[Row]:
    random = pick(rows, start="random")
    if random is None:
        return rows
    goal, end = random["bits_per_byte"], curve(random)[-1][0]
    out = []
    for row in rows:
        needed = None if row["start"] in ("random", ORIGINAL) else tokens_to(curve(row), goal)
        out.append(row if needed is None else row | {"tokens_saved": end - needed})
    return out


def remarks(rows: list[Row]) -> list[str]:
    """Where each start ends."""
    shown = ", ".join(f"{row['start']} {row['bits_per_byte']:.3f}" for row in rows)
    return remarks_on(rows, f"bits/byte in the end: {shown}")
