"""`freevocab reproduce`: runs tables, prints them with the paper's rows and what they show."""

import dataclasses
import os
import signal
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from research import files, interrupts, units
from research.cli import arguments, catalog, claims, first_line, progress
from research.errors import FreevocabError, UsageError
from research.reporting import environment, results, tables
from research.reporting.results import Result, Results


@dataclass(frozen=True)
class Reproduce:
    """Run tables of the papers and print them, ours beside the paper's.

    Without a target the main table of every paper is run. The expected time is printed first. Each
    table is written to WORKDIR/results as soon as it is done; one that fails does not stop the
    others, and the command then ends with exit code 1. Ctrl-C stops at once, and the same command
    goes on from there: trainings from the step that they had reached, and tables that the same
    commit has finished with the same configuration are shown, not run again.
    """

    target: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[TARGET]")] = None
    """PAPER (its main tables), PAPER/TABLE, PAPER/all or all. `freevocab list` names them."""
    scale: Literal["cpu", "hours", "gpu", "paper"] = "cpu"
    """cpu: two cores, minutes, everything trained from nothing. hours: two cores, models that were
    trained for hours and are in the repository. gpu: one H100-class device and text under
    $FREEVOCAB_DATA. paper: the paper's own configuration, for a pod."""
    workdir: Path = Path("runs")
    """Where checkpoints, codecs, metrics and results go."""
    set: Annotated[
        tuple[tuple[str, ...], ...],
        tyro.conf.UseAppendAction,
        tyro.conf.arg(metavar="KEY=VALUE ..."),
    ] = ()
    """Change the configuration, for example --set m2.steps=50 seed=1."""
    record: bool = False
    """Also write the results to ./results, where the committed ones are."""
    quick: bool = False
    """The same code in seconds: two steps, tiny shapes. Its numbers mean nothing."""
    again: bool = False
    """Measure tables again that are finished. Models that are trained already are not."""
    retrain: bool = False
    """Train the models of scale hours again, in WORKDIR, instead of opening the committed ones;
    --record then puts them in their place."""
    force: bool = False
    """Run the gpu or paper scale even where there is no accelerator."""


def run(options: Reproduce) -> None:
    """Runs the tables that `options` selects.

    Raises:
      UsageError: before anything runs, for an unknown table or setting.
      FreevocabError: at the end, naming the tables that failed.
      Interrupted: saying how far it got.
    """
    if options.quick and options.record:
        raise UsageError("--quick numbers mean nothing: leave out --record")
    selected = catalog.select(options.target)
    if not selected:
        raise UsageError("there is no such table yet: `freevocab list` names them all")
    scale = "quick" if options.quick else options.scale
    settings = [setting for group in options.set for setting in group]
    if options.retrain and scale != "hours":
        raise UsageError("--retrain is for --scale hours: the other scales always train")
    fall_back = scale == "hours" and not options.retrain and len(selected) > 1
    scales = [_nearest(table) if fall_back else scale for table in selected]
    jobs = [
        catalog.Job(table, of, _configured(table, of, settings, options))
        for table, of in zip(selected, scales, strict=True)
    ]
    if scale in ("gpu", "paper") and not options.force:
        _require_accelerator(scale)
    if options.record and not environment.is_clean(environment.commit()):
        raise UsageError(
            "--record: a result names the commit that measured it, and code here differs from its "
            f"commit; commit {', '.join(environment.CODE)} first"
        )
    committed = results.load_all(results.COMMITTED)
    own = results.load_all(options.workdir / "results")
    measured = committed | own
    finished = {} if options.again else progress.finished(jobs, own)
    print(progress.plan(jobs, measured, finished), flush=True)
    failed: list[str] = []
    for number, job in enumerate(jobs):
        try:
            interrupts.check()
            known = committed.get(job.key)
            if last := finished.get(job.table.path):
                _show_finished(job.table, last, known, measured, options)
            else:
                measured[job.key] = _run_one(job, known, measured, options)
        except BrokenPipeError:
            raise  # nobody reads on
        except KeyboardInterrupt as stop:
            raise _stopped(stop, job.table, number, len(jobs), failed, options) from stop
        except Exception as error:
            if signalled := interrupts.noted():  # which may come out as another error
                stop = interrupts.Interrupted(signalled)
                raise _stopped(stop, job.table, number, len(jobs), failed, options) from error
            failed.append(job.table.path)
            print(f"{job.table.path} failed: {_reason(error, job, options)}", file=sys.stderr)
    if failed:
        raise FreevocabError(f"failed: {', '.join(failed)}")


def _nearest(table: catalog.Table) -> str:
    """Of a table among others: hours, or cpu, where it is trained from nothing in minutes, if the
    models of scale hours are not in the repository yet."""
    if not hasattr(table.configuration(), "hours"):
        return "cpu"
    return "hours" if catalog.weights_are_there(table, table.config("hours")) else "cpu"


def _configured(table: catalog.Table, scale: str, settings: list[str], options: Reproduce) -> Any:
    """A table's configuration with what was set on the command line."""
    config = table.config(scale)
    if options.retrain:
        config = catalog.retrained(table, config)
    return arguments.overridden(config, settings)


