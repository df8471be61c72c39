"""What `python -m tests.faults` does for hours, a few times."""

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

from tests.faults import mutate
from tests.faults.formats import FORMATS

ROOT = Path(__file__).resolve().parent.parent.parent


# All formats, and of the commands the two that need no training.
COMMANDS = ("compress", "transfer", "full disk, compress", "two at once, compress",
            "closed pipe, compress", "SIGTERM, compress", "SIGINT, transfer")  # fmt: skip


def test_nothing_of_it_is_lost_changed_or_unforeseen(tmp_path):
    """One process for all, since the imports take the most time."""
    out = tmp_path / "faults.json"
    cases = [*FORMATS, *COMMANDS]
    only = f"^({'|'.join(map(re.escape, cases))})$"
    command = [sys.executable, "-m", "tests.faults", "all", "--times", "2", "--only", only]
    # Children see one device, as users do.
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    done = subprocess.run(
        [*command, "--out", str(out)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    record = json.loads(out.read_text())
    assert sorted(row["case"] for row in record["rows"]) == sorted(cases)
    assert all(row["times"] >= 2 and not row["faults"] for row in record["rows"])
    assert record["benchmark"] == "faults" and record["seeds"] == [0]


def test_damage_is_decided_by_its_number_and_is_damage():
    data = json.dumps({"a": [1, {"b": "c"}], "d": None}).encode()
    for change in (mutate.mutated, mutate.mutated_json):
        first = [change(data, random.Random(number)) for number in range(60)]
        assert first == [change(data, random.Random(number)) for number in range(60)]
        assert sum(one != data for one in first) > 50
