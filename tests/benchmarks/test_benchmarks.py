"""The benchmarks run; what they measure is nobody's test."""

import importlib
import json
import sys

import pytest

from experiments.benchmarks import __main__ as benchmarks


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
    assert written["rows"] and written["versions"]["jax"] and written["hardware"]
