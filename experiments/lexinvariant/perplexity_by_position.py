"""Perplexity by position: standard against lexinvariant, with floors (Figures 3 and 7)."""

import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.lexinvariant import position_windows
from experiments.lexinvariant.position_windows import (
    KEY,
    ORDER,
    STANDARD,
    STARTS,
    Sequences,
    floors_of,
    kind,
    row_of,
)
from experiments.shared import language_models, weights
from experiments.shared.tables import Clock, Log, Row, remarks_on, with_corpus
from research.lexinvariance import baselines, draws
from research.models import language_model
from research.training.data import token_store
from research.vocabularies import sequence_keys

TITLE = "Perplexity by position, standard and lexinvariant (Figures 3 and 7)"
COLUMNS = (
    "model",
    "kind",
    "text",
    *(f"start {start}" for start in STARTS),
    "spread_first",
    "spread_last",
    "nats_last",
    "nats",
    "nats_seen",
    "nats_new",
    "excess_bits",
    "sequences",
    "floor",
    "seconds",
)
BRIEF = (
    "model", "kind", "start 1", "start 50", "start 150", "start 413", "nats", "excess_bits"
)  # fmt: skip
MEANING = {
    "kind": "kind of text and of ids",
    "start": "perplexity of the window of 100 positions that begins here, mean over sequences",
    "spread_first": "standard deviation over sequences in the first window",
    "spread_last": "the same in the last window",
    "nats_last": "mean log-loss of a position in the last window",
    "nats": "mean log-loss over all positions",
    "nats_seen": "over those whose id has occurred before in the sequence",
    "nats_new": "over those whose id has not",
    "excess_bits": "what a sequence loses over the learned model",
    "sequences": "how many were read",
    "floor": "no trained model",
}
PAPER_ROWS = position_windows.PAPER_ROWS
summary, picture = position_windows.summary, position_windows.picture
_KEYS = (1 << 40) + (1 << 33)  # draws that no training and no other table has


weights_of = language_models.weights_of


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """For each kind of text and ids, rows of its models and of its floors."""
    rows = []
    for text in config.texts:
        for ids in dict.fromkeys(model.ids for model in _chosen(config)):
            rows += _of_text(config, text, ids, workdir, log)
    for text in config.floor_texts:
        clock = Clock()
        first = config.models[0]
        corpus = language_models.load_corpus(text)
        codec = language_models.codec_of(first, corpus, workdir, log)
        folder = workdir / "tokens"
        valid = token_store.build(corpus, "valid", codec, folder, max_bytes=text.valid_bytes)
        sequences = Sequences.of(valid, codec, config, first.length)
        nats = floors_of(config, sequences)
        own = _rows(nats, sequences, None, text, first.ids, clock, log, floor=True)
        rows += with_corpus(own, corpus)
    return rows


def _of_text(config, text, ids, workdir, log) -> list[Row]:
    rows, standard_NxL, sequences = [], None, None
    for model in (model for model in _chosen(config) if model.ids == ids):
        trained = language_models.trained_or_left_out(model, text, config, workdir, log, owner=True)
        if trained is None:
            continue
        clock = Clock()
        sequences = Sequences.of(trained.valid, trained.codec, config, model.length)
        nats = _model_nats(config, model, trained, sequences)
        if model.label == STANDARD:
            standard_NxL = nats[STANDARD]
        rows += _rows(nats, sequences, standard_NxL, text, ids, clock, log)
    if sequences is None:
        return []
    clock = Clock()
    nats = floors_of(config, sequences)
    if standard_NxL is not None:
        key_NxL = baselines.key_nats(sequences.ids_NxL, vocab_size=sequences.vocab_size)
        nats[KEY] = standard_NxL + key_NxL
    rows += _rows(nats, sequences, standard_NxL, text, ids, clock, log, floor=True)
    return with_corpus(rows, language_models.load_corpus(text))


def _chosen(config) -> list:
    """The models, or those that `only` names."""
    return weights.chosen(config.models, weights_of(config), config.only)


def _rows(nats, sequences, standard_NxL, text, ids, clock, log, *, floor=False) -> list:
    """A row for each of `nats`, name -> values [N, L] or, of compressors, [N, windows]."""
    rows = []
    for name, values in nats.items():
        row = {"model": name, "kind": kind(text.name, ids), "text": text.name}
        row |= row_of(sequences, values, standard_NxL)
        rows.append(row | {"floor": floor, "seconds": clock.seconds()})
        shown = [f"{value:.2f}" for key, value in row.items() if key.startswith("start ")]
        log(f"{row['kind']}, {name}: perplexity {shown[0]} in the first window, {shown[-1]} last")
    return rows


