"""`freevocab reproduce` at Ctrl-C and other signals, and when it is called again."""

import json
import os
import signal
import textwrap

import pytest

from research import interrupts
from research.reporting import environment, results

CLEAN = "c" * 40


@pytest.fixture
def committed(monkeypatch):
    """As if all code were committed."""
    monkeypatch.setattr(environment, "commit", lambda: CLEAN)


@pytest.fixture
def handlers(monkeypatch):
    """Signal handlers as `freevocab` has them."""
    monkeypatch.setattr(interrupts, "_noted", None)
    before = {number: signal.getsignal(number) for number in interrupts.SIGNALS}
    interrupts.install()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def stopping(toy_paper, handlers, committed):
    """stopping(body): the toy paper with tables adding, stopping and last, of which the second
    does what `body` says; in it `kill()` sends the signal."""

    def make(body, number=signal.SIGINT):
        root = toy_paper.parent
        configs, experiments = root / "configs/toy", root / "experiments/toy"
        (configs / "__init__.py").write_text(
            'MAIN = ("adding",)\nTABLES = ("adding", "stopping", "last")\n'
        )
        for name in ("stopping", "last"):
            (configs / f"{name}.py").write_text("from configs.toy.adding import cpu, quick\n")
        (experiments / "last.py").write_text("from experiments.toy.adding import *\n")
        head = f"""
            import os
            from pathlib import Path
            from experiments.toy import adding
            from experiments.toy.adding import COLUMNS, PAPER_ROWS, TITLE, remarks

            def kill():
                os.kill(os.getpid(), {int(number)})

            def run(config, *, workdir, log):
            """
        text = textwrap.dedent(head) + textwrap.indent(textwrap.dedent(body), "    ")
        (experiments / "stopping.py").write_text(text)
        return toy_paper

    return make


ONCE = """
    if not Path("stopped").exists():
        Path("stopped").touch()
        kill()
    return adding.run(config, workdir=workdir, log=log)
"""


@pytest.mark.parametrize(
    "number, code, word",
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "hung up"),
    ],
)
def test_a_signal_stops_all_tables_with_one_line(stopping, freevocab, number, code, word):
    cwd = stopping(ONCE, number)
    got, out, err = freevocab("reproduce", "toy/all")
    assert got == code
    assert err.splitlines()[-1] == (
        f"freevocab: toy/stopping: {word}; the same command goes on from there; "
        "1 of 3 tables are finished"
    )
    assert "failed" not in err and "toy/last at" not in out
    assert not (cwd / "runs/results/toy/stopping").exists()


def test_the_same_command_goes_on_where_it_stopped(stopping, freevocab, monkeypatch):
    cwd = stopping(ONCE)
    freevocab("reproduce", "toy/all")
    (spent,) = cwd.glob("runs/toy/stopping-cpu-stopped.json")
    kept = json.loads(spent.read_text())
    spent.write_text(json.dumps(kept | {"seconds": 5000.0}))
    monkeypatch.setattr(interrupts, "_noted", None)  # another process would not know of it

    code, out, err = freevocab("reproduce", "toy/all")
    assert code == 0
    assert "toy/adding: finished on 20" in out and "not run again (--again runs it)" in out
    # Its rows are shown all the same; the others are run.
    assert out.count("by machine") == 3 and err.count("adding 2 terms") == 2
    # The time before the signal counts, once.
    assert 5000 <= results.load(cwd / "runs/results/toy/stopping/cpu.json").seconds < 5060
    assert not spent.exists()

    assert freevocab("reproduce", "toy/all")[2].count("adding 2 terms") == 0
    assert freevocab("reproduce", "toy/all", "--again")[2].count("adding 2 terms") == 3


def test_a_signal_that_is_lost_in_a_table_counts_after_it(stopping, freevocab):
    """Python drops what is raised within a callback."""
    cwd = stopping(
        """
        try:
            kill()
        except BaseException:
            pass
        return adding.run(config, workdir=workdir, log=lambda line: None)
        """,
        signal.SIGTERM,
    )
    code, out, err = freevocab("reproduce", "toy/all")
    assert code == 143 and "toy/last: terminated; " in err and "2 of 3 tables" in err
    assert (cwd / "runs/results/toy/stopping/cpu.json").exists()
    assert not (cwd / "runs/results/toy/last").exists()


def test_a_lost_signal_is_seen_when_the_table_says_something(stopping, freevocab):
    cwd = stopping(
        """
        try:
            kill()
        except BaseException:
            pass
        log("going on")
        return adding.run(config, workdir=workdir, log=log)
        """
    )
    code, _, err = freevocab("reproduce", "toy/all")
    assert code == 130 and "toy/stopping: interrupted; " in err
    assert not (cwd / "runs/results/toy/stopping").exists()


def test_a_signal_that_comes_out_as_another_error_is_not_a_failed_table(stopping, freevocab):
    stopping(
        """
        try:
            kill()
        except BaseException:
            raise RuntimeError("initializing the extension")
        """
    )
    code, out, err = freevocab("reproduce", "toy/all")
    assert code == 130 and "failed" not in err and "toy/last at" not in out


@pytest.mark.parametrize("change", ["config", "commit", "dirty", "versions", "scale"])
def test_what_is_not_the_same_is_run_again(toy_paper, freevocab, committed, monkeypatch, change):
    freevocab("reproduce", "toy/adding")
    argv = ["reproduce", "toy/adding"]
    if change == "config":
        argv += ["--set", "terms=3"]
    elif change == "scale":
        argv += ["--quick"]
    elif change == "versions":
        monkeypatch.setattr(environment, "versions", lambda: {"jax": "9"})
    else:
        found = {"commit": "d" * 40, "dirty": CLEAN + "+dirty"}[change]
        monkeypatch.setattr(environment, "commit", lambda: found)
    code, out, err = freevocab(*argv)
    assert code == 0 and "not run again" not in out and "terms" in err
    if change == "dirty":  # nor is what changed code measured ever taken for finished
        assert "not run again" not in freevocab(*argv)[1]


def test_record_of_a_finished_table_copies_it(toy_paper, freevocab, committed):
    freevocab("reproduce", "toy/adding")
    run = toy_paper / "runs/results/toy/adding"
    (run / "cpu-bars.png").write_bytes(b"picture")
    (toy_paper / "results/toy/adding").mkdir(parents=True)
    (toy_paper / "results/toy/adding/cpu-old.png").write_bytes(b"old")
    code, out, err = freevocab("reproduce", "toy/adding", "--record")
    assert code == 0 and "terms" not in err
    kept = toy_paper / "results/toy/adding"
    assert sorted(path.name for path in kept.iterdir()) == ["cpu-bars.png", "cpu.json"]
    assert (kept / "cpu.json").read_bytes() == (run / "cpu.json").read_bytes()


def test_signals_that_the_caller_switched_off_stay_off(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    others = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        interrupts.install()
        with interrupts.Interrupts() as watched:
            os.kill(os.getpid(), signal.SIGHUP)
            assert watched.number is None
        os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
        for number, handler in others.items():
            signal.signal(number, handler)
