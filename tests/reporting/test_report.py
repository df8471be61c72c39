"""Plots, and the committed README table."""

import types
from pathlib import Path
from typing import NamedTuple

import pytest

from research.cli import report as command
from research.reporting import plots, report

ROOT = Path(__file__).resolve().parent.parent.parent
AXES = plots.Axes(x="MFLOPs/byte", y="bits/byte", series=("method",), log_x=True)
OURS = {
    "ours, cpu": [{"method": "Bytes", "MFLOPs/byte": 1.0, "bits/byte": 2.5}],
    "ours, gpu": [
        {"method": "Bytes", "MFLOPs/byte": 50.0, "bits/byte": 1.5},
        {"method": "AC", "MFLOPs/byte": 20, "bits/byte": None},
    ],
}
PAPER = [
    {"method": name, "MFLOPs/byte": x, "bits/byte": y}
    for name, x, y in (("Bytes", 226, 1.16), ("Bytes", 50, 1.29), ("AC", 15.1, 1.46))
]


def test_a_plot_is_a_picture_and_the_same_every_time(tmp_path):
    first, second = tmp_path / "a" / "1.png", tmp_path / "2.png"
    for path in (first, second):
        assert plots.save(path, "Title", AXES, OURS, PAPER)
    assert first.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert first.read_bytes() == second.read_bytes()


def test_curves_side_by_side_in_a_row_and_in_panels(tmp_path):
    axes = plots.Axes(
        "start", "perplexity", ("model",), across="start ", lines=True, panels="text", thin="floor"
    )
    rows = [
        {"model": "a", "text": text, "start 1": 9.0, "start 25": 3.0, "start x": 1, "floor": floor}
        for text, floor in (("code", False), ("prose", True), ("verse", True), ("lists", None))
    ]
    assert plots._points(axes, rows[:1]) == {("a", ""): [(1, 9.0), (25, 3.0)]}
    assert plots.save(tmp_path / "1.png", "Title", axes, {"ours, cpu": rows}, rows[:1])
    assert not plots.save(tmp_path / "2.png", "Title", axes, {}, [{"model": "a", "start x": 1.0}])


def test_nothing_to_draw_writes_nothing(tmp_path):
    path = tmp_path / "1.png"
    assert not plots.save(path, "Title", AXES, {"ours, cpu": [{"method": "x"}]}, [])
    assert not path.exists()


@pytest.mark.parametrize(
    ("columns", "declared", "expected"),
    [
        (("method", "ratio"), None, None),
        (("method", "bits/byte"), None, None),
        (("method", "MFLOPs/byte", "bits/byte"), None, AXES),
        (
            ("method", "flops_per_byte", "bits_per_byte"),
            None,
            plots.Axes("flops_per_byte", "bits_per_byte", ("method",), log_x=True),
        ),
        (
            ("method", "vocabulary", "mflops_per_byte", "bits_per_byte"),
            None,
            plots.Axes("mflops_per_byte", "bits_per_byte", ("method", "vocabulary"), log_x=True),
        ),
        (
            ("n", "kl"),
            {"x": "n", "y": "kl", "series": ("source",)},
            plots.Axes("n", "kl", ("source",)),
        ),
    ],
)
def test_axes(columns, declared, expected):
    assert plots.axes_of(columns, declared) == expected


def test_the_summary_shows_scales_beside_the_papers_smallest_model():
    section = report.Section(
        paper="p",
        table="t",
        title="Title",
        columns=("method", "size", "bits_per_byte"),
        paper_rows=[
            {"method": "Bytes", "size": size, "bits_per_byte": bits}
            for size, bits in (("25m", 1.29), ("25m", 1.3), ("2b", 1.03))
        ],
        scales=("cpu", "gpu", "paper"),
        results={"cpu": FakeResult([{"method": "AC", "size": "small", "bits_per_byte": 2.5}])},
    )
    assert report.summary(section).splitlines() == [
        "Title: bits/byte",
        "",
        "| method | ours, cpu | ours, gpu | paper, 25m |",
        "| --- | --- | --- | --- |",
        "| AC | 2.5 | not yet run | - |",
        "| Bytes | - | not yet run | 1.29 / 1.3 |",
    ]


def test_pictures_that_a_run_left_are_shown(tmp_path):
    source = tmp_path / "cpu-keys.png"
    source.write_bytes(b"a picture")
    section = report.Section(
        paper="p", table="t", title="T", columns=("n",), paper_rows=[], scales=("cpu",),
        pictures=[source],
    )  # fmt: skip
    written = report.write(tmp_path / "report", [section])
    assert written[-1].read_bytes() == b"a picture"
    assert f"![T](p/{written[-1].name})" in written[0].read_text(encoding="utf-8")


class FakeResult(NamedTuple):
    """Of a result, what a summary reads."""

    rows: list


def test_the_readmes_table_is_what_the_committed_results_say():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert report.update_readme(text, command.main_sections()) == text


def test_a_table_may_say_what_its_summary_shows():
    rows = [
        {"task": task, "model": model, "kind": kind, "first": 0.5, "wanted": number / 8}
        for number, (task, model, kind) in enumerate(
            [("a", "m", "x"), ("a", "n", "x"), ("b", "m", "x"), ("a", "m", "y")]
        )
    ]
    section = report.Section(
        paper="p",
        table="t",
        title="T",
        columns=("task", "model", "kind", "first", "wanted"),
        paper_rows=[{"task": "a", "model": "m", "kind": "x", "wanted": 0.75}],
        scales=("cpu",),
        results={"cpu": types.SimpleNamespace(rows=rows)},
        brief={"key": ("task", "model"), "value": "wanted", "where": {"kind": "x"}},
    )
    lines = report.summary(section).splitlines()
    assert lines[0] == "T: wanted"
    assert [line.split(" | ") for line in lines[4:]] == [
        ["| a, m", "0", "0.75 |"],
        ["| a, n", "0.125", "- |"],
        ["| b, m", "0.25", "- |"],
    ]