def _model_nats(config, model, trained, sequences) -> dict[str, np.ndarray]:
    """Row's name -> nats [N, L]; several for a vocabulary that is drawn."""
    stream = _draws(config, trained, sequences)
    name = model.label
    if not trained.config.vocabulary.draws:
        return {name: next(stream)}
    nats = {}
    averages = draws.averaged(stream, config.draws)
    for count, average in averages.items():
        label = name if count == 1 else f"{name}, {count} draws"
        nats[label] = average.conditionals_BxL
    most = max(config.draws)
    if most > 1:
        nats[f"{name}, {most} draws jointly"] = averages[most].joint_BxL
    return nats


def _draws(config, trained, sequences) -> Iterator[np.ndarray]:
    """Nats [N, L] under one draw after another."""
    evaluate = jax.jit(functools.partial(_nats, config=trained.config))
    params = jax.tree.map(jax.numpy.asarray, trained.params)
    count, length = sequences.ids_NxL.shape
    size = min(config.batch_size, count)
    # All batches have one shape: the last goes on with the first rows.
    rows_N = np.arange(-(-count // size) * size) % count
    targets_NxL = sequences.ids_NxL[rows_N]
    inputs_NxL = language_models.with_bos(trained.config, targets_NxL)
    draw = 0
    while True:
        keys_Nx2 = sequence_keys(_KEYS + config.seed, len(rows_N), step=draw)
        parts = []
        for start in range(0, len(rows_N), size):
            here = slice(start, start + size)
            batch = {
                "inputs_BxL": inputs_NxL[here],
                "targets_BxL": targets_NxL[here],
                "keys_Bx2": keys_Nx2[here],
            }
            parts.append(np.asarray(evaluate(params, batch), np.float64))
        yield np.concatenate(parts)[:count]
        draw += 1


def _nats(params, batch, *, config):
    return language_model.token_losses(params, config, batch).nats_BxL


def remarks(rows: list[Row]) -> list[str]:
    """Does the gap close, do models beat what an n-gram learns in context, what do draws give?"""
    lines: list[str | None] = []
    for panel in dict.fromkeys(row["kind"] for row in rows):
        here = {row["model"]: row for row in rows if row["kind"] == panel}
        lines += _of_kind(panel, here)
    texts = {row["text"]: remarks_on([row]) for row in rows}
    return remarks_on([], *lines, *sum(texts.values(), []))


def _of_kind(panel: str, rows: dict[str, dict[str, Any]]) -> list[str | None]:
    names = [f"start {start}" for start in STARTS if f"start {start}" in next(iter(rows.values()))]
    first, last = names[0], names[-1]
    where = last.replace("start ", "")
    grams = [row for name, row in rows.items() if name.startswith(ORDER)]
    best = min(grams, key=lambda row: row[last])
    in_context = f"the best in-context n-gram ({best['model'].removeprefix('n-gram, ')})"
    standard = rows.get(STANDARD)
    if standard is None:
        figures = f"{best[first]:.1f} at 1, {best[last]:.2f} at {where}"
        return [f"{panel}, no model: {in_context} {figures}"]
    lines: list[str | None] = []
    for name, row in rows.items():
        if row["floor"] or name == STANDARD or " draws" in name:
            continue
        above = [row[start] / standard[start] - 1 for start in (first, last)]
        lines.append(
            f"{panel}: {name} is {above[0]:.2f} times standard's perplexity above it at the start,"
            f" {above[1]:.2f} times at {where}"
        )
        below = "below" if row[last] < best[last] else "above"
        averaged = [other for other in rows if other.startswith(f"{name}, ")]
        shown = "".join(f"; {other} {rows[other][last]:.2f}" for other in averaged)
        lines.append(
            f"{panel}, at {where}: {name} {row[last]:.2f}{shown}; {below} {in_context},"
            f" {best[last]:.2f}"
        )
        lines.append(
            f"{panel}: {name} loses {row['excess_bits']:.0f} bits a sequence over standard; the"
            f" ideal lexinvariant model of standard at most {rows[KEY]['excess_bits']:.0f}"
        )
    lines.append(
        f"{panel}: perplexities are means over sequences, above that of the mean log-loss: standard"
        f" at {where} {standard[last]:.2f} and {math.exp(standard['nats_last']):.2f}"
    )
    return lines
