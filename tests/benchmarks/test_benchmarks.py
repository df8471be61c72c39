"""The benchmarks run; what they measure is nobody's test."""

import datetime
import importlib
import json
import sys
from pathlib import Path

import pytest

from experiments.benchmarks import __main__ as benchmarks
from experiments.benchmarks import preparation, report
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


def test_the_page_about_scale_has_the_table_of_its_record(tmp_path):
    page = Path(__file__).resolve().parents[2] / "docs" / "scale.md"
    text = page.read_text(encoding="utf-8")
    assert text.index(preparation.BEGIN) < text.index(preparation.END)
    record = results.COMMITTED / "benchmarks" / "preparation.json"
    if record.is_file():
        assert preparation.table(json.loads(record.read_text())["rows"]) in text
    copy = tmp_path / "scale.md"
    copy.write_text(text, encoding="utf-8")
    seconds = {"read": 1e-8, "encode": 4e-8, "write": 2e-8}  # of a core, for each byte of text
    rows = [preparation._row("some codec", 1000, 4.0, seconds)]
    preparation.write_page(str(copy), rows)
    changed = copy.read_text(encoding="utf-8")
    assert changed.startswith(text[: text.index(preparation.BEGIN)])
    assert changed.endswith(text[text.index(preparation.END) :])
    # 750 GB at 70 ns a byte; 4 bytes an id, and 20 for each of 365 M documents.
    line = "| some codec | 4.00 | 100 MB/s | 25 MB/s | 50 MB/s | 15 | encode | 757 GB |"
    assert line in changed
