"""The papers' steps on 64 simulated devices fit, and take what the golden file and the docs say.

`python -m pytest tests/experiments/test_many_devices.py --update-golden` compiles all of them again
(some minutes) and rewrites both; the test itself compiles the smallest.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.experiments import many_devices

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "many_devices.json"
PAGE = ROOT / "docs" / "scale.md"
SMALLEST = "gaussian 3m"
TPU_V5E, H100 = 16e9, 80e9  # bytes
H100_ONLY = ("M2 2b",)  # with remat on a TPU v5e too
TABLE = re.compile(
    r"^\| model \| batch \| data x model .*?(?=^(?!\|)|\Z)", re.MULTILINE | re.DOTALL
)


def lowered(*names):
    """The rows of a process that has 64 devices."""
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "64"}
    command = [sys.executable, "-m", "tests.experiments.many_devices", *names]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def golden(request):
    if request.config.getoption("--update-golden"):
        rows = lowered("all")
        GOLDEN.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(TABLE.sub(many_devices.table(rows), page), encoding="utf-8")
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_every_step_is_lowered_for_64_devices_and_takes_the_golden_bytes(golden):
    rows = lowered(SMALLEST)
    assert [row["name"] for row in rows] == [row["name"] for row in golden]
    for row, expected in zip(rows, golden, strict=True):
        temporary = row.pop("temporary_bytes")
        if row["name"] == SMALLEST:
            # What XLA needs for a while may change a little with its version.
            assert temporary == pytest.approx(expected["temporary_bytes"], rel=0.1)
        assert row == {name: expected[name] for name in row}


def test_every_step_fits_a_device(golden):
    for row in golden:
        # Which a step that was not compiled needs at least; the largest were.
        needed = row["argument_bytes"] + (row["temporary_bytes"] or 0)
        assert row["temporary_bytes"] or row["parameters"] < 300e6
        assert needed < (H100 if row["name"] in H100_ONLY else TPU_V5E), row


def test_the_page_has_the_golden_table(golden):
    assert TABLE.search(PAGE.read_text(encoding="utf-8"))[0] == many_devices.table(golden)
