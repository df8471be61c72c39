"""The training loop, for any model.

Nothing is fetched from the devices between log points, so they are never kept waiting: a batch is
built while the step before it runs. Loss and gradient norm of every step are looked at when they
are fetched, at each log point and before each save; so a checkpoint never holds the result of a
step that was not finite.
"""

import contextlib
import dataclasses
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research import units
from research.errors import FreevocabError
from research.interrupts import Interrupted, Interrupts
from research.reporting import environment
from research.training import parallelism, processes
from research.training.compile import CompiledStep, compile_step
from research.training.config import TrainConfig
from research.training.run_folder import Checkpoints, MetricsFile, differences, lock, open_given
from research.training.sharding_rules import LANGUAGE_MODEL_RULES, Rule
from research.training.step import LossFn, TrainState

BatchFn = Callable[[int], dict[str, np.ndarray]]
EvalFn = Callable[[Any], Mapping[str, float]]
IN_FLIGHT = 2
"""Steps that devices may have ahead of them besides the one that is given to them."""
QUIET_SECONDS = 10.0
"""After so long without a line a step says that the run is alive."""


class TrainResult(NamedTuple):
    """What a run leaves."""

    params: Any
    """Sharded as in training."""
    step: int
    """The last."""
    metrics: dict[str, Any]
    """The last logged ones, with those of eval_fn."""
    history: list[dict[str, Any]]
    """Every logged line of the run, from its first step on where the workdir has what was logged
    before it was interrupted."""


def train(
    loss_fn: LossFn,
    init_fn: Callable[[jax.Array], Any],
    batch_fn: BatchFn,
    config: TrainConfig,
    workdir: str | os.PathLike | None,
    *,
    eval_fn: EvalFn | None = None,
    initial_params: Callable[[], Any] | None = None,
    description: Mapping[str, Any] | None = None,
    rules: Sequence[Rule] = LANGUAGE_MODEL_RULES,
    compiled: CompiledStep | None = None,
    log: Callable[[str], None] = print,
) -> TrainResult:
    """Runs `config.steps` updates, from wherever `workdir` has got to.

    Args:
      loss_fn: (params, batch) -> (sum to minimise, sums); see `research.training.step`.
      init_fn: typed key -> fresh parameters.
      batch_fn: step (from 0) -> this process's part of that step's batch, a pure function.
      workdir: for checkpoints/ and metrics.jsonl; None: nothing is written.
      eval_fn: parameters -> metrics; called every `eval_every` steps and at the end.
      initial_params: loads the weights to start from; called only if there is no checkpoint.
      description: what else makes this run what it is (model, corpus, batch size), as JSON
        values; a workdir with another one is refused.
      rules: what the parameters are.
      compiled: of an earlier run of the same shapes, to save the compilation.
      log: takes progress lines.

    Raises:
      FreevocabError: if the loss is not finite (the last good checkpoint stays), or the workdir
        belongs to another run, or one is in it.
      Interrupted: after Ctrl-C, SIGTERM or SIGHUP, once the state is saved.
    """
    log = processes.first_process(log)
    if compiled is None:
        compiled = compile_step(loss_fn, init_fn, batch_fn(0), config, rules=rules)
    elif compiled.config.compiled_part != config.compiled_part:
        raise ValueError("`compiled` was compiled for another optimizer, length or parallelism")
    for line in compiled.estimate.lines():
        log(line)
    with contextlib.ExitStack() as stack:
        saved = None
        if workdir is not None:
            stack.enter_context(lock(Path(workdir)))
            directory = Path(workdir) / "checkpoints"
            saved = stack.enter_context(Checkpoints(directory, keep=config.keep))
            processes.note_checkpoints(directory)
        identity = _identity(config, description)
        processes.check_equal(dataclasses.asdict(config) | identity)
        state, clock = _first_state(compiled, config, saved, identity, initial_params, log)
        run = _Run(config, compiled, saved, identity, MetricsFile(workdir), log, clock)
        run.announce(int(state.step))
        if saved is not None:
            run.remember(int(state.step), eval_fn)
        state = run.steps(state, batch_fn, eval_fn)
        return TrainResult(state.params, config.steps, run.metrics, run.history)


@jax.jit
def _all_finite(params: Any) -> jax.Array:
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(params)]))


def remove(workdir: str | os.PathLike) -> None:
    """Removes the working directory of a run whose result is saved elsewhere."""
    if jax.process_index() == 0:
        shutil.rmtree(workdir, ignore_errors=True)


