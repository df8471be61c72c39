"""Precision of the key that a probe reads, by the start of the window (Figures 4, 5 and 6)."""

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.lexinvariant import cipher_probe
from experiments.shared import language_models, weights
from experiments.shared.tables import Clock, Log, Row, pick, remarks_on, slug, with_corpus
from research.lexinvariance import probe
from research.lexinvariance.ciphers import key_decoding
from research.lexinvariance.probe import Frozen
from research.reporting import results
from research.training import loop
from research.transfer.hypernet import task_vectors
from research.vocabularies import sequence_keys

TITLE = "Precision of the key that a probe reads, by start of the window (Figure 4c)"
STARTS = (0, 25, 50, 75, 100, 150, 200, 300, 400)
COLUMNS = (
    "reading",
    "model",
    *(f"start {start}" for start in STARTS),
    "spread_last",
    "per_position",
    "sequences",
    "seconds",
)
MEANING = {
    "reading": "how a key is taken from what the probe says",
    "start": "mean precision over texts in the window that begins here",
    "spread_last": "standard deviation of the precision over texts in the last window",
    "per_position": (
        "share of all positions whose likeliest plain symbol is right, space and punctuation too"
    ),
    "sequences": "texts that were read",
}
_FIG_4C = (0.630, 0.754, 0.845, 0.897, 0.933, 0.966, 0.982, 0.991, 0.996)
PAPER_ROWS: list[Row] = [
    {
        "reading": "majority vote",
        "model": "gaussian",
        **{f"start {start}": value for start, value in zip(STARTS, _FIG_4C, strict=True)},
        "spread_last": 0.013,
        "sequences": 1000,
    }
]
PLOT = {
    "x": "start of the window",
    "y": "precision of the key",
    "series": ("reading",),
    "across": "start ",
    "lines": True,
    "panels": "model",
}
_KEYS = 1 << 40  # a stream of keys that no training has: beyond the seeds of a config
_BATCH = 8


class Read(NamedTuple):
    """One enciphered text and what the probe says of it."""

    plain_L: np.ndarray
    cipher_L: np.ndarray
    """`plain_L`, `cipher_L`: ids."""
    logs_LxA: np.ndarray
    """Log P(plain symbol | cipher text so far)."""


def summary(rows: list[Row], paper_rows: list[Row]) -> tuple[list[str], list[Row]]:
    """(columns, lines): the precision in the last window, a model a column."""
    last = [f"start {start}" for start in STARTS if rows[0].get(f"start {start}") is not None][-1]
    lines: dict[str, dict[str, Any]] = {}
    for row in rows:
        line = lines.setdefault(row["reading"], {"reading": f"{row['reading']}, {last}"})
        line[row["model"]] = round(row[last], 3)
    for row in paper_rows:
        if row["reading"] in lines:
            lines[row["reading"]][f"paper, {row['model']}"] = row[last]
    columns = dict.fromkeys(name for line in lines.values() for name in line)
    return list(columns), list(lines.values())


def weights_of(config) -> list[str]:
    """Folders of the models that the table opens."""
    names = language_models.weights_of(config)
    return [*names, *(f"probe-{name}" for name in names)]


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """Four rows for each model, one for each reading; key matrices as pictures."""
    rows = []
    for model in config.models:
        trained = language_models.trained_or_left_out(model, config.text, config, workdir, log)
        if trained is None:
            continue
        clock = Clock()
        try:
            lm, params = probed(config, model, trained, workdir=workdir, log=log)
        except weights.MissingWeights as error:
            log(f"left out: {error}")
            continue
        read = list(_read(config, trained, lm, params))
        letters = _letters(trained.codec)
        pictures = workdir / "pictures" / "deciphering"
        _draw(config, model.label, read, letters, pictures)
        log(f"{model.label}: key matrices, and a symbol's candidates, in {pictures}")
        facts = {
            "model": model.label,
            "per_position": _per_position(read),
            "sequences": len(read),
        }
        seconds = clock.seconds()
        for reading in key_decoding.READINGS:
            by_start = _precisions(read, reading, letters, config.starts, config.window)
            means = {f"start {start}": float(np.mean(v)) for start, v in by_start.items()}
            spread = float(np.std(by_start[config.starts[-1]]))
            rows.append(
                {"reading": reading, **facts, **means, "spread_last": spread, "seconds": seconds}
            )
            shown = ", ".join(f"{start} {value:.3f}" for start, value in means.items())
            log(f"{model.label}, {reading}: {shown}")
    return with_corpus(rows, language_models.load_corpus(config.text))


