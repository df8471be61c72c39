"""LookUp and Permutation, symbols drawn uniformly and by frequency (Tables 1 and 2)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.lexinvariant import task_scores
from experiments.lexinvariant.task_scores import MEAN_OF_RATIOS, RATIO_OF_MEANS, SAMPLINGS
from experiments.shared import language_models
from experiments.shared.tables import Clock, Log, Row, remarks_on, with_corpus
from research.evaluation import statistics
from research.lexinvariance.tasks import tasks

TITLE = "Tasks that only the context can solve: LookUp and Permutation (Tables 1 and 2)"
COLUMNS = (
    "task",
    "symbols",
    "text",
    "ids",
    "model",
    "accuracy",
    "interval",
    "gain",
    "gain_interval",
    "above_standard",
    "ratio",
    "ratio_interval",
    "n=1",
    "n=2",
    "n=8",
    "seconds",
)
MEANING = {
    "symbols": "how they are drawn",
    "model": (
        "the vocabulary; chance: a guess among all ids; copying: one of the values shown"
        " (LookUp) or of the query's symbols (Permutation), at random"
    ),
    "task": 'what was asked; rows "both": over all cells of a sampling',
    "accuracy": "% of answers right with four demonstrations",
    "interval": "of the accuracy, as all intervals here 95 %, bootstrap over prompts, paired",
    "gain": "accuracy above the standard model's on the same prompts",
    "gain_interval": "interval of the gain",
    "above_standard": "the whole interval of the gain is above 0 (or below: no); empty: neither",
    "ratio": "accuracy over the standard model's on the same prompts",
    "ratio_interval": "interval of the ratio",
    "n": "accuracy with so many demonstrations",
}

STANDARD = "standard"
MAIN_COUNT, OTHER_COUNTS = 4, (1, 2, 8)
CHANCE, COPYING = "chance", "copying"


def _group(task: str, symbols: str) -> str:
    return f"{task}, {symbols}"


def _paper(symbols: str, cells: Sequence[tuple]) -> list[Row]:
    """A table's cells as rows: (text, ids, LookUp standard and paper's, Permutation likewise)."""
    rows = []
    for index, task in enumerate(tasks.TASKS):
        for text, ids, *figures in cells:
            standard, ours = figures[2 * index : 2 * index + 2]
            shared = {
                "group": _group(task, symbols),
                "task": task,
                "symbols": symbols,
                "text": text,
                "ids": ids,
            }
            rows.append(shared | {"model": STANDARD, "accuracy": standard})
            rows.append(
                shared
                | {
                    "model": "gaussian",
                    "accuracy": ours,
                    "gain": round(ours - standard, 2),
                    "ratio": ours / standard,
                }
            )
    gaussian = [row for row in rows if row["model"] == "gaussian"]
    theirs = np.array([[row["accuracy"], row["accuracy"] / row["ratio"]] for row in gaussian])
    for name, value in task_scores.ratios(theirs[:, 0], theirs[:, 1]).items():
        rows.append(_summary(name, symbols, "gaussian") | {"ratio": float(value)})
    return rows


def _summary(name: str, symbols: str, model: str) -> Row:
    """What names a row over all cells."""
    return {
        "group": _group("both", symbols),
        "task": f"both, {name}",
        "symbols": symbols,
        "model": model,
    }


PAPER_ROWS: list[Row] = [
    *_paper(
        "uniform",
        (
            ("Pile", "characters", 48.50, 91.80, 27.66, 59.35),
            ("Pile", "unigram", 21.45, 92.10, 22.84, 55.63),
            ("Wiki-40B", "characters", 38.25, 59.70, 20.77, 60.51),
            ("Wiki-40B", "unigram", 8.75, 59.35, 9.94, 50.91),
            ("GitHub", "characters", 42.40, 86.65, 21.03, 71.59),
            ("GitHub", "unigram", 4.25, 80.20, 8.59, 67.39),
        ),
    ),
    *_paper(
        "by frequency",
        (
            ("Pile", "characters", 72.80, 90.95, 40.63, 60.47),
            ("Pile", "unigram", 61.20, 90.95, 40.55, 54.55),
            ("Wiki-40B", "characters", 75.55, 63.45, 42.71, 59.86),
            ("Wiki-40B", "unigram", 41.05, 57.95, 26.81, 51.86),
            ("GitHub", "characters", 66.00, 86.75, 36.62, 70.77),
            ("GitHub", "unigram", 59.25, 78.45, 37.46, 65.04),
        ),
    ),
]


def summary(
    rows: list[Row], paper_rows: list[Row]
) -> tuple[list[str], list[Row]]:
    """(columns, lines): % right by task and sampling, a model a column, and a copy at random."""
    cells = [row for row in rows if row.get("accuracy") is not None and row["model"] != CHANCE]
    first = cells[0]["text"], cells[0]["ids"]
    lines: dict[str, dict[str, Any]] = {}
    for row in cells:
        if (row["text"], row["ids"]) == first:
            name = f"{row['task']}, symbols {row['symbols']}"
            model = "a copy of any candidate" if row["model"] == COPYING else row["model"]
            lines.setdefault(name, {"task": name})[model] = round(row["accuracy"], 1)
    for row in paper_rows:
        line = lines.get(f"{row['task']}, symbols {row['symbols']}")
        if line is not None and (row["text"], row["ids"]) == ("Pile", "characters"):
            line[f"paper, {row['model']}"] = row["accuracy"]
    columns = dict.fromkeys(name for line in lines.values() for name in line)
    return list(columns), list(lines.values())


weights_of = language_models.weights_of


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """Rows of each model and of chance, by task and sampling, then the ratios over all cells."""
    cells: dict[tuple, dict[str, np.ndarray]] = {}
    rows: list[Row] = []
    for text in config.texts:
        for ids in dict.fromkeys(model.ids for model in config.models):
            rows += _of_text(config, text, ids, cells, workdir, log)
    rows.sort(key=lambda row: (tasks.TASKS.index(row["task"]), SAMPLINGS.index(row["symbols"])))
    return rows + _over_cells(config, cells, log)


def _of_text(config, text, ids, cells, workdir, log) -> list[Row]:
    """The rows of one kind of text and ids; per-prompt scores are left in `cells`."""
    rows, standard = [], {}
    for model in (model for model in config.models if model.ids == ids):
        trained = language_models.trained_or_left_out(model, text, config, workdir, log)
        if trained is None:
            continue
        name = STANDARD if model.vocabulary == "learned" else model.label
        marks = tasks.separators(trained.codec)
        sets = task_scores.symbol_sets(trained.codec, trained.train.ids)
        first = not rows
        for task in tasks.TASKS:
            for symbols in SAMPLINGS:
                clock = Clock()
                where = {"task": task, "symbols": symbols, "text": text.name, "ids": ids}
                where = {"group": _group(task, symbols), **where}
                by_count = {
                    n: _scores(config, trained, task, sets[symbols], marks, n)
                    for n in (MAIN_COUNT, *OTHER_COUNTS)
                }
                key = (task, symbols, text.name, ids)
                cells.setdefault(key, {})[name] = by_count[MAIN_COUNT]
                if name == STANDARD:
                    standard[task, symbols] = by_count[MAIN_COUNT]
                row = where | {"model": name} | _accuracies(by_count)
                row |= task_scores.compared(
                    by_count[MAIN_COUNT],
                    standard.get((task, symbols)) if name != STANDARD else None,
                    resamples=config.resamples,
                    seed=config.seed,
                )
                rows.append(row | {"seconds": clock.seconds()})
                log(f"{text.name}, {ids}, {name}: {task}, {symbols}: {row['accuracy']:.1f} %")
                if first:
                    rows += _chances(where, task, sets[symbols], trained.codec.vocab_size + 2)
    # Models in the config's order, chance last.
    rows.sort(key=lambda row: row["model"] in (CHANCE, COPYING))
    return with_corpus(rows, language_models.load_corpus(text))


def _scores(config, trained, task, symbols, marks, n) -> np.ndarray:
    count = config.examples if n == MAIN_COUNT else config.other_examples
    prompts = tasks.prompts(task, config.seed, symbols, marks, count=count, n=n)
    return task_scores.scores(
        trained.params,
        trained.config,
        prompts,
        marks,
        # The shorter prompts share the compiled pass of the main ones.
        length=tasks.length(task, marks, max(n, MAIN_COUNT)),
        batch_size=config.batch_size,
        seed=config.seed,
    )


def _accuracies(by_count: dict[int, np.ndarray]) -> dict[str, float]:
    values = {n: 100 * float(scores.mean()) for n, scores in by_count.items()}
    return {"accuracy": values.pop(MAIN_COUNT)} | {f"n={n}": v for n, v in values.items()}


def _chances(where, task, symbols, vocab_size) -> list[Row]:
    """The rows of two guesses: over all ids, and among what may be copied."""
    any_id = 100 * tasks.chance(vocab_size)
    copied = {n: 100 * tasks.copying_chance(task, symbols, n) for n in (MAIN_COUNT, *OTHER_COUNTS)}
    return [
        where | {"model": CHANCE, "accuracy": any_id} | {f"n={n}": any_id for n in OTHER_COUNTS},
        where
        | {"model": COPYING, "accuracy": copied[MAIN_COUNT]}
        | {f"n={n}": copied[n] for n in OTHER_COUNTS},
    ]


def _over_cells(config, cells, log) -> list[Row]:
    """Ratio of means and mean of ratios, by sampling and model, over texts, ids and tasks."""
    rows = []
    names = dict.fromkeys(name for cell_scores in cells.values() for name in cell_scores)
    for symbols in SAMPLINGS:
        for name in names:
            members = [
                cell_scores for key, cell_scores in cells.items()
                if key[1] == symbols and {name, STANDARD} <= set(cell_scores)
            ]
            if name == STANDARD or not members:
                continue
            resampled = np.stack([
                statistics.resampled_means(
                    np.stack([cell_scores[name], cell_scores[STANDARD]], axis=1),
                    resamples=config.resamples,
                    seed=config.seed + cell,
                )
                for cell, cell_scores in enumerate(members)
            ])
            means = np.array([[f[name].mean(), f[STANDARD].mean()] for f in members])
            exact = task_scores.ratios(means[:, 0], means[:, 1])
            spread = task_scores.ratios(resampled[..., 0], resampled[..., 1])
            for kind, value in exact.items():
                if math.isfinite(value):
                    text = task_scores.interval(spread[kind])
                    figures = {"ratio": float(value), "ratio_interval": text}
                    rows.append(_summary(kind, symbols, name) | figures)
                    log(f"{symbols}, {name}: {kind} {value:.2f}, {text}")
    return rows


def remarks(rows: list[Row]) -> list[str]:
    """Each model against the standard one, for each task and sampling; what becomes of "4X"."""
    lines: list[str | None] = []
    compared = [row for row in rows if row.get("gain") is not None]
    for name in dict.fromkeys(row["model"] for row in compared):
        for symbols in SAMPLINGS:
            for task in tasks.TASKS:
                cells = [
                    row for row in compared
                    if (row["model"], row["symbols"], row["task"]) == (name, symbols, task)
                ]
                if cells:
                    lines.append(_above(name, symbols, task, cells, rows))
    for kind in (RATIO_OF_MEANS, MEAN_OF_RATIOS):
        lines.append(_times(rows, kind))
    return remarks_on(rows, *lines)


def _above(name, symbols, task, cells, rows) -> str:
    """A model against the standard one, and against a copy of any candidate."""
    theirs = [
        row for row in PAPER_ROWS
        if (row["symbols"], row["task"]) == (symbols, task) and row.get("gain") is not None
    ]
    paper = f"the paper: {sum(row['gain'] > 0 for row in theirs)} of {len(theirs)} cells"
    if len(cells) == 1:
        (row,) = cells
        shown = (
            f"{row['accuracy']:.1f} % against {row['accuracy'] - row['gain']:.1f} %:"
            f" {row['gain']:+.1f} [{row['gain_interval']}] points"
        )
    else:
        ours = sum(row["accuracy"] for row in cells) / len(cells)
        gain = sum(row["gain"] for row in cells) / len(cells)
        surely = [[row["above_standard"] for row in cells].count(flag) for flag in (True, False)]
        shown = (
            f"of {len(cells)} cells {surely[0]} surely above, {surely[1]} surely below; mean"
            f" {ours:.1f} % against {ours - gain:.1f} %"
        )
    copying = max(
        row["accuracy"] for row in rows
        if (row["model"], row["symbols"], row.get("task")) == (COPYING, symbols, task)
    )
    below = sum(row["accuracy"] <= copying for row in cells)
    if below:
        number = f"{below} of {len(cells)} " if len(cells) > 1 else ""
        shown += f"; {number}below a copy of any candidate, {copying:.1f} %"
    return f"{name} beside standard in {task}, symbols {symbols}: {shown} ({paper} above)"


def _times(rows, kind) -> str:
    """One line on a kind of ratio under both samplings."""
    parts = []
    for symbols in SAMPLINGS:
        where = {"task": f"both, {kind}", "symbols": symbols}
        (paper,) = (row for row in PAPER_ROWS if where.items() <= row.items())
        ours = [row for row in rows if all(row.get(key) == where[key] for key in where)]
        if ours:
            shown = ", ".join(
                f"{row['model']} {row['ratio']:.2f} [{row['ratio_interval']}]" for row in ours
            )
        else:
            shown = "undefined, for the standard model has nothing right there"
        parts.append(f"symbols {symbols} {shown} (the paper's cells {paper['ratio']:.2f})")
    title = f'the paper\'s "4X on average", as {kind} over all cells'
    return f"{title}: {'; '.join(parts)}"