def _first_state(
    compiled: CompiledStep,
    config: TrainConfig,
    saved: Checkpoints | None,
    identity: dict[str, Any],
    initial_params: Callable[[], Any] | None,
    log: Callable[[str], None],
) -> tuple[TrainState, float]:
    """(state, seconds trained before). Where a run starts, in this order:

    1. the newest checkpoint of its own workdir: an interrupted run goes on, whatever else is set;
    2. config.checkpoint, another run's: its weights, its optimizer, its step;
    3. initial_params: given weights at step 0 with a fresh optimizer;
    4. fresh weights from the seed.
    """
    if saved is not None and (step := saved.latest()) is not None:
        meta = saved.meta(step)
        if different := differences(identity, meta["identity"]):
            raise FreevocabError(
                f"{saved.directory.parent} holds a run with other settings "
                f"({'; '.join(different)}); use another workdir, or the settings of that run"
            )
        if step > config.steps:
            raise FreevocabError(
                f"{saved.directory.parent} is at step {step}, beyond the {config.steps} asked for"
            )
        log(f"going on from step {step} of {saved.directory}")
        return saved.restore(step, compiled.abstract), meta["seconds"]
    if config.checkpoint is not None:
        other, step = open_given(config.checkpoint)
        with other:
            log(f"starting from step {step} of {other.directory}")
            return other.restore(step, compiled.abstract), 0.0
    if initial_params is not None:
        log("starting from given weights")
        return compiled.from_params(initial_params()), 0.0
    return compiled.init(config.seed), 0.0


def _identity(config: TrainConfig, description: Mapping[str, Any] | None) -> dict[str, Any]:
    """What must be equal for a run to go on. How it is spread over devices need not be."""
    optimizer = dataclasses.asdict(config.optimizer) | {"decay_steps": config.decay_steps}
    values = {"seed": config.seed, "optimizer": optimizer, **(description or {})}
    if config.forgetting is not None:
        values["forgetting"] = dataclasses.asdict(config.forgetting)
    return json.loads(json.dumps(values))


