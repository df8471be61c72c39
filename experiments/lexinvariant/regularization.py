"""Learned embeddings trained on partly permuted sequences (section 3.6, App. G, Figure 8)."""

import dataclasses
from pathlib import Path

import numpy as np

from experiments.lexinvariant import task_scores
from experiments.lexinvariant.task_scores import PER_BYTE, SUMMED
from experiments.shared import language_models
from experiments.shared.tables import Clock, Log, Row, remarks_on, with_corpus
from research.lexinvariance.tasks import tasks
from research.vocabularies.permuted import PartialEmbedding

TITLE = "Lexinvariance as regularization (section 3.6, Figure 8)"
COLUMNS = (
    "measure",
    "p",
    "per",
    "shots",
    "bits_per_byte",
    "lookup",
    "permutation",
    "accuracy",
    "accuracy_by_bytes",
    "up/same/down",
    "sign_p",
    "shots_that_fit",
    "signs",
    "seconds",
)
MEANING = {
    "measure": "model (bits/byte and both tasks) or BBH (BIG-Bench Hard)",
    "p": "share of what was randomised in training; all is measured on clean text",
    "per": "what was randomised at once: an occurrence of an id, or all of a type",
    "shots": "demonstrations of BBH that were asked for",
    "lookup": (
        "% of answers right, symbols uniform, four demonstrations; rows hold its interval too"
        " (95 %, bootstrap)"
    ),
    "permutation": "the same of the other task",
    "accuracy": "% of BBH, mean over tasks, options by summed nats; rows hold each task's too",
    "accuracy_by_bytes": "the same, options by nats per byte",
    "up/same/down": "tasks above, at and below the first p = 0; rows hold it by bytes too",
    "sign_p": "two-sided sign test on up and down",
    "shots_that_fit": "mean",
    "signs": "one for each task, in alphabetical order",
    "seconds": "of a model its training and what its row shows; of BBH all shots together",
}

MODEL, CHOICES = "model", "BBH"
COUNT = 4  # demonstrations of LookUp and Permutation
MAJORITY, CHANCE = "majority", "chance"


def _sign_test(up: int, down: int) -> float | None:
    """Two-sided p-value of as uneven a split of fair coins; None without any."""
    from scipy.stats import binomtest

    return float(binomtest(up, up + down).pvalue) if up + down else None


PAPER_ROWS: list[Row] = [
    {
        "group": CHOICES,
        "measure": "BIG-bench",
        "p": 0.2,
        "shots": shots,
        "up/same/down": f"{up}/{same}/{down}",
        "sign_p": _sign_test(up, down),
    }
    for shots, up, same, down in ((0, 11, 4, 23), (1, 24, 2, 11), (2, 22, 6, 9), (3, 22, 3, 11))
]


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """A row of each model as a language model, then its rows on BIG-Bench Hard by shots."""
    of_models: list[Row] = []
    of_choices: list[Row] = []
    directory = task_scores.bbh_folder(config.bbh)
    questions, first = None, None
    for variant in config.variants:
        trained = language_models.trained(
            dataclasses.replace(
                config.model,
                vocabulary="partial",
                options=(*config.model.options, ("p", variant.p), ("per", variant.per)),
            ),
            config.text,
            seed=config.seed + variant.seed,
            workdir=workdir,
            log=log,
        )
        clock = Clock()
        vocabulary = trained.config.vocabulary
        assert isinstance(vocabulary, PartialEmbedding)
        clean = dataclasses.replace(trained.config, vocabulary=vocabulary.clean)
        per = variant.per if not variant.seed else f"{variant.per}, another seed"
        where = {"p": variant.p, "per": per}
        row = {"group": MODEL, "measure": MODEL} | where | _as_model(config, trained, clean)
        of_models.append(row | {"seconds": round(trained.seconds + clock.seconds(), 1)})
        log(
            f"p = {variant.p}, {per}: {row['bits_per_byte']:.3f} bits/byte, LookUp"
            f" {row['lookup']:.1f} %, Permutation {row['permutation']:.1f} %"
        )
        if directory is None:
            continue
        if questions is None:
            questions = task_scores.bbh_questions(
                directory,
                trained.codec,
                shots=config.shots,
                count=config.bbh_examples,
                context=config.context,
                seed=config.seed,
            )
            of_choices += _guesses(questions)
        clock = Clock()
        accuracies = task_scores.bbh_accuracies(
            trained.params, clean, questions, batch_size=config.bbh_batch_size
        )
        first = accuracies if first is None else first
        rows = [where | _by_shots(shots, questions, accuracies, first) for shots in config.shots]
        of_choices += [row | {"seconds": clock.seconds()} for row in rows]
        shown = ", ".join(f"{row['accuracy']:.1f}" for row in rows)
        log(f"p = {variant.p}, {per}: BIG-Bench Hard {shown} %")
    corpus = language_models.load_corpus(config.text)
    return with_corpus(of_models + of_choices, corpus)


def _as_model(config, trained, clean) -> Row:
    """Bits per byte and both tasks on clean text."""
    sums = language_models.evaluate(config.model, trained._replace(config=clean))
    row: Row = {"bits_per_byte": sums.bits_per_byte}
    marks = tasks.separators(trained.codec)
    symbols = task_scores.symbol_sets(trained.codec, trained.train.ids)["uniform"]
    for task in tasks.TASKS:
        scores_N = task_scores.scores(
            trained.params,
            clean,
            tasks.prompts(task, config.seed, symbols, marks, count=config.examples, n=COUNT),
            marks,
            length=tasks.length(task, marks, COUNT),
            batch_size=config.batch_size,
            seed=config.seed,
        )
        intervals = task_scores.compared(scores_N, None, resamples=2_000, seed=config.seed)
        row[task.lower()] = 100 * float(scores_N.mean())
        row[f"{task.lower()}_interval"] = intervals["interval"]
    return row