def _stopped(
    stop: KeyboardInterrupt,
    table: catalog.Table,
    before: int,
    count: int,
    failed: list[str],
    options: Reproduce,
) -> interrupts.Interrupted:
    """What a signal in a table ends the command with."""
    parts = [f"{table.path}: {str(stop) or 'interrupted'}"]
    if options.again:
        parts.append("without --again the same command goes on from there")
    elif not environment.is_clean(environment.commit()):
        parts.append("only trainings go on: no commit names the code, so nothing measured is kept")
    elif (go_on := "the same command goes on from there") not in parts[0]:  # a training says so
        parts.append(go_on)
    if count > 1:
        parts.append(f"{before - len(failed)} of {count} tables are finished")
    if failed:
        parts.append(f"failed: {', '.join(failed)}")
    return interrupts.Interrupted(getattr(stop, "number", signal.SIGINT), "; ".join(parts))


def _run_one(
    job: catalog.Job, known: Result | None, measured: Results, options: Reproduce
) -> Result:
    table, scale, config = job
    experiment = table.experiment()
    # One folder for a paper: its tables share what is built under keys of their configuration.
    directory = options.workdir / table.paper
    directory.mkdir(parents=True, exist_ok=True)
    if options.again:
        results.forget(directory, config)
    print(f"\n{table.path} at {scale} scale: {experiment.TITLE}", flush=True)
    with progress.clock(job, options.workdir, again=options.again) as elapsed:

        def log(line: str) -> None:
            print(f"  {units.stopwatch(elapsed())} {line}", file=sys.stderr, flush=True)
            interrupts.check()

        rows = experiment.run(config, workdir=directory, log=log)
    seconds = elapsed()
    remarks = list(experiment.remarks(rows))
    records = options.record and not options.retrain  # a row is what the committed weights give
    for root in [options.workdir / "results"] + [Path("results")] * records:
        path = results.record(
            table.paper,
            table.name,
            scale,
            rows,
            config,
            _seeds(config),
            seconds,
            remarks,
            root,
            columns=experiment.COLUMNS,
        )
        results.keep_pictures(directory / "pictures" / table.name, path)
    if options.retrain and options.record:
        results.keep_weights(directory / "weights", Path("results") / table.paper / "weights")
    results.forget(directory, config)
    result = results.load(path)
    _show(table, result, known, measured)
    print(f"({units.duration(seconds)}; written to {path}{_hidden(experiment)})", flush=True)
    return result


def _show_finished(
    table: catalog.Table, last: Result, known: Result | None, measured: Results, options: Reproduce
) -> None:
    """Prints what an earlier run measured, and records it if that is asked for."""
    experiment = table.experiment()
    print(f"\n{table.path} at {last.scale} scale: {experiment.TITLE}", flush=True)
    path = results.path_of(options.workdir / "results", table.paper, table.name, last.scale)
    if options.record:
        path = results.copy(path, results.path_of("results", table.paper, table.name, last.scale))
    _show(table, last, known, measured)
    print(f"(finished on {last.date}, not run again; in {path}{_hidden(experiment)})", flush=True)


def _show(table: catalog.Table, result: Result, known: Result | None, measured: Results) -> None:
    """Prints a table, its remarks, and what it says of the paper's claims.

    Args:
      known: the committed result.
      measured: every result, of which another table's may say how far seeds scatter.
    """
    experiment = table.experiment()
    _, paper_rows = tables.smallest_size(experiment.PAPER_ROWS)
    # A table too wide for a terminal names the columns that are shown there.
    shown = getattr(experiment, "BRIEF", experiment.COLUMNS)
    columns, merged = tables.merge(shown, {f"ours, {result.scale}": result.rows}, paper_rows)
    tables.console().print(tables.terminal(experiment.TITLE, columns, merged))
    for remark in result.notes:
        print(f"- {remark}")
    if known is not None and (texts := results.other_texts(result.rows, known.rows)):
        print(f"- another text than the committed result's, which was measured on {texts}")
    if result.scale != "quick":  # numbers that mean nothing decide nothing
        for line in claims.of_run(table, result, claims.records(measured)):
            print(f"- {line}")


def _hidden(experiment) -> str:
    """What a terminal does not show of a table."""
    left_out = len(experiment.COLUMNS) - len(getattr(experiment, "BRIEF", experiment.COLUMNS))
    return f", with {left_out} more columns" if left_out else ""


def _seeds(config) -> list[int]:
    names = {field.name for field in dataclasses.fields(config)}
    if "setting" in names:  # what tables of one paper share
        return _seeds(config.setting)
    if "seeds" in names:
        return list(config.seeds)
    return [config.seed] if "seed" in names else []


def _reason(error: Exception, job: catalog.Job, options: Reproduce) -> str:
    """One line for the failure; what is not an expected error leaves its traceback in a file."""
    if isinstance(error, FreevocabError | OSError):  # a full disk has no room for a traceback
        return str(error)
    if os.environ.get("FREEVOCAB_TRACEBACK") == "1":
        traceback.print_exception(error)
    name = f"{job.table.name}-{job.scale}-traceback.txt"
    path = options.workdir / job.table.paper / name
    files.write_text(path, "".join(traceback.format_exception(error)))
    return f"{type(error).__name__}: {first_line(error)} (see {path})"


def _require_accelerator(scale: str) -> None:
    import jax

    if jax.devices()[0].platform == "cpu":
        raise UsageError(
            f"the {scale} scale needs a GPU or TPU and JAX sees none: install the extra [cuda] or "
            "[tpu], use --scale cpu, or add --force to run it on this CPU (it may take weeks)"
        )
