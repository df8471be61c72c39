"""Commands as several processes: one that waits, differs, or is killed ends all with one line."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.one_line import is_one_line

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300  # seconds, on a busy machine
TRAIN = (
    "train m2 --codec bytes --corpus synthetic:60000 --size llama-tiny --length 16 --batch-size 8"
    " --valid-bytes 2000 --parallelism.kind mesh --log-every 5 --save-every 5"
).split()
LOGGED = r"step +\d+/.* tokens/s"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(*commands):
    """The command lines, each in a process with one device."""
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": "1",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    workers = [
        subprocess.Popen([sys.executable, "-m", "research.cli", *command], env=environment, **pipes)
        for command in commands
    ]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def of_two(process, port, *options):
    """A training's command line as one of two processes."""
    where = f"--distributed.coordinator localhost:{port} --distributed.process-count 2".split()
    return [*TRAIN, *where, "--distributed.process-id", str(process), *options]


def wait_for(worker, pattern):
    """Reads what a worker prints until a line matches."""
    lines = []
    for line in worker.stdout:
        lines.append(line)
        if re.match(pattern, line):
            return lines
    raise AssertionError("".join([*lines, worker.stderr.read()]))


@pytest.mark.slow
def test_one_that_is_alone_says_so_and_can_be_stopped(tmp_path):
    alone = of_two(0, free_port(), "--out", str(tmp_path / "a"), "--distributed.timeout", "2")
    stopped = of_two(1, free_port(), "--out", str(tmp_path / "b"))
    with running(alone, stopped) as (first, second):
        said = wait_for(second, r"process 1 of 2 waits for the others at localhost:\d+, 300 sec")
        assert len(said) == 1
        second.send_signal(signal.SIGTERM)
        assert second.communicate(timeout=PATIENCE)[1] == "freevocab: terminated\n"
        assert second.returncode == 128 + signal.SIGTERM
        printed, error = first.communicate(timeout=PATIENCE)
    assert printed.startswith("process 0 of 2 waits") and first.returncode == 1
    assert is_one_line(error) and "not all processes came to localhost" in error


@pytest.mark.slow
def test_processes_that_were_given_different_settings_are_refused(tmp_path):
    port, out = free_port(), str(tmp_path / "model")
    commands = [of_two(process, port, "--out", out, "--seed", str(process)) for process in (0, 1)]
    with running(*commands) as workers:
        errors = [worker.communicate(timeout=PATIENCE)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [2, 2]
    for error in errors:
        assert is_one_line(error) and "process 1 was started with other settings" in error
        assert "(seed is 1, in process 0 it is 0): give all the same" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_process_that_dies_ends_the_other_and_all_go_on_when_started_again(tmp_path):
    out = str(tmp_path / "model")
    steps = []
    for victim in (1, 0):
        port = free_port()
        commands = [of_two(process, port, "--out", out) for process in (0, 1)]
        with running(*commands) as workers:
            printed = wait_for(workers[0], LOGGED)
            if steps:
                assert any(f"going on from step {steps[-1]} " in line for line in printed)
            for _ in range(2):  # a save waits for the one before
                wait_for(workers[0], LOGGED)
            workers[victim].kill()
            survivor = workers[1 - victim]
            error = survivor.communicate(timeout=PATIENCE)[1]
        assert survivor.returncode == 1 and is_one_line(error), error
        assert "another process ended or no longer answers: start all again, they go on" in error
        steps.append(int(re.search(r"from step (\d+)$", error.strip())[1]))
    assert 5 <= steps[0] < steps[1]
    assert not Path(out).exists()
