"""Context or memory? Forgetting schedules on a grammar of two classes (arXiv 2406.00053)."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.lexinvariant import masked_answers
from experiments.shared.tables import Clock, Log, Row
from research import vocabularies
from research.errors import UsageError
from research.lexinvariance.tasks import part_of_speech
from research.lexinvariance.tasks.part_of_speech import SPLITS, PartOfSpeech
from research.models import language_model
from research.models.language_model import LanguageModelConfig
from research.models.sizes import TrunkConfig
from research.reporting import results
from research.training import forgetting, loop, step
from research.training.compile import CompiledStep, compile_step
from research.training.config import ForgettingConfig, TrainConfig

TITLE = "Context or memory: forgetting schedules on a grammar (arXiv 2406.00053)"
POINTS = 10
AT = tuple(f"at {100 * (point + 1) // POINTS}" for point in range(POINTS))
COLUMNS = (
    "split",
    "skew",
    "method",
    *AT,
    "best",
    "spread",
    "seconds",
)
MEANING = {
    "split": "ids of the examples: as in training, rare, in the other role, or unseen",
    "skew": "of Zipf's law within a class",
    "method": "the vocabulary, and when its rows are drawn anew",
    "at": (
        "% of a split's examples whose whole answer is right after this part of the training"
        " in %, mean over seeds"
    ),
    "best": "the largest of them",
    "spread": "standard deviation over the seeds at the end",
    "seconds": "of the whole run, on its first row",
}
PAPER_ROWS: list[Row] = []  # its figures are curves that we do not have
PLOT = {
    "x": "percent of the training",
    "y": "percent right",
    "series": ("method",),
    "across": "at ",
    "lines": True,
    "panels": "panel",
    "abreast": 4,
}

GAUSSIAN = "gaussian"
_UNSEEN_ROWS = 1  # with the run's seed: which rows are drawn


def run(config, *, workdir: Path, log: Log) -> list[Row]:
    """One row for each split, skew and method."""
    kinds = {
        (kind, seed): Model(config, kind, seed)
        for kind in ("learned", GAUSSIAN)
        for seed in config.seeds
    }
    runs = workdir / "runs" / f"dual_process-{results.key(config)}"
    rows = []
    for skew in config.skews:
        for method, schedule in _schedules(config).items():
            name = "uniform" if skew == 0 else f"{skew:g}"
            by_seed = []
            for seed in config.seeds:
                model = kinds[GAUSSIAN if method == GAUSSIAN else "learned", seed]
                where = f"skew {name}, {method}"
                where += f", seed {seed}" if len(config.seeds) > 1 else ""
                measure = functools.partial(_measured, model, skew, schedule, where, runs, log)
                by_seed.append(results.once(workdir, config, where, measure))
            for split in SPLITS:
                percent_SxP = 100 * np.array([each["curves"][split] for each in by_seed])
                curve = percent_SxP.mean(axis=0).round(1).tolist()
                row: Row = {"split": split, "skew": name, "method": method}
                row |= dict(zip(AT, curve, strict=True))
                if len(by_seed) > 1:
                    row["spread"] = float(percent_SxP[:, -1].std(ddof=1).round(1))
                rows.append(row | {"best": max(curve), "panel": f"{split}, skew {name}"})
            rows[-len(SPLITS)]["seconds"] = sum(each["seconds"] for each in by_seed)
    loop.remove(runs)
    return sorted(rows, key=lambda row: SPLITS.index(row["split"]))


def _measured(model, skew, schedule, where, runs, log) -> Row:
    """The curves of one training, and its seconds."""
    clock = Clock()
    curves = model.train(skew, schedule, runs / where, lambda line: log(f"{where}: {line}"))
    return {"curves": curves, "seconds": clock.seconds()}


def _schedules(config) -> dict[str, ForgettingConfig | None]:
    """A row's name -> when it forgets; None for a vocabulary that is drawn anyway."""
    # Neither `cop` nor the mask is a symbol that could be renamed.
    first = config.types + config.unseen
    never = ForgettingConfig(keep=(first, first + 1))
    always = dataclasses.replace(never, every=config.every)
    names = {"vanilla": never, "active": always, GAUSSIAN: None}
    schedules = {}
    for method in config.methods:
        if method == "temporary":
            for until in config.until:
                name = method if len(config.until) == 1 else f"{method} {until}"
                schedules[name] = dataclasses.replace(always, until=until)
        else:
            schedules[method] = names[method]
    return schedules