def probed(config, model, trained, *, workdir: Path, log: Log) -> cipher_probe.ProbedModel:
    """A model of the config with its probe, trained now or opened."""
    # A probe reads this model and no other, however like it was made.
    read = task_vectors.fingerprint_of(trained.params)
    run = workdir / "runs" / f"probe-{results.key(model, config.probe, config.seed, read)}"

    def say(line: str) -> None:
        log(f"{model.label}: {line}")

    def train():
        with_probe = cipher_probe.probed(
            trained, config.probe, length=model.length, seed=config.seed, log=say, workdir=run
        )
        ids = config.probe.steps * config.probe.batch_size * model.length
        return with_probe.params, {"ids": ids, "seed": config.seed}

    lm = Frozen(jax.tree.map(jax.numpy.asarray, trained.params), trained.config)

    def evaluate(params):
        few = dataclasses.replace(config, num_sequences=_BATCH)
        return {"per_position": _per_position(list(_read(few, trained, lm, params)))}

    name = f"probe-{slug(model.label)}"
    place = weights.Place("lexinvariant", name, "deciphering", config.weights, workdir)
    settings = {
        "model": language_models.settings_of(model),
        "model_weights": read,
        "probe": dataclasses.asdict(config.probe),
        "text": dataclasses.asdict(config.text),
        "seed": config.seed,
    }
    init = functools.partial(
        probe.init,
        d_model=trained.config.trunk.d_model,
        mlp_dim=config.probe.mlp_dim,
        alphabet=trained.config.vocab_size - 2,
    )
    form = weights.arrays(init)
    params, _ = weights.obtain(place, settings, form, train, evaluate, say)
    loop.remove(run)
    return cipher_probe.ProbedModel(lm, params)


def _draw(config, name: str, read: list[Read], letters: np.ndarray, directory: Path) -> None:
    """Figure 5, and Figure 6 for a letter of the first text that is rare but recurs."""
    matrices = key_matrices(read, letters, config.picture_starts, config.picture_window)
    file = slug(name)
    title = f"Reading the key: {name}"
    key_decoding.save_matrices(directory / f"{file}-keys.png", title, letters, matrices)
    places_N, candidates, truth = candidates_of(read[0], letters)
    title = f"What one symbol is taken for: {name}"
    path = directory / f"{file}-symbol.png"
    key_decoding.save_candidates(path, title, places_N, candidates, truth)


def candidates_of(
    read: Read, letters: np.ndarray, shown: int = 4
) -> tuple[np.ndarray, dict[str, np.ndarray], str]:
    """The rarest letter that occurs five times (or the most frequent one), its places, and the
    probabilities there of the letters that were likeliest at any of them."""
    counts = np.array([np.sum(read.plain_L == letter) for letter in letters])
    often = np.where(counts >= 5, counts, counts.sum() + 1)
    truth = int(np.argmin(often)) if (counts >= 5).any() else int(np.argmax(counts))
    places_N = np.flatnonzero(read.plain_L == letters[truth])
    p_NxA = np.exp(read.logs_LxA[places_N][:, letters])
    chosen = np.argsort(-p_NxA.max(axis=0, initial=0.0), kind="stable")[:shown]
    names = sorted({truth, *chosen.tolist()})
    return places_N, {chr(97 + a): p_NxA[:, a] for a in names}, chr(97 + truth)


def _letters(codec) -> np.ndarray:
    """The ids of a to z."""
    return np.array([int(codec.encode([bytes([letter])])[0][0]) for letter in range(97, 123)])


