"""Languages of random automata, learned from examples in context (ours; ICLL)."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np

from experiments.shared import language_models
from experiments.shared.tables import Clock, Log, Row, pick, remarks_on, statement
from research.lexinvariance import baum_welch, ngrams
from research.lexinvariance.tasks import automata
from research.lexinvariance.tasks.automata import Problems
from research.models.language_model import LanguageModelConfig
from research.reporting import results
from research.training import loop
from research.training.data import batches

TITLE = "Languages of random automata, learned in context (ours; ICLL)"
EXAMPLES = (0, 1, 2, 4, 8, 16)
COLUMNS = (
    "model",
    "vocabulary",
    "ngram_heads",
    "accuracy",
    "total_variation",
    "bits_per_symbol",
    *(f"tv {count}" for count in EXAMPLES),
    "problems",
    "seconds",
)
MEANING = {
    "ngram_heads": "orders of the trunk's n-gram heads",
    "accuracy": (
        "% of positions whose first choice is possible; this and the rest over the symbols"
        " alone, at positions where a symbol comes"
    ),
    "total_variation": "half the L1 distance to the automaton's distribution, mean",
    "bits_per_symbol": "-log2 p of what comes",
    "tv": "total_variation where this many whole strings have been seen, up to the next number",
    "problems": "held-out automata",
}
PAPER_ROWS: list[Row] = []  # ICLL prints curves for this task, no figures
PLOT = {
    "x": "examples_seen",
    "y": "total_variation",
    "series": ("model",),
    "across": "tv ",
    "lines": True,
}
UNIFORM, TRUTH = "uniform", "the automaton itself"
_DRAWS = 1 << 32  # beyond the seeds that a config may have


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """A row for each trunk, each reference, and both ends of the scale."""
    settings = automata.Settings(alphabet=config.alphabet)
    indices_N = np.arange(config.valid_problems)
    held_out = automata.problems(
        settings, config.seed, automata.HELD_OUT, indices_N, config.model.length
    )
    train = _training_set(config, settings)
    runs = workdir / "runs" / f"in_context_languages-{results.key(config)}"
    rows = []
    for vocabulary, heads in config.rows:
        name = vocabulary + (f", n-gram heads {_orders(heads)}" if heads else "")
        measure = functools.partial(
            _trained_row, config, train, held_out, vocabulary, heads, name, runs, log
        )
        rows.append(results.once(workdir, config, name, measure))
    loop.remove(runs)
    rows += _references(config, settings, held_out, log)
    return rows


def _trained_row(config, train, held_out, vocabulary, heads, name, runs, log) -> Row:
    clock = Clock()
    model, params = _trained(config, train, vocabulary, heads, name, runs / name, log)
    q_NxLxA = _predictions(config, model, params, held_out)
    facts = {"vocabulary": vocabulary, "ngram_heads": _orders(heads) if heads else None}
    return _row(name, held_out, q_NxLxA, clock, log) | facts


def _orders(heads: tuple[int, ...]) -> str:
    return " ".join(map(str, heads))


def _references(config, settings, held_out, log) -> list[Row]:
    """What needs no training."""
    rows = []
    for order in config.ngram_orders:
        clock = Clock()
        q_NxLxA = ngrams.distributions(
            held_out.ids_BxL, vocab_size=settings.alphabet + 1, order=order
        )
        name = f"back-off n-gram, order {order}"
        rows.append(_row(name, held_out, q_NxLxA[:, :, : settings.alphabet], clock, log))
    clock = Clock()
    fitting = baum_welch.Settings(config.hidden_states, config.iterations, config.starts)
    some = Problems(*(array[: config.baum_welch_problems] for array in held_out))
    q_NxLxA = np.stack([
        baum_welch.in_context(ids_L, settings.separator, settings.alphabet, fitting, config.seed)
        for ids_L in some.ids_BxL
    ])
    name = f"Baum-Welch, {config.hidden_states} states"
    rows.append(_row(name, some, q_NxLxA, clock, log))
    clock = Clock()
    rows.append(_row(UNIFORM, held_out, np.ones_like(held_out.true_BxLxA), clock, log))
    rows.append(_row(TRUTH, held_out, held_out.true_BxLxA, clock, log))
    return rows


def _row(name, problems: Problems, q_BxLxA, clock, log) -> Row:
    """The measures of predictions, which are scaled to sum to one over the symbols."""
    scored_BxL = problems.scored_BxL
    p_NxA, q_NxA = problems.true_BxLxA[scored_BxL], q_BxLxA[scored_BxL]
    q_NxA = q_NxA / q_NxA.sum(axis=1, keepdims=True)
    every_N = np.arange(len(p_NxA))
    symbols_N, examples_N = problems.ids_BxL[scored_BxL], problems.examples_BxL[scored_BxL]
    distance_N = np.abs(p_NxA - q_NxA).sum(axis=1) / 2
    row = {
        "model": name,
        "accuracy": 100 * float((p_NxA[every_N, q_NxA.argmax(axis=1)] > 0).mean()),
        "total_variation": float(distance_N.mean()),
        "bits_per_symbol": float(-np.log2(q_NxA[every_N, symbols_N]).mean()),
        "problems": len(scored_BxL),
        "seconds": clock.seconds(),
    }
    for low, high in zip(EXAMPLES, [*EXAMPLES[1:], np.inf], strict=True):
        chosen_N = (examples_N >= low) & (examples_N < high)
        row[f"tv {low}"] = float(distance_N[chosen_N].mean()) if chosen_N.any() else None
    log(
        f"{name}: {row['accuracy']:.1f} % possible, total variation {row['total_variation']:.3f}"
    )
    return row


def _training_set(config, settings) -> tuple[np.ndarray, np.ndarray]:
    """ids_NxL and inside_NxL of all problems for training."""
    parts = []
    for start in range(0, config.train_problems, 250):  # the distributions are large, and dropped
        indices_N = np.arange(start, min(start + 250, config.train_problems))
        problems = automata.problems(
            settings, config.seed, automata.TRAINING, indices_N, config.model.length
        )
        parts.append((problems.ids_BxL, problems.inside_BxL))
    ids, inside = zip(*parts, strict=True)
    return np.concatenate(ids), np.concatenate(inside)


def _trained(config, train, vocabulary, heads, name, run, log) -> tuple[LanguageModelConfig, Any]:
    """A trunk with this vocabulary and these heads after all steps."""
    ids_NxL, inside_NxL = train
    described = dataclasses.replace(config.model, vocabulary=vocabulary)
    # Symbols and the separator, BOS and EOS.
    model = language_models.model_config(described, config.alphabet + 3)
    trunk = dataclasses.replace(model.trunk, ngram_heads=heads)
    model = dataclasses.replace(model, trunk=trunk)

    def batch(step: int) -> dict[str, np.ndarray]:
        rows_B = automata.training_indices(
            seed=config.seed, step=step, batch_size=described.batch_size, count=len(ids_NxL)
        )
        return _batch(model, ids_NxL[rows_B], inside_NxL[rows_B], config.seed, step)

    result = language_models.lm(described, model).train(
        batch,
        language_models.train_config(described, config.seed),
        run,
        log=lambda line: log(f"{name}: {line}"),
    )
    return model, result.params


def _batch(model, ids_BxL, inside_BxL, seed: int, step: int) -> dict[str, np.ndarray]:
    """What the model reads and is to say; separators count in training."""
    batch = {
        "inputs_BxL": language_models.with_bos(model, ids_BxL),
        "targets_BxL": ids_BxL,
        "weights_BxL": inside_BxL.astype(np.float32),
    }
    return batches.with_keys(batch, seed, step)


def _predictions(config, model, params, held_out) -> np.ndarray:
    """Probabilities of the symbols at every position, one draw for each problem, [N, L, A]."""
    predict = language_models.symbol_predictor(model, config.alphabet)
    size, count = config.model.batch_size, len(held_out.ids_BxL)
    parts = []
    for step, start in enumerate(range(0, count, size)):
        # All batches have one shape: the last goes on with the first problems.
        rows_B = np.arange(start, start + size) % count
        ids_BxL, inside_BxL = held_out.ids_BxL[rows_B], held_out.inside_BxL[rows_B]
        batch = _batch(model, ids_BxL, inside_BxL, config.seed + _DRAWS, step)
        parts.append(np.asarray(predict(params, batch["inputs_BxL"], batch["keys_Bx2"])))
    return np.concatenate(parts)[:count].astype(np.float64)


def remarks(rows: list[Row]) -> list[str]:
    """What n-gram heads and a vocabulary of fixed vectors change, and who is nearest?"""
    lines: list[str | None] = []
    trunks = [row for row in rows if row.get("vocabulary")]
    for vocabulary in dict.fromkeys(row["vocabulary"] for row in trunks):
        pair = [row for row in trunks if row["vocabulary"] == vocabulary]
        plain = next((row for row in pair if not row["ngram_heads"]), None)
        heads = next((row for row in pair if row["ngram_heads"]), None)
        if plain and heads:
            lines.append(
                f"the {vocabulary} trunk with n-gram heads and without: total variation"
                f" {heads['total_variation']:.3f} and {plain['total_variation']:.3f},"
                f" {heads['accuracy']:.1f} and {plain['accuracy']:.1f} % possible"
            )
    counted = [row for row in rows if row["model"].startswith("back-off")]
    fitted = [row for row in rows if row["model"].startswith("Baum-Welch")]
    best = {
        what: min(group, key=lambda row: row["total_variation"])
        for what, group in (("trunk", trunks), ("n-gram", counted), ("fit", fitted))
        if group
    }
    if len(best) == 3:
        named = [f"{row['model']} {row['total_variation']:.3f}" for row in best.values()]
        lines.append(f"total variation of the best: {', '.join(named)}; what has "
                     "not been shown yet nobody can know, so 0 is out of reach")
    lines += _late(counted, fitted) + _vocabularies(trunks)
    uniform = pick(rows, model=UNIFORM)
    if uniform and any(not row["ngram_heads"] for row in trunks):
        lines.append(
            f"uniform guesses are possible {uniform['accuracy']:.1f} % of the time, at a total "
            f"variation of {uniform['total_variation']:.3f}"
        )
    return remarks_on(rows, *lines)


def _late(counted, fitted) -> list[str | None]:
    """Is Baum-Welch ahead of the n-grams where the most strings have been seen?"""
    if not counted or not fitted:
        return []
    seen = [name for name in (f"tv {n}" for n in EXAMPLES) if fitted[0].get(name) is not None]
    last = seen[-1]
    count, fit = min(row[last] for row in counted), fitted[0][last]
    return [
        statement(
            "knowing the kind of automaton pays once there are strings to fit it to",
            fit < count,
            f"from {last.split()[1]} strings on: Baum-Welch {fit:.3f}, best n-gram {count:.3f};"
            f" before the second string {fitted[0][seen[0]]:.3f} and"
            f" {min(row[seen[0]] for row in counted):.3f}",
        )
    ]


def _vocabularies(trunks) -> list[str | None]:
    """Every problem chooses its own symbols: does a table that is learned once still help?"""
    heads = {row["vocabulary"]: row for row in trunks if row["ngram_heads"]}
    if not {"learned", "gaussian"} <= set(heads):
        return []
    learned, drawn = (heads[name]["total_variation"] for name in ("learned", "gaussian"))
    return [
        f"with n-gram heads, a learned vocabulary is at {learned:.3f}, a drawn one at {drawn:.3f},"
        " though no symbol means anything beyond its problem"
        if learned < drawn
        else f"with n-gram heads, a drawn vocabulary ({drawn:.3f}) is no worse than a learned one"
        f" ({learned:.3f})"
    ]