class Model:
    """A kind of vocabulary's compiled steps, shared by all its runs."""

    def __init__(self, config, kind: str, seed: int = 0):
        self.config = config
        self.seed = seed
        self.task = PartOfSpeech(config.types, config.unseen, skew=0.0)
        # Trained by the bound and evaluated exactly: no table of all ids for every sequence.
        options = {"tied": True} if kind == "learned" else {"dense_limit": 0}
        self.model = LanguageModelConfig(
            trunk_config(config),
            self.task.vocab_size,
            vocabulary=vocabularies.make(kind, **options),
        )
        self.init = functools.partial(language_model.init, config=self.model)
        self.loss = functools.partial(masked_answers.loss, config=self.model)

    @functools.cached_property
    def compiled(self) -> CompiledStep:
        """The compiled training step, the same for every skew and schedule."""
        drawn = self.model.vocabulary.draws
        config = self._train_config(None if drawn else next(iter(_schedules(self.config).values())))
        return compile_step(self.loss, self.init, self._batch(0.0, 0), config)

    @functools.cached_property
    def evaluate(self) -> step.Evaluator:
        """The compiled evaluation step."""
        return step.make_evaluator(
            functools.partial(masked_answers.exact_loss, config=self.model),
            self.compiled.config.parallelism,
            self.compiled.mesh,
            self.compiled.abstract.params,
        )

    def train(
        self,
        skew: float,
        schedule: ForgettingConfig | None,
        workdir: Path,
        log: Log,
    ) -> dict[str, list[float]]:
        """The share of each split's examples that is right, at each of the POINTS.

        Args:
          workdir: of this training alone; an interrupted one goes on from there.
        """
        curves: dict[str, list[float]] = {split: [] for split in SPLITS}
        result = loop.train(
            self.loss,
            self.init,
            functools.partial(self._batch, skew),
            self._train_config(schedule),
            workdir,
            eval_fn=functools.partial(self._accuracies, skew),
            compiled=self.compiled,
            log=log,
        )
        for row in result.history:
            for split in SPLITS:
                if split in row:
                    curves[split].append(row[split])
        return curves

    def _train_config(self, schedule) -> TrainConfig:
        config = self.config
        if config.steps % POINTS:
            raise UsageError(f"steps must be a multiple of {POINTS}, not {config.steps}")
        part = config.steps // POINTS
        return TrainConfig(
            config.steps,
            seed=self.seed,
            optimizer=config.optimizer,
            log_every=part,
            eval_every=part,
            forgetting=schedule,
        )

    def _batch(self, skew: float, step: int, split: str = "train", size: int = 0):
        size = size or self.config.batch_size
        task = dataclasses.replace(self.task, skew=skew)
        batch = part_of_speech.batch(task, self.seed, step, size, split)
        if self.model.vocabulary.draws:
            # Keys apart from those of the training, which are of the steps.
            place = step if split == "train" else self.config.steps + SPLITS.index(split)
            batch["keys_Bx2"] = vocabularies.sequence_keys(self.seed, size, step=place)
        return batch

    def _accuracies(self, skew: float, params: Any) -> Mapping[str, float]:
        accuracies = {}
        for split in SPLITS:
            evaluated = self._with_fresh_rows(params) if split == "unseen" else params
            batch = self._batch(skew, 0, split, self.config.examples)
            sums = self.evaluate(evaluated, [batch], 0)
            accuracies[split] = sums.others["right"] / sums.others["examples"]
        return accuracies

    def _with_fresh_rows(self, params: Any) -> Any:
        """The parameters with the unseen ids' rows as if drawn now.

        As rows of a tied table they were in training what no answer ever was, and learned that.
        """
        if self.model.vocabulary.draws:
            return params
        return self._redraw(jax.random.key(self.seed), params)

    @functools.cached_property
    def _redraw(self):
        ids_V = np.arange(self.model.rows)
        unseen_V = (ids_V >= self.task.types) & (ids_V < self.task.copula)

        def redraw(key, params):
            key = jax.random.fold_in(key, _UNSEEN_ROWS)
            return forgetting.redraw(key, params, self.init, unseen_V)

        return jax.jit(redraw)


def trunk_config(config) -> TrunkConfig:
    """Bidirectional, one head, an MLP of four times the width."""
    return TrunkConfig(
        config.width,
        num_heads=1,
        head_dim=config.width,
        num_layers=config.layers,
        mlp_dim=4 * config.width,
        mlp="gelu",
        causal=False,
        scan_layers=config.layers > 2,
    )


def remarks(rows: list[Row]) -> list[str]:
    """The paper's account, and what a gaussian vocabulary does; a line each, skew by skew."""
    cells = {(row["method"], row["skew"], row["split"]): row for row in rows}
    methods = list(dict.fromkeys(row["method"] for row in rows))
    skews = list(dict.fromkeys(row["skew"] for row in rows))

    def ends(method, skew, split="unseen"):
        return cells[method, skew, split][AT[-1]]

    lines = []
    if "vanilla" in methods:
        shown = []
        for skew in skews:
            row = cells["vanilla", skew, "unseen"]
            shown.append(f"{skew}: best {row['best']:.0f} %, in the end {row[AT[-1]]:.0f} %")
        lines.append(f"vanilla training on unseen ids, by skew: {'; '.join(shown)}")
    for method in methods:
        if "vanilla" not in methods or not method.startswith(("active", "temporary")):
            continue
        shown = "; ".join(
            f"{skew}: {ends(method, skew):.0f} % against {ends('vanilla', skew):.0f} %"
            for skew in skews
        )
        lines.append(f"{method} forgetting beside vanilla on unseen ids, in the end: {shown}")
        known = ", ".join(
            f"{skew}: {ends(method, skew, 'in_distribution'):.0f} and"
            f" {ends(method, skew, 'switched'):.0f} % (vanilla"
            f" {ends('vanilla', skew, 'in_distribution'):.0f} and"
            f" {ends('vanilla', skew, 'switched'):.0f} %)"
            for skew in skews
        )
        lines.append(f"{method} on ids in distribution and switched, in the end: {known}")
    if GAUSSIAN in methods:
        shown = []
        for skew in skews:
            of_splits = [ends(GAUSSIAN, skew, split) for split in SPLITS]
            shown.append(f"{skew}: {min(of_splits):.0f} to {max(of_splits):.0f} %")
        # No verdict: it is so by construction, and what differs is which examples were drawn.
        lines.append(
            "a gaussian vocabulary, to which the splits are alike but for their examples, ends at "
            + "; ".join(shown)
        )
    return lines
