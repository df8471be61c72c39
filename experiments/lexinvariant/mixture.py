"""The ideal lexinvariant model of a known source, and trained ones (ours; Theorem 2.1)."""

import functools
from pathlib import Path
from typing import Any

import numpy as np

from experiments.shared import language_models, weights
from experiments.shared.tables import Clock, Log, Row, remarks_on, slug, statement
from research import vocabularies
from research.lexinvariance import baselines
from research.lexinvariance.tasks import mixtures
from research.models import language_model
from research.models.language_model import LanguageModelConfig
from research.reporting import results
from research.training import loop
from research.training.data import batches

TITLE = "The theorem made visible: distance to the source (ours; Theorem 2.1)"
COLUMNS = (
    "model",
    "length",
    "mean_gap",
    "excess_bits",
    "nearest_bits",
    "nearest_key_bits",
    "bound",
    "seconds",
)
MEANING = {
    "length": "T, positions",
    "mean_gap": (
        "L1 distance between the source's conditionals and the model's, averaged over the"
        " first T positions and all sequences"
    ),
    "excess_bits": "what the model loses over the source in T positions, mean over sequences",
    "nearest_bits": (
        "the same of the sequence that comes nearest to its own key's log2(d!/(d - k)!) bits"
        " or exceeds them most"
    ),
    "nearest_key_bits": "those bits of its key",
    "bound": "the row is a bound and no model",
}
PAPER_ROWS: list[Row] = []  # a theorem; the paper measures nothing of it
PLOT = {
    "x": "length",
    "y": "mean_gap",
    "series": ("model",),
    "log_x": True,
    "log_y": True,
    "lines": True,
    "thin": "bound",
}
IDEAL = "p' (exact mixture)"
OUR_BOUND = "bound sqrt(2 ln d! / T)"
PAPER_BOUND = "bound of Theorem 2.1"
# A stream for each purpose, so that no sequence and no table is trained on and evaluated.
_EVALUATION, _TRAINING = range(2)
_DRAWS = 1 << 32  # beyond the seeds that a config may have


def weights_of(config) -> list[str]:
    """Folders of the models that the table opens."""
    return [f"chain-{slug(model.label)}" for model in config.models]


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """Rows of p', of each trained model, and of both bounds, by T."""
    chain = mixtures.random_chain(config.seed, config.alphabet, config.concentration)
    rng = np.random.default_rng([config.seed, _EVALUATION])
    ids_NxL = mixtures.sample(chain, rng, config.num_sequences, max(config.lengths))
    source = functools.partial(mixtures.conditionals, chain)
    p_NxLxA = source(ids_NxL)
    clock = Clock()
    ideal_NxLxA = mixtures.mixture(source, ids_NxL, config.alphabet)
    rows = _rows(config, IDEAL, ids_NxL, p_NxLxA, ideal_NxLxA, clock, log)
    runs = workdir / "runs" / f"mixture-{results.key(config)}"
    for described in config.models:
        facts = [config, chain, described, ids_NxL, p_NxLxA]
        measure = functools.partial(_measured, *facts, workdir, runs, log)
        try:
            rows += results.once(workdir, config, described.label, measure)["rows"]
        except weights.MissingWeights as error:
            log(f"left out: {error}")
    loop.remove(runs)
    for name, bound in (
        (OUR_BOUND, mixtures.gap_bound),
        (PAPER_BOUND, functools.partial(mixtures.paper_gap_bound, delta=config.delta)),
    ):
        for length in config.lengths:
            value = bound(config.alphabet, length)
            rows.append({"model": name, "length": length, "mean_gap": value, "bound": True})
    return rows


def _measured(config, chain, described, ids_NxL, p_NxLxA, workdir, runs, log) -> Row:
    """The rows of one trained model, for every number of draws."""
    clock = Clock()
    name = described.label
    model, params = trained(config, chain, described, workdir=workdir, run=runs / name, log=log)
    rows = []
    for count in config.draws if model.vocabulary.draws else (1,):
        q_NxLxA = _conditionals(config, model, params, ids_NxL, count)
        label = name if count == 1 else f"{name}, {count} draws"
        rows += _rows(config, label, ids_NxL, p_NxLxA, q_NxLxA, clock, log)
    return {"rows": rows}


def _rows(config, name, ids_NxL, p_NxLxA, q_NxLxA, clock, log) -> list[Row]:
    """A row for each T."""
    gaps_NxL = mixtures.gaps(p_NxLxA, q_NxLxA)
    nats_NxL = mixtures.nats(q_NxLxA, ids_NxL) - mixtures.nats(p_NxLxA, ids_NxL)
    bits_NxL = np.cumsum(nats_NxL, axis=1) / np.log(2)
    key_NxL = baselines.key_nats(ids_NxL, vocab_size=config.alphabet)
    keys_NxL = np.cumsum(key_NxL, axis=1) / np.log(2)
    rows = []
    for length in config.lengths:
        bits_N, keys_N = bits_NxL[:, length - 1], keys_NxL[:, length - 1]
        nearest = int(np.argmax(bits_N - keys_N))
        rows.append({
            "model": name,
            "length": length,
            "mean_gap": float(gaps_NxL[:, :length].mean()),
            "excess_bits": float(bits_N.mean()),
            "nearest_bits": float(bits_N[nearest]),
            "nearest_key_bits": float(keys_N[nearest]),
            "bound": False,
            "seconds": clock.seconds(),
        })
    log(
        f"{name}: mean L1 gap {rows[-1]['mean_gap']:.4f} over {length} positions,"
        f" excess {rows[-1]['excess_bits']:.2f} bits"
    )
    return rows