def _read(config, trained, lm: Frozen, params) -> Iterator[Read]:
    """The enciphered texts, a batch at a time."""
    length = config.models[0].length - 1  # BOS stands before them
    ordinary = trained.config.vocab_size - 2
    ids = trained.valid.ids[trained.valid.ids < ordinary].astype(np.int32)
    texts = ids[: len(ids) // length * length].reshape(-1, length)
    space = trained.codec.token_bytes().index(b" ")
    run = jax.jit(functools.partial(probe.posterior, params, lm))
    for start in range(0, config.num_sequences, _BATCH):
        plain_BxL = texts[np.arange(start, start + _BATCH) % len(texts)]
        image_BxA = _keys(config.seed, _BATCH, ordinary, space, step=start)
        cipher_BxL = probe.encipher(plain_BxL, image_BxA)
        draws = sequence_keys(_KEYS + config.seed, _BATCH, step=start)
        logs_BxLxA = np.asarray(run(cipher_BxL, draws))
        for each in list(zip(plain_BxL, cipher_BxL, logs_BxLxA, strict=True))[
            : config.num_sequences - start
        ]:
            yield Read(*each)


def _keys(seed: int, count: int, ordinary: int, space: int, *, step: int) -> np.ndarray:
    """Uniform permutations of the ordinary ids that leave the space, int32 [count, ordinary]."""
    rows = probe.permutations(_KEYS + seed, count, ordinary - 1, step=step)
    rows = rows + (rows >= space)
    return np.insert(rows, space, space, axis=1).astype(np.int32)


def precision(read: Read, reading: str, letters: np.ndarray, window: slice) -> float | None:
    """Share of a window's cipher symbols that stand for a letter and are read right."""
    plain_L, cipher_L = read.plain_L[window], read.cipher_L[window]
    symbols_S, first_S = np.unique(cipher_L, return_index=True)
    key_S = key_decoding.key(reading, read.logs_LxA[window], cipher_L, symbols_S)
    counted_S = np.isin(plain_L[first_S], letters)
    if not counted_S.any():
        return None
    return float(np.mean((key_S == plain_L[first_S])[counted_S]))


def _precisions(read, reading, letters, starts, width) -> dict[int, list[float]]:
    by_start = {}
    for start in starts:
        window = np.s_[start : start + width]
        values = (precision(each, reading, letters, window) for each in read)
        by_start[start] = [value for value in values if value is not None]
    return by_start


def _per_position(read: list[Read]) -> float:
    right = [np.mean(np.argmax(each.logs_LxA, axis=1) == each.plain_L) for each in read]
    return float(np.mean(right))


def key_matrices(
    read: list[Read], letters: np.ndarray, starts: tuple[int, ...], width: int
) -> dict[str, np.ndarray]:
    """Figure 5: for each window the mean log-probabilities [26, 26], true letter by letter read.

    The cipher symbols of a text stand in the order of the letters they mean, so that a key read
    right is the diagonal. A letter that no text has in a window is a row of NaN.
    """
    place = {int(letter): row for row, letter in enumerate(letters)}
    matrices = {}
    for start in starts:
        sums, counts = np.zeros((26, 26)), np.zeros((26, 1))
        for each in read:
            for at in range(start, min(start + width, len(each.plain_L))):
                row = place.get(int(each.plain_L[at]))
                if row is not None:
                    sums[row] += each.logs_LxA[at, letters]
                    counts[row] += 1
        if counts.any():
            matrices[f"positions {start} to {start + width}"] = np.where(
                counts > 0, sums / np.maximum(counts, 1), np.nan
            )
    return matrices


def remarks(rows: list[Row]) -> list[str]:
    """How much of the key the vote reads, and what assignment adds."""
    lines: list[str | None] = []
    for model in dict.fromkeys(row["model"] for row in rows):
        vote = pick(rows, model=model, reading="majority vote")
        both = pick(rows, model=model, reading="vote + assignment")
        if not (vote and both):
            continue
        starts = [name for name in vote if name.startswith("start ")]
        first, last = starts[0], starts[-1]
        lines.append(
            f"{model}: the vote reads {vote[first]:.3f} of the key at {first[6:]} and"
            f" {vote[last]:.3f} at {last[6:]}; distinct plain symbols (assignment), which the paper"
            f" does not try, make it {both[last]:.3f}"
        )
    return remarks_on(rows, *lines)
