"""M2's accuracy at each token of a window, along training (Fig 10)."""

import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from configs.shared import M2Config
from experiments.compressed_text import m2, m2_pipeline
from experiments.shared import compressors
from experiments.shared.tables import Log, Row, remarks_on, statement, with_corpus
from research.models import language_model
from research.reporting import plots, results
from research.training import step
from research.training.data.batches import Batch
from research.training.data.token_store import TokenStore
from research.training.lm import LM

TITLE = "Accuracy by a token's position in its window (Fig 10)"
COLUMNS = ("step", "vocabulary", *(f"position {k}" for k in range(1, 9)), "guess")
MEANING = {
    "step": "steps trained",
    "position": "share of the tokens at this place in validation windows that M2 predicts",
    "guess": "share of the commonest id at the best position, what a model knows that only counts",
}
PAPER_ROWS: list[Row] = []  # a figure; its bounds are in the config's docstring


def picture(path: Path, title: str, rows: list[Row], paper_rows: list) -> bool:
    """A line for each look, and what the commonest id would give."""
    with plots.canvas(path, (8, 4.5)) as figure:
        plot = figure.subplots()
        for number, row in enumerate(rows):
            names = [name for name in row if name.startswith("position ")]
            plot.plot(
                [int(name.split()[1]) for name in names],
                [100 * row[name] for name in names],
                "o-",
                color="tab:blue",
                alpha=(number + 1) / len(rows),
                label=f"after {row['step']:,} steps",
            )
        plot.axhline(
            100 * rows[-1]["guess"], color="black", linestyle="--", linewidth=1,
            label="the commonest id",
        )  # fmt: skip
        plot.set(title=title, xlabel="position in the window", ylabel="% right")
        plot.set_ylim(bottom=0)
        plot.grid(alpha=0.3)
        plot.legend(fontsize=9)
    return True


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """One row for each look: steps done, and the accuracy at each position."""
    corpus = compressors.load_corpus(config.corpus)
    codec = compressors.build_codec(config.codec, config.m1, corpus, workdir, log)
    train = m2_pipeline.store(codec, corpus, "train", config, workdir)
    valid = m2_pipeline.store(codec, corpus, "valid", config, workdir)
    per_window = config.codec.window_bits // config.codec.bits_per_token
    positions = window_positions(valid.num_tokens, config.m2.length, per_window)
    lm = m2.lm(config.m2, valid.vocab_size)
    evaluate = _evaluator(lm, per_window)

    def accuracies(params) -> dict[str, float]:
        return evaluate(params, _batches(lm, config.m2, valid, positions))

    length, looks = config.m2.length, max(1, config.m2.steps // config.looks)
    result = lm.train(
        lm.training_batches(
            train, seed=config.seed, batch_size=config.m2.batch_size, length=length
        ),
        m2.train_config(config.m2, seed=config.seed, eval_every=looks),
        workdir / "m2" / results.key(codec.fingerprint(), config),
        eval_fn=accuracies,
        log=log,
    )
    train_positions = window_positions(train.num_tokens, config.m2.length, per_window)
    guess = _best_guess(np.asarray(train.ids), train_positions)
    rows = [
        {"step": line["step"], "vocabulary": codec.vocab_size, "guess": guess}
        | {name: line[name] for name in line if name.startswith("position")}
        for line in result.history
        if "position 1" in line
    ]
    return with_corpus(rows, corpus)


def window_positions(num_tokens: int, length: int, per_window: int) -> np.ndarray:
    """For each id of a store of examples of `length` ids its place in its window, int32 from 0."""
    return (np.arange(num_tokens) % length % per_window).astype(np.int32)


def _batches(lm: LM, config: M2Config, store: TokenStore, positions: np.ndarray) -> Iterator[Batch]:
    size, length = config.evaluation_batch_size, config.length
    stream = lm.evaluation_batches(store, batch_size=size, length=length)
    for number, batch in enumerate(stream):
        part = np.full(size * length, -1, np.int32)
        here = positions[number * size * length :][: size * length]
        part[: len(here)] = here
        yield batch | {"window_positions_BxL": lm.shard.part(part.reshape(-1, length))}


def _evaluator(lm: LM, per_window: int) -> Callable[[Any, Iterable[Batch]], dict[str, float]]:
    """(params, batches) -> {"position k": accuracy}."""
    loss = functools.partial(_position_sums, config=lm.model, per_window=per_window)
    shapes = jax.eval_shape(lm.init, jax.random.key(0))
    sums = step.make_evaluator(loss, lm.parallelism, lm.mesh, shapes)

    def evaluate(params: Any, stream: Iterable[Batch]) -> dict[str, float]:
        others = sums(params, stream, 1).others
        return {
            f"position {k + 1}": others[f"right {k}"] / max(1.0, others[f"all {k}"])
            for k in range(per_window)
        }

    return evaluate


def _position_sums(params, batch, *, config, per_window):
    """As a loss function: (0, sums of right and of all targets at each position)."""
    losses = language_model.token_losses(params, config, batch)
    sums = {"nats": jnp.sum(losses.nats_BxL), "tokens": jnp.sum(batch["weights_BxL"])}
    for k in range(per_window):
        here = (batch["window_positions_BxL"] == k).astype(jnp.float32)
        sums[f"right {k}"] = jnp.sum(here * losses.correct_BxL)
        sums[f"all {k}"] = jnp.sum(here)
    return sums["nats"], sums


def _best_guess(ids: np.ndarray, positions: np.ndarray) -> float:
    """Share of the commonest id, at the position where it is largest."""
    shares = [
        np.bincount(ids[positions == k]).max() / np.count_nonzero(positions == k)
        for k in range(positions.max() + 1)
    ]
    return float(max(shares))


def remarks(rows: list[Row]) -> list[str]:
    """Does M2 tell more than the commonest id, and where?"""
    last = rows[-1]
    shares = [last[name] for name in last if name.startswith("position")]
    shown = ", ".join(f"{100 * share:.1f}" for share in shares)
    return remarks_on(
        rows,
        statement(
            "M2 tells more than the commonest id at some position",
            max(shares) > last["guess"],
            f"positions 1 to {len(shares)}: {shown} %, commonest id {100 * last['guess']:.1f} %",
        ),
    )