def trained(
    config, chain, described, *, workdir: Path, run: Path, log: Log
) -> tuple[LanguageModelConfig, Any]:
    """A model after its batches of fresh samples of the chain, or its committed weights.

    Args:
      described: one of config.models.
      run: work directory of this training alone.
    """
    model = language_models.model_config(described, config.alphabet + 2)
    name = f"chain-{slug(described.label)}"
    place = weights.Place("lexinvariant", name, "mixture", config.weights, workdir)

    def say(line: str) -> None:
        log(f"{described.label}: {line}")

    def batches_of(lesson, seed):
        return functools.partial(_batch, chain, model, lesson, seed)

    def train():
        params, seconds = language_models.train(
            described, config.alphabet + 2, batches_of, seed=config.seed, workdir=run, log=say
        )
        return params, {"ids": described.ids_seen, "seconds": seconds, "seed": config.seed}

    def evaluate(params):
        held_out = _batch(chain, model, described, config.seed + _DRAWS, 0)
        nats, sums = language_model.exact_loss(params, model, held_out)
        return {"nats": float(nats / sums["tokens"])}

    settings = {
        "model": language_models.settings_of(described),
        **{name: getattr(config, name) for name in ("alphabet", "concentration", "seed")},
    }
    form = weights.arrays(functools.partial(language_model.init, config=model))
    return model, weights.obtain(place, settings, form, train, evaluate, say)[0]


def _batch(chain, model, lesson, seed: int, step: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([seed, _TRAINING, step])
    targets_BxL = mixtures.sample(chain, rng, lesson.batch_size, lesson.length)
    batch = {
        "inputs_BxL": language_models.with_bos(model, targets_BxL),
        "targets_BxL": targets_BxL,
        "weights_BxL": np.ones(targets_BxL.shape, np.float32),
    }
    batch = batches.said_twice(batch, lesson.twice, seed, step)
    return batches.with_keys(batch, seed, step)


def _conditionals(config, model, params, ids_NxL, count) -> np.ndarray:
    """The model's predictions of the d symbols, mean over `count` draws, float64 [N, L, A].

    They are scaled to sum to one.
    """
    predict = language_models.symbol_predictor(model, config.alphabet)
    count_of_rows, size = len(ids_NxL), config.batch_size
    # All batches have one shape: the last goes on with the first rows.
    rows_N = np.arange(-(-count_of_rows // size) * size) % count_of_rows
    total_NxLxA = np.zeros((len(rows_N), ids_NxL.shape[1], config.alphabet))
    for draw in range(count):
        keys_Nx2 = vocabularies.sequence_keys(config.seed + _DRAWS, len(rows_N), step=draw)
        for start in range(0, len(rows_N), size):
            here = slice(start, start + size)
            inputs_BxL = language_models.with_bos(model, ids_NxL[rows_N[here]])
            total_NxLxA[here] += np.asarray(predict(params, inputs_BxL, keys_Nx2[here]))
    total_NxLxA = total_NxLxA[:count_of_rows]
    return total_NxLxA / total_NxLxA.sum(axis=2, keepdims=True)


def remarks(rows: list[Row]) -> list[str]:
    """Do the bounds hold (it is an error of the code if not), and how near do models come?"""
    gaps = {(row["model"], row["length"]): row["mean_gap"] for row in rows}
    lengths = sorted({row["length"] for row in rows})
    last = lengths[-1]
    ideal = [row for row in rows if row["model"] == IDEAL]
    nearest = max(ideal, key=lambda row: row["nearest_bits"] - row["nearest_key_bits"])
    # Rounding adds up over the permutations; the bound is met to the last digits.
    on_every_sequence = nearest["nearest_bits"] <= nearest["nearest_key_bits"] + 1e-9
    below = all(gaps[IDEAL, length] <= gaps[OUR_BOUND, length] for length in lengths)
    shown = ", ".join(f"{gaps[IDEAL, length]:.3f}" for length in lengths)
    trained = ", ".join(
        f"{row['model']} {row['mean_gap']:.3f} and {row['excess_bits']:.1f} bits"
        for row in rows
        if row["length"] == last and not row["bound"] and row["model"] != IDEAL
    )
    return remarks_on(
        rows,
        statement(
            "on every sequence and at every T, p' loses at most log2(d!/(d - k)!) bits over p",
            on_every_sequence,
            f"nearest: {nearest['nearest_bits']:.3f} of {nearest['nearest_key_bits']:.3f} bits",
        ),
        statement(
            "at every T, the mean L1 gap of p' is at most sqrt(2 ln d! / T)",
            below,
            f"T = {last}: {gaps[IDEAL, last]:.4f}, bound {gaps[OUR_BOUND, last]:.3f}",
        ),
        f"mean L1 gap of p' at T = {', '.join(map(str, lengths))}: {shown}",
        f"the paper's bound is {gaps[PAPER_BOUND, last]:.2f} or more here; an L1 distance is at"
        " most 2, so it says nothing at these lengths"
        if gaps[PAPER_BOUND, last] > 2
        else None,
        f"mean L1 gap and excess at T = {last}: {IDEAL} {gaps[IDEAL, last]:.3f} and"
        f" {_last(ideal)['excess_bits']:.1f} bits; trained: {trained}",
    )


def _last(rows: list[Row]) -> Row:
    return max(rows, key=lambda row: row["length"])
