"""What `python -m tests.faults` does for hours, a few times."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import mutate
from tests.faults.formats import FORMATS

ROOT = Path(__file__).resolve().parent.parent.parent


def faults(tmp_path, *arguments):
    """The rows that a run writes, which must have found nothing."""
    out = tmp_path / "faults.json"
    command = [sys.executable, "-m", "tests.faults", *arguments, "--out", str(out)]
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return json.loads(out.read_text())


def test_damaged_files_of_every_format_are_the_same_or_refused(tmp_path):
    record = faults(tmp_path, "mutations", "--times", "4")
    assert [row["case"] for row in record["rows"]] == [*FORMATS]
    assert all(row["times"] == 4 and not row["faults"] for row in record["rows"])
    assert record["benchmark"] == "faults" and record["seeds"] == [0]


@pytest.mark.parametrize("case", ["compress", "transfer"])
def test_killed_runs_lose_nothing_and_go_on(case, tmp_path):
    (row,) = faults(tmp_path, "kills", "--only", case, "--times", "3")["rows"]
    assert row["times"] >= 3


def test_surroundings_that_go_wrong_cost_one_line(tmp_path):
    rows = faults(tmp_path, "surroundings", "--only", "compress", "--times", "1")["rows"]
    assert {row["case"].split(",")[0] for row in rows} >= {"full disk", "two at once", "SIGTERM"}


def test_damage_is_decided_by_its_number_and_is_damage():
    data = json.dumps({"a": [1, {"b": "c"}], "d": None}).encode()
    for change in (mutate.mutated, mutate.mutated_json):
        first = [change(data, random.Random(number)) for number in range(60)]
        assert first == [change(data, random.Random(number)) for number in range(60)]
        assert sum(one != data for one in first) > 50
