"""The benchmarks run; what they measure is nobody's test."""

import datetime
import importlib
import json
import sys

import pytest

from experiments.benchmarks import __main__ as benchmarks
from experiments.benchmarks import report
from research.reporting import environment, results


@pytest.mark.slow
@pytest.mark.parametrize("name", benchmarks.BENCHMARKS)
def test_a_benchmark_writes_its_rows(name, tmp_path, monkeypatch):
    if name == "coder":
        pytest.importorskip("constriction")
    module = importlib.import_module(f"experiments.benchmarks.{name}")
    out = tmp_path / "rows.json"
    arguments = [name, *benchmarks.BENCHMARKS[name], "--out", str(out)]
    monkeypatch.setattr(sys, "argv", arguments)
    module.main()
    written = json.loads(out.read_text())
    assert written.keys() == {*report.FIELDS}
    assert written["rows"] and written["versions"]["jax"] and written["hardware"]
    assert written["config"] and "out" not in written["config"]
    assert written["date"] == datetime.date.today().isoformat()
    assert written["commit"] == environment.commit()


@pytest.mark.parametrize("path", sorted((results.COMMITTED / "benchmarks").glob("*.json")))
def test_a_committed_benchmark_says_where_it_is_from(path):
    kept = json.loads(path.read_text())
    assert kept.keys() - {"notes"} == {*report.FIELDS}
    assert kept["benchmark"] in {*benchmarks.BENCHMARKS, "faults"}
    assert datetime.date.fromisoformat(kept["date"])
    # What is not known is null, and said.
    unknown = [name for name in report.FIELDS if kept[name] is None]
    assert not unknown or kept["notes"] and set(unknown) <= {"commit", "config"}