def _guesses(questions) -> list[Row]:
    """Rows of what needs no model."""
    return [
        {"group": CHOICES, "measure": CHOICES, "per": name, "accuracy": 100 * value}
        for name, value in ((MAJORITY, questions.majority()), (CHANCE, questions.chance()))
    ]


def _by_shots(shots, questions, accuracies, first) -> Row:
    """One row of BIG-Bench Hard; up and down are against `first`, which is p = 0."""
    prompts = [question for task in questions.by_shots[shots] for question in task]
    row: Row = {
        "group": CHOICES,
        "measure": CHOICES,
        "shots": shots,
        "questions": len(prompts),
        "shots_that_fit": float(np.mean([shots - prompt.dropped for prompt in prompts])),
        "task_accuracies": {
            task.name: float(value)
            for task, value in zip(questions.tasks, accuracies[shots, SUMMED], strict=True)
        },
    }
    for kind, suffix in ((SUMMED, ""), (PER_BYTE, "_by_bytes")):
        row["accuracy" + suffix] = 100 * float(accuracies[shots, kind].mean())
        if accuracies is first:
            continue
        signs = np.sign(accuracies[shots, kind] - first[shots, kind])
        up, same, down = (int((signs == sign).sum()) for sign in (1, 0, -1))
        row["up/same/down" + suffix] = f"{up}/{same}/{down}"
        row["sign_p" + suffix] = _sign_test(up, down)
        if kind == SUMMED:
            row["signs"] = "".join({1: "+", 0: "0", -1: "-"}[int(sign)] for sign in signs)
    return row


def remarks(rows: list[Row]) -> list[str]:
    """What regularization costs and gains here, and what such a model cannot show."""
    models = [row for row in rows if row["measure"] == MODEL]
    choices = [row for row in rows if row["measure"] == CHOICES and row.get("shots") is not None]
    figures = ", ".join(f"{_name(row)} {row['bits_per_byte']:.3f}" for row in models)
    lines: list[str | None] = [f"bits/byte on clean text: {figures}"]
    lines += [_best_of(task, models[0], models[1:]) for task in tasks.TASKS]
    lines += _of_choices(choices, rows) if choices else [NO_TASKS]
    return remarks_on(rows, *lines)


NO_TASKS = (
    "BIG-Bench Hard was not run: put the JSON files of github.com/suzgunmirac/BIG-Bench-Hard (its"
    " folder bbh) into $FREEVOCAB_DATA/bbh, or give their folder with --set bbh=DIR"
)


def _name(row) -> str:
    seed = "" if row["per"] in ("type", "occurrence") else " (another seed)"
    return f"p={row['p']:g}{' per type' if row['per'] == 'type' else seed}"


COPIED = {"LookUp": 25, "Permutation": 33}  # at least; see the table `reasoning`


def _best_of(task, base, others) -> str | None:
    """Is the best p > 0 above p = 0 on a task?"""
    name, task = task, task.lower()
    others = [row for row in others if row["p"] > 0]
    if not others:
        return None
    best = max(others, key=lambda row: row[task])
    low, high = best[f"{task}_interval"].split(" to ")[0], base[f"{task}_interval"].split()[-1]
    verdict = "is above" if float(low) > float(high) else "is not clearly above"
    return (
        f"{name}: the best of p > 0, {_name(best)} with {best[task]:.1f} %"
        f" [{best[f'{task}_interval']}], {verdict} p=0 with {base[task]:.1f} %"
        f" [{base[f'{task}_interval']}] (a candidate copied at random: {COPIED[name]} %)"
    )


def _of_choices(choices, rows) -> list[str | None]:
    last = max(row["shots"] for row in choices)
    lines: list[str | None] = []
    for row in choices:
        if row["shots"] == last and row["p"] == 0.2:
            p_value = 1.0 if row["sign_p"] is None else row["sign_p"]
            lines.append(
                f"{_name(row)} at {last} shots: {row['up/same/down']} tasks up/same/down, sign test"
                f" {p_value:.2f} (the paper: 22 of BIG-bench's categories up, 11 down)"
            )
        if row["shots"] == last and row["p"] == 0 and "up/same/down" in row:
            lines.append(
                f"p=0 with another seed has {row['up/same/down']} tasks up/same/down at {last}"
                " shots: so many move by chance"
            )
    guesses = {row["per"]: row["accuracy"] for row in rows if row["measure"] == CHOICES}
    best = max(row["accuracy"] for row in choices)
    error = 50 / choices[0]["questions"] ** 0.5
    above = best > guesses[MAJORITY] + 2 * error
    lines.append(
        f"the best of {len(choices)} mean accuracies is {best:.1f} % (standard error up to"
        f" {error:.1f}); each task's commonest answer gives {guesses[MAJORITY]:.1f} %, a guess"
        f" {guesses[CHANCE]:.1f} %: "
        + (
            "some models are above what needs no question"
            if above
            else "models of this size do not solve these tasks, and their signs say which answer a"
            " model leans to, not whether it reasons"
        )
    )
    return lines