@dataclasses.dataclass
class _Run:
    """The bookkeeping of one call of `train`."""

    config: TrainConfig
    compiled: CompiledStep
    saved: Checkpoints | None
    identity: dict[str, Any]
    file: MetricsFile
    log: Callable[[str], None]
    clock: float
    """Seconds trained before."""
    metrics: dict[str, Any] = dataclasses.field(default_factory=dict)
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def __post_init__(self):
        self._waiting: list[tuple[int, dict[str, jax.Array]]] = []
        self._fetched: list[dict[str, float]] = []
        self._started = self._logged = self._said = time.monotonic()

    def announce(self, start: int) -> None:
        """The file's line about the run."""
        values = {
            "step": start,
            "config": dataclasses.asdict(self.config),
            "settings": self.identity,
            "versions": environment.versions(),
            "hardware": {**environment.hardware(), "processes": jax.process_count()},
            "estimate": self.compiled.estimate._asdict(),
        }
        self.file.write("run", values)

    def remember(self, start: int, eval_fn: EvalFn | None) -> None:
        """What the run logged before it was interrupted; the last evaluation is done again."""
        for kind, values in self.file.logged(start):
            if kind == "eval" and eval_fn and values["step"] == self.config.steps:
                continue
            self.metrics = {**self.metrics, **values}
            self.history.append(values)

    def steps(self, state: TrainState, batch_fn: BatchFn, eval_fn: EvalFn | None) -> TrainState:
        """All the steps that are left."""
        config, compiled = self.config, self.compiled
        start = int(state.step)
        self._started = self._logged = self._said = time.monotonic()
        with Interrupts() as interrupts:
            for index in range(start, config.steps):
                batch = parallelism.put_batch(config.parallelism, compiled.mesh, batch_fn(index))
                forgets = config.forgetting
                if compiled.forget is not None and forgets is not None and forgets.due(index):
                    state = compiled.forget(state, forgets, config.seed)
                # What is left inside must be on the devices already.
                with jax.transfer_guard("disallow"):
                    state, metrics = compiled.step(state, batch)
                done = index + 1
                self._waiting.append((done, metrics))
                # A signal is answered after the steps that are under way, so these are few.
                if len(self._waiting) > IN_FLIGHT:
                    jax.block_until_ready(self._waiting[-1 - IN_FLIGHT][1])
                last = done == config.steps
                logging = last or done % config.log_every == 0
                if logging:
                    self._log_progress(done, done - start)
                elif time.monotonic() - self._said > QUIET_SECONDS:
                    sums = jax.device_get(metrics)
                    self._say(done, float(sums["nats"] / max(sums["tokens"], 1.0)), done - start)
                if last or (config.save_every and done % config.save_every == 0):
                    self._save(done, state)
                if eval_fn and not last and config.eval_every and done % config.eval_every == 0:
                    self._evaluate(done, state, eval_fn)
                # Several processes have to agree, which costs a collective: only at log points.
                if logging or jax.process_count() == 1:
                    if number := interrupts.agreed():
                        self._stop(done, state, number)
        self._check_parameters(config.steps, state)
        if eval_fn:
            self._evaluate(config.steps, state, eval_fn)
        if self.saved is not None:
            self.saved.wait()
        return state

    def _check(self) -> None:
        """Fetches what the devices hold of past steps and stops the run if it is not finite."""
        values = jax.device_get([metrics for _, metrics in self._waiting])
        for (step, _), fetched in zip(self._waiting, values, strict=True):
            self._fetched.append({name: float(value) for name, value in fetched.items()})
            if not all(map(math.isfinite, self._fetched[-1].values())):
                self.file.write("train", {"step": step, **self._fetched[-1]})
                what = "gradient" if math.isfinite(self._fetched[-1]["nats"]) else "loss"
                raise self._not_finite(f"{what} of step {step}", step - 1)
        self._waiting.clear()

    def _check_parameters(self, step: int, state: TrainState) -> None:
        """Stops the run if an update that no loss has seen yet left numbers that are not finite."""
        if not _all_finite(state.params):
            raise self._not_finite(f"result of step {step}", step)

    def _not_finite(self, what: str, step: int) -> FreevocabError:
        """`step`: after how many updates the parameters were wrong."""
        return FreevocabError(f"the {what} is not finite; {self._where_to_go_on(step)}")

    def _where_to_go_on(self, bad: int) -> str:
        if self.saved is None or (good := self.saved.latest(before=bad)) is None:
            return "no good checkpoint was saved before; lower the learning rate"
        return (
            f"the last good checkpoint is step {good} in {self.saved.directory}; "
            "start from it with a lower learning rate or another seed"
        )

    def _log_progress(self, step: int, steps_here: int) -> None:
        self._check()
        now = time.monotonic()
        rows, self._fetched = self._fetched, []
        sums = {name: math.fsum(row[name] for row in rows) for name in rows[0]}
        tokens = max(1.0, sums["tokens"])
        means = {name: value / tokens for name, value in sums.items()}
        del means["tokens"], means["grad_norm"]
        rate = sums["tokens"] / max(now - self._logged, 1e-9)
        values = {
            "step": step,
            "loss": means.pop("nats"),
            **means,
            "grad_norm": sums["grad_norm"] / len(rows),
            "tokens_per_second": rate,
            "seconds": self.clock + now - self._started,
        }
        self._logged = now
        self.metrics = {**self.metrics, **values}
        self.history.append(values)
        self.file.write("train", values)
        self._say(step, values["loss"], steps_here, f"  {units.quantity(rate)} tokens/s")

    def _say(self, step: int, loss: float, steps_here: int, rate: str = "") -> None:
        """A line about a step, with its loss or the mean one since the last such line."""
        self._said = now = time.monotonic()
        steps = self.config.steps
        left = units.countdown((now - self._started) / steps_here * (steps - step))
        self.log(f"step {step:>{len(str(steps))}}/{steps}  loss {loss:.4f}{rate}  {left} left")

    def _evaluate(self, step: int, state: TrainState, eval_fn: EvalFn) -> None:
        self._check()
        values = {"step": step, **{name: float(v) for name, v in eval_fn(state.params).items()}}
        for name, value in values.items():
            if not math.isfinite(value):
                raise self._not_finite(f"{name} of the evaluation after step {step}", step)
        self.metrics = {**self.metrics, **values}
        self.history.append(values)
        self.file.write("eval", values)
        named = "  ".join(f"{name} {v:.4f}" for name, v in values.items() if name != "step")
        self.log(f"step {step}  {named}")

    def _save(self, step: int, state: TrainState) -> None:
        if self.saved is None:
            return
        self._check()
        self._check_parameters(step, state)
        meta = {
            "identity": self.identity,
            "config": dataclasses.asdict(self.config),
            "versions": environment.versions(),
            "seconds": self.clock + time.monotonic() - self._started,
        }
        self.saved.save(step, state, meta)

    def _stop(self, step: int, state: TrainState, number: int) -> None:
        self._save(step, state)
        if self.saved is None:
            raise Interrupted(number, f"stopped at step {step}; nothing is saved without a workdir")
        self.saved.wait()
        raise Interrupted(
            number,
            f"stopped at step {step} and saved to {self.saved.directory}; "
            "the same command goes on from there",
        )
