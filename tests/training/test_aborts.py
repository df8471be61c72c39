"""What a process says that is ended past every Python handler."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOST = "JAX distributed service detected fatal errors"
PROGRAM = """
import os, sys, threading, time
from research.training.aborts import Catcher

catcher = Catcher(lambda: {line!r})
catcher.exit_code = 3
catcher.install()
print("Python's own", file=sys.stderr)

def end():
    os.write(2, b"F1201 {written}\\n*** Check failure stack trace: ***\\n")
    os.abort()

threading.Thread(target=end).start()  # as JAX does, not in the main thread
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("written", "line", "said"),
    [
        (LOST, "another process ended", "freevocab: another process ended\n"),
        (LOST, None, ""),
        ("a bug", "another process ended", "F1201 a bug\n*** Check failure stack trace: ***\n"),
    ],
)
def test_an_abort_of_the_coordination_service_is_one_line_and_others_are_shown(written, line, said):
    program = PROGRAM.format(written=written, line=line)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert (done.returncode, done.stderr) == (3, f"Python's own\n{said}")
